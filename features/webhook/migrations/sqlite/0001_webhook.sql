-- How far the delivery log was looked through for who has not confirmed what was said: one row.
CREATE TABLE webhook_looked (
  -- Always 1: one row
  one            BIGINT  NOT NULL PRIMARY KEY,
  -- All up to this place
  place          BIGINT  NOT NULL,
  -- And of the next place people up to this one; NULL where it was not begun
  after_user     TEXT
);

-- How far the delivery log was at which moment: what had been said by then.
CREATE TABLE webhook_heads (
  -- Milliseconds since 1970, UTC
  seen_at        BIGINT  NOT NULL PRIMARY KEY,
  -- The newest place
  place          BIGINT  NOT NULL
);
