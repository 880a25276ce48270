CREATE TABLE broadcasts (
  -- brd_…; sorts by time
  broadcast_id   TEXT    NOT NULL PRIMARY KEY,
  -- scheduled, active, expired, cancelled or failed
  status         TEXT    NOT NULL,
  -- Who said it
  sender_id      TEXT    NOT NULL,
  -- What it says: JSON {title, content, data, action_url, category}
  said           TEXT    NOT NULL,
  -- Who it is for: JSON, as the request named it
  target         TEXT    NOT NULL,
  -- How many people it names one by one; NULL where channels name them
  selected       BIGINT,
  -- low, normal, high or urgent
  priority       TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at     BIGINT  NOT NULL,
  -- When it becomes active; NULL for at once
  scheduled_at   BIGINT,
  -- When it is no longer delivered
  expires_at     BIGINT  NOT NULL,
  -- When it was cancelled or expired; NULL before
  ended_at       BIGINT,
  -- The counts at its end: JSON; NULL before
  final_stats    TEXT
);
-- The schedule asks for the next one that is due.
CREATE INDEX broadcasts_due ON broadcasts (status, scheduled_at);
CREATE INDEX broadcasts_ending ON broadcasts (status, expires_at);
