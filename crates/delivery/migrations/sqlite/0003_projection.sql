-- How far the delivery log is projected, where a relay fills it: one row. None where the log is embedded, for there
-- a record is projected by the transaction that appends it.
CREATE TABLE delivery_projection (
  -- Always 1: one row
  one            BIGINT  NOT NULL PRIMARY KEY,
  -- The place up to which the projection is complete
  place          BIGINT  NOT NULL,
  -- Place and number of the newest record that was accepted, JSON: who moves it names what they found
  accepted       TEXT    NOT NULL
);

-- Numbers that the log lost: every reader passes them.
CREATE TABLE delivery_holes (
  -- The first missing number
  first_number   BIGINT  NOT NULL PRIMARY KEY,
  -- The last missing number
  last_number    BIGINT  NOT NULL,
  -- The place of the first record behind it
  held_from      BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC
  passed_at      BIGINT  NOT NULL
);

-- Changes of people that are on their way through the log: the next one of a person waits for it.
CREATE TABLE directory_changes (
  -- The person
  user_id        TEXT    NOT NULL PRIMARY KEY,
  -- The record that carries the change
  event_id       TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at     BIGINT  NOT NULL
);

-- What is repeated late for a person and is on its way through the log: it is not repeated once more.
CREATE TABLE late_on_its_way (
  -- The person
  user_id        TEXT    NOT NULL,
  -- The event
  event_id       TEXT    NOT NULL,
  PRIMARY KEY (user_id, event_id)
);

-- Cancelled or expired; NULL while it is active
ALTER TABLE inbox_items ADD COLUMN end_reason TEXT;
