-- How far a group's effects are. This, not the log's committed offset, is the truth: it commits with them.
CREATE TABLE consumer_progress (
  -- The consumer group
  group_id      TEXT    NOT NULL,
  -- The topic's name in the log
  topic         TEXT    NOT NULL,
  -- Which partition
  partition_id  BIGINT  NOT NULL,
  -- Raised by each assignment; an older owner's transactions no longer match
  epoch         BIGINT  NOT NULL,
  -- The offset of the first record whose effects are not committed
  next_offset   BIGINT  NOT NULL,
  PRIMARY KEY (group_id, topic, partition_id)
);

CREATE TABLE dead_letters (
  -- topic/partition/offset and group: one row for one record that one group gave up
  dead_letter_id TEXT   NOT NULL PRIMARY KEY,
  -- The consumer group that gave it up
  group_id      TEXT    NOT NULL,
  -- The handler that gave it up
  handler       TEXT    NOT NULL,
  -- Where the record lies
  topic         TEXT    NOT NULL,
  -- Where the record lies
  partition_id  BIGINT  NOT NULL,
  -- Where the record lies
  record_offset BIGINT  NOT NULL,
  -- When the record was appended: milliseconds since 1970, UTC
  recorded_at   BIGINT  NOT NULL,
  -- The event's id
  event_id      TEXT    NOT NULL,
  -- The record's key, byte by byte
  record_key    BLOB,
  -- The record's headers, as in log_records
  headers       TEXT    NOT NULL,
  -- The record's value, byte by byte
  value         BLOB,
  -- The causes, outermost first, one a line
  cause         TEXT    NOT NULL,
  -- How often it was tried
  attempts      BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at    BIGINT  NOT NULL
);

-- The pages of the list, newest first.
CREATE INDEX dead_letters_by_time ON dead_letters (created_at, dead_letter_id);
