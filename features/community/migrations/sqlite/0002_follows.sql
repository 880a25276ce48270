-- Who follows whom.
CREATE TABLE community_follows (
  -- Who follows
  follower_id    TEXT    NOT NULL,
  -- Whom
  followee_id    TEXT    NOT NULL,
  -- The event that said so
  event_id       TEXT    NOT NULL,
  -- 1 once the one who is followed was told
  told           BIGINT  NOT NULL DEFAULT 0,
  -- Milliseconds since 1970, UTC
  created_at     BIGINT  NOT NULL,
  PRIMARY KEY (follower_id, followee_id)
) WITHOUT ROWID;

-- What people add up to; it moves with the rows that it counts.
CREATE TABLE community_counts (
  -- The person
  user_id        TEXT    NOT NULL PRIMARY KEY,
  -- Who follow them
  followers      BIGINT  NOT NULL,
  -- Whom they follow
  following      BIGINT  NOT NULL,
  -- Their posts, once their events came out of the log
  posts          BIGINT  NOT NULL
);
