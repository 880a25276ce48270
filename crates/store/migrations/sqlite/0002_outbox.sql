-- Events that wait for a relay, where the log is another system (Kafka). The same tables on every database.
CREATE TABLE outbox (
  -- The order of the inserts. Rows of one key commit in this order, rows of different keys need not
  position       INTEGER PRIMARY KEY AUTOINCREMENT,
  -- Names the row, at random
  id             TEXT    NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
  -- Whose lease it takes to send it: all rows of a partition lie in one shard
  shard          BIGINT  NOT NULL,
  -- The topic's name in the log
  aggregatetype  TEXT    NOT NULL,
  -- The partition, fixed when the row was written
  partition_id   BIGINT  NOT NULL,
  -- The record's key, byte by byte; NULL for none, and for a row of several records
  aggregateid    BLOB,
  -- The event's type: the header ce_type of the (first) record; empty for none
  type           TEXT    NOT NULL,
  -- The record's headers, JSON as in log_records; [] for a row of several records
  headers        TEXT    NOT NULL,
  -- The record's value, NULL for a tombstone; of a row of several records all of them, packed
  payload        BLOB,
  -- How many records: 1 to 500
  records        BIGINT  NOT NULL,
  -- Bytes of keys, headers and values
  bytes          BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at     BIGINT  NOT NULL,
  -- The number of the first record within its topic and partition; NULL until a relay gave it. The row is
  -- deleted once all numbers up to its last were acknowledged
  seq            BIGINT,
  -- Why the row cannot be published; its numbers are sent empty. NULL for a row that can
  set_aside      TEXT
);

-- What has no number yet, in the order in which numbers are given: the only index over positions, so that
-- nothing walks over the rows that were numbered before.
CREATE INDEX outbox_unnumbered ON outbox (shard, position) WHERE seq IS NULL;

-- What was numbered and may have to be sent again, in the order of the numbers.
CREATE UNIQUE INDEX outbox_numbered ON outbox (shard, aggregatetype, partition_id, seq) WHERE seq IS NOT NULL;

-- Who relays a shard. A relay that was passed by holds an older token, and its statements change nothing.
CREATE TABLE outbox_shards (
  -- Which shard, counted from 0
  shard          BIGINT  NOT NULL PRIMARY KEY,
  -- Who holds it: a name for people; NULL for nobody
  holder         TEXT,
  -- Raised by each take-over
  token          BIGINT  NOT NULL DEFAULT 0,
  -- Until when it is held, by the database's clock: milliseconds since 1970, UTC
  until          BIGINT  NOT NULL DEFAULT 0
) WITHOUT ROWID;

INSERT INTO outbox_shards (shard) VALUES (0), (1), (2), (3);

-- The last number that was given in each partition.
CREATE TABLE outbox_numbers (
  -- The topic's name in the log
  topic          TEXT    NOT NULL,
  -- Which partition
  partition_id   BIGINT  NOT NULL,
  -- The last number given; the first one is 1
  last_seq       BIGINT  NOT NULL,
  PRIMARY KEY (topic, partition_id)
) WITHOUT ROWID;

-- A database that went back gives numbers again. Each time the lease is taken on another one than before
-- (restored, failed over), a generation begins, and numbers count within it.
CREATE TABLE outbox_generations (
  -- Raised by one
  generation     BIGINT  NOT NULL PRIMARY KEY,
  -- What tells this database from another: on PostgreSQL its system identifier and timeline
  origin         TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  started_at     BIGINT  NOT NULL
) WITHOUT ROWID;

-- What waits, so that the bound of the outbox costs an insert one row's look.
CREATE TABLE outbox_waiting (
  -- Always 1: one row
  one            BIGINT  NOT NULL PRIMARY KEY,
  -- Rows of the outbox
  row_count      BIGINT  NOT NULL,
  -- Bytes of their keys, headers and values
  byte_count     BIGINT  NOT NULL
) WITHOUT ROWID;

INSERT INTO outbox_waiting (one, row_count, byte_count) VALUES (1, 0, 0);

CREATE TRIGGER outbox_comes AFTER INSERT ON outbox BEGIN
  UPDATE outbox_waiting SET row_count = row_count + 1, byte_count = byte_count + NEW.bytes WHERE one = 1;
END;

CREATE TRIGGER outbox_goes AFTER DELETE ON outbox BEGIN
  UPDATE outbox_waiting SET row_count = row_count - 1, byte_count = byte_count - OLD.bytes WHERE one = 1;
END;
