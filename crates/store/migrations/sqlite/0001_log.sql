-- The embedded log. A record's position is its partition's number times 2^40 plus its offset, so that
-- the row id is the place and each partition is one ascending run of the table.
CREATE TABLE log_topics (
  -- The name in the log
  topic            TEXT    NOT NULL PRIMARY KEY,
  -- The number of partition 0; partition n has this number plus n
  first_partition  BIGINT  NOT NULL UNIQUE,
  -- How many partitions
  partitions       BIGINT  NOT NULL,
  -- How long records are kept, in milliseconds
  retention_ms     BIGINT  NOT NULL,
  -- How many bytes of keys, headers and values are kept
  retention_bytes  BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at       BIGINT  NOT NULL
);

CREATE TABLE log_partitions (
  -- first_partition of the topic plus the partition
  partition_number BIGINT  NOT NULL PRIMARY KEY,
  -- The oldest offset that is still kept
  first_offset     BIGINT  NOT NULL DEFAULT 0,
  -- The offset of the next record
  next_offset      BIGINT  NOT NULL DEFAULT 0,
  -- Bytes of keys, headers and values that are kept
  bytes            BIGINT  NOT NULL DEFAULT 0
);

CREATE TABLE log_records (
  -- partition_number * 2^40 + offset
  position         INTEGER PRIMARY KEY,
  -- Milliseconds since 1970, UTC
  created_at       BIGINT  NOT NULL,
  -- What orders the record; NULL for none
  record_key       BLOB,
  -- JSON [[name, value as text or {"b": base16}], …]
  headers          TEXT    NOT NULL,
  -- NULL for a tombstone
  value            BLOB
);

CREATE TABLE log_group_offsets (
  -- The consumer group
  group_id         TEXT    NOT NULL,
  -- The topic's name in the log
  topic            TEXT    NOT NULL,
  -- Which partition
  partition_id     BIGINT  NOT NULL,
  -- The next offset that the group wants
  next_offset      BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC
  committed_at     BIGINT  NOT NULL,
  PRIMARY KEY (group_id, topic, partition_id)
);
