-- Events that wait for a relay. The same tables as on SQLite; what differs is said here.
CREATE TABLE outbox (
  -- The order of the inserts. Rows of one key commit in this order, rows of different keys need not. The
  -- sequence has no cache: blocks for each connection would break the order within a key
  position       BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
  -- Names the row, at random: the primary key must not give the order of positions, or the planner would
  -- walk it over the rows that were numbered before
  id             TEXT    COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::TEXT PRIMARY KEY,
  -- Whose lease it takes to send it: all rows of a partition lie in one shard
  shard          BIGINT  NOT NULL,
  -- The topic's name in the log
  aggregatetype  TEXT    COLLATE "C" NOT NULL,
  -- The partition, fixed when the row was written
  partition_id   BIGINT  NOT NULL,
  -- The record's key, byte by byte; NULL for none, and for a row of several records
  aggregateid    BYTEA,
  -- The event's type: the header ce_type of the (first) record; empty for none
  type           TEXT    COLLATE "C" NOT NULL,
  -- The record's headers, JSON as in dead_letters; [] for a row of several records
  headers        TEXT    COLLATE "C" NOT NULL,
  -- The record's value, NULL for a tombstone; of a row of several records all of them, packed
  payload        BYTEA,
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
  set_aside      TEXT    COLLATE "C"
);

-- Giving a number rewrites the row: a body beside it, and not compressed, is a pointer then.
ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL;
-- A table in which every row comes and goes is full of dead ones; they are swept early and without rest.
ALTER TABLE outbox SET (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0
);

-- What has no number yet, in the order in which numbers are given: the only index over positions.
CREATE INDEX outbox_unnumbered ON outbox (shard, position) WHERE seq IS NULL;

-- What was numbered and may have to be sent again, in the order of the numbers.
CREATE UNIQUE INDEX outbox_numbered ON outbox (shard, aggregatetype, partition_id, seq) WHERE seq IS NOT NULL;

-- Who relays a shard. A relay that was passed by holds an older token, and its statements change nothing.
CREATE TABLE outbox_shards (
  -- Which shard, counted from 0
  shard          BIGINT  NOT NULL PRIMARY KEY,
  -- Who holds it: a name for people; NULL for nobody
  holder         TEXT    COLLATE "C",
  -- Raised by each take-over
  token          BIGINT  NOT NULL DEFAULT 0,
  -- Until when it is held, by the database's clock: milliseconds since 1970, UTC
  until          BIGINT  NOT NULL DEFAULT 0
);

INSERT INTO outbox_shards (shard) VALUES (0), (1), (2), (3);

-- The last number that was given in each partition.
CREATE TABLE outbox_numbers (
  -- The topic's name in the log
  topic          TEXT    COLLATE "C" NOT NULL,
  -- Which partition
  partition_id   BIGINT  NOT NULL,
  -- The last number given; the first one is 1
  last_seq       BIGINT  NOT NULL,
  PRIMARY KEY (topic, partition_id)
);

-- A database that went back gives numbers again. Each time the lease is taken on another one than before
-- (restored, failed over), a generation begins, and numbers count within it.
CREATE TABLE outbox_generations (
  -- Raised by one
  generation     BIGINT  NOT NULL PRIMARY KEY,
  -- What tells this database from another: its system identifier and timeline
  origin         TEXT    COLLATE "C" NOT NULL,
  -- Milliseconds since 1970, UTC
  started_at     BIGINT  NOT NULL
);
