-- Who is there, and since when somebody is not: one row for each person who ever had a stream, 30 days long.
CREATE TABLE people_seen (
  -- The person
  user_id        TEXT    NOT NULL PRIMARY KEY,
  -- When a stream of theirs closed and no other was known, milliseconds since 1970, UTC; NULL once that is settled
  gone_at        BIGINT,
  -- When they were last there, milliseconds since 1970, UTC; NULL while they are
  last_seen_at   BIGINT
);
-- Who may be gone.
CREATE INDEX people_seen_gone ON people_seen (gone_at);
-- Who is gone for long.
CREATE INDEX people_seen_last ON people_seen (last_seen_at);
