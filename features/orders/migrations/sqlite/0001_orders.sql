-- Orders that a consumer met, each once.
CREATE TABLE orders (
  -- ord_…
  order_id       TEXT    NOT NULL PRIMARY KEY,
  -- Who ordered over HTTP; NULL for a record of another tool that does not say
  user_id        TEXT,
  -- As it was ordered
  customer_name  TEXT    NOT NULL,
  -- As it was ordered
  coffee_type    TEXT    NOT NULL,
  -- accepted or processed
  status         TEXT    NOT NULL,
  -- The topic's name in the log, where its record lies
  topic          TEXT    NOT NULL,
  -- The partition there
  partition      BIGINT  NOT NULL,
  -- The offset there
  record_offset  BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC: when it was accepted
  created_at     BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC: when it was processed
  processed_at   BIGINT  NOT NULL
);
-- Lists show the newest first.
CREATE INDEX orders_newest ON orders (created_at, order_id);
