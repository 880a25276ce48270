-- Runs of done offsets past next_offset: "+skip:length" pairs, each counted from the end of the one before
ALTER TABLE consumer_progress ADD COLUMN done TEXT NOT NULL DEFAULT '';
-- The epoch that a reset replaced, until its owner has followed; NULL where none is on its way
ALTER TABLE consumer_progress ADD COLUMN reset_epoch BIGINT;
-- Which process owns it, by its own name for itself; NULL while nobody does
ALTER TABLE consumer_progress ADD COLUMN owner TEXT;

-- Records that wait longer than memory may hold them. They count as done in consumer_progress; the partition's
-- owner works them off, in order within a line.
CREATE TABLE consumer_parked (
  -- The consumer group
  group_id      TEXT    NOT NULL,
  -- Where the record lies
  topic         TEXT    NOT NULL,
  -- Where the record lies
  partition_id  BIGINT  NOT NULL,
  -- What waits together: 'k' and the key, or 'o' and the offset of a record without one
  line          BLOB    NOT NULL,
  -- Where the record lies
  record_offset BIGINT  NOT NULL,
  -- When the record was appended: milliseconds since 1970, UTC
  recorded_at   BIGINT  NOT NULL,
  -- The record's key, byte by byte
  record_key    BLOB,
  -- The record's headers, as in log_records
  headers       TEXT    NOT NULL,
  -- The record's value, byte by byte
  value         BLOB,
  -- How often it was tried
  attempts      BIGINT  NOT NULL,
  -- When it is tried again: milliseconds since 1970, UTC
  due_at        BIGINT  NOT NULL,
  PRIMARY KEY (group_id, topic, partition_id, line, record_offset)
);

-- Events that a group has handled and that may come again at another place.
CREATE TABLE consumer_seen (
  -- The consumer group
  group_id      TEXT    NOT NULL,
  -- The event's id
  event_id      TEXT    NOT NULL,
  -- The place at which it was handled: there it is no repeat
  place         TEXT    NOT NULL,
  -- Until when repeats are known: milliseconds since 1970, UTC
  keep_until    BIGINT  NOT NULL,
  PRIMARY KEY (group_id, event_id)
);

-- What is to be forgotten.
CREATE INDEX consumer_seen_by_end ON consumer_seen (keep_until);

-- What operators said about a group.
CREATE TABLE consumer_groups (
  -- The consumer group
  group_id      TEXT    NOT NULL PRIMARY KEY,
  -- Since when it takes nothing new: milliseconds since 1970, UTC; NULL while it does
  paused_at     BIGINT
);

-- open, redriven, handled, purged
ALTER TABLE dead_letters ADD COLUMN state TEXT NOT NULL DEFAULT 'open';
-- How often it was sent through again
ALTER TABLE dead_letters ADD COLUMN redrives BIGINT NOT NULL DEFAULT 0;
-- When its state changed last: milliseconds since 1970, UTC
ALTER TABLE dead_letters ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;
