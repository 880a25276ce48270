-- Generations of the delivery log: a cursor holds only within its own.
CREATE TABLE delivery_generations (
  -- Random; part of every cursor
  generation_id  BIGINT  NOT NULL PRIMARY KEY,
  -- The first place of the generation
  first_place    BIGINT  NOT NULL
);

-- The projection: one row per delivery record, written with the append itself.
CREATE TABLE delivery_records (
  -- The place: offset in the delivery log plus one
  place          BIGINT  NOT NULL PRIMARY KEY,
  -- The event; the same for a record that repeats it late
  event_id       TEXT    NOT NULL,
  -- message or change
  kind           TEXT    NOT NULL,
  -- What receipts name
  subject        TEXT    NOT NULL,
  -- The delivery record as it lies in the log, JSON
  record         BLOB    NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at     BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC; NULL for a change
  expires_at     BIGINT,
  -- The place from which on it is over; NULL while it is active
  ended_place    BIGINT,
  -- cancelled or expired; NULL while it is active
  end_reason     TEXT
);
CREATE INDEX delivery_records_by_subject ON delivery_records (subject);

-- Which channels a record went to: what a person is offered is found by the channels they have.
CREATE TABLE delivery_channels (
  -- The channel's text form
  channel        TEXT    NOT NULL,
  -- The record's place
  place          BIGINT  NOT NULL,
  PRIMARY KEY (channel, place)
) WITHOUT ROWID;

-- Inbox items: what a message says, once, whoever receives it.
CREATE TABLE inbox_items (
  -- What frames call the subject: brd_…, ntf_…, msg_…
  item_id        TEXT    NOT NULL PRIMARY KEY,
  -- broadcast, announcement, notification, or a route's own word
  kind           TEXT    NOT NULL,
  -- The frame's data: JSON
  data           TEXT    NOT NULL,
  -- low, normal, high, urgent as 0 to 3
  priority       BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at     BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC
  expires_at     BIGINT  NOT NULL,
  -- When it was cancelled or expired; NULL while it is active
  ended_at       BIGINT
);

-- What a person did with an item; no row means pending.
CREATE TABLE item_receipts (
  -- The person
  user_id        TEXT    NOT NULL,
  -- The item
  item_id        TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  delivered_at   BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC; NULL while unread
  read_at        BIGINT,
  -- 1 when the person removed it from their inbox
  removed        BIGINT  NOT NULL DEFAULT 0,
  PRIMARY KEY (user_id, item_id)
) WITHOUT ROWID;
CREATE INDEX item_receipts_by_item ON item_receipts (item_id, user_id);

-- What the receipts of an item add up to; moved in the transaction of the receipt.
CREATE TABLE item_counters (
  -- The item
  item_id        TEXT    NOT NULL,
  -- Several rows share the writes
  shard          BIGINT  NOT NULL,
  -- People who confirmed
  delivered      BIGINT  NOT NULL DEFAULT 0,
  -- People who read
  read           BIGINT  NOT NULL DEFAULT 0,
  PRIMARY KEY (item_id, shard)
) WITHOUT ROWID;

-- One row per device: how far its cursor confirmed.
CREATE TABLE sessions (
  -- The person
  user_id        TEXT    NOT NULL,
  -- The device
  session_id     TEXT    NOT NULL,
  -- How it opened, what was withheld from it, how far it confirmed: JSON
  receipts       TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  seen_at        BIGINT  NOT NULL,
  PRIMARY KEY (user_id, session_id)
) WITHOUT ROWID;

-- The directory: who there is.
CREATE TABLE directory_users (
  -- The caller's own id
  user_id        TEXT    NOT NULL PRIMARY KEY,
  -- How they are shown
  display_name   TEXT    NOT NULL,
  -- 1 for somebody who may not come in
  disabled       BIGINT  NOT NULL DEFAULT 0,
  -- From this place on; what is active then is theirs too
  joined_place   BIGINT  NOT NULL,
  -- The place of the newest change of their channels: an opening judged before it is judged again
  changed_place  BIGINT  NOT NULL,
  -- When the newest token was made whose claims were taken over, in milliseconds; 0 for none
  claimed_at     BIGINT  NOT NULL DEFAULT 0,
  -- Milliseconds since 1970, UTC
  created_at     BIGINT  NOT NULL
);

-- Who listens to which role, group or app channel.
CREATE TABLE directory_members (
  -- The channel's text form
  channel        TEXT    NOT NULL,
  -- The person
  user_id        TEXT    NOT NULL,
  -- From this place on; what is active then is theirs too
  joined_place   BIGINT  NOT NULL,
  PRIMARY KEY (channel, user_id)
) WITHOUT ROWID;
CREATE INDEX directory_members_by_user ON directory_members (user_id, channel);

-- Who listened before and left: kept until the last message that they could have had ends.
CREATE TABLE directory_former (
  -- The person
  user_id        TEXT    NOT NULL,
  -- The channel's text form
  channel        TEXT    NOT NULL,
  -- From this place on
  joined_place   BIGINT  NOT NULL,
  -- Up to, and without, this place
  left_place     BIGINT  NOT NULL,
  PRIMARY KEY (user_id, channel, joined_place)
) WITHOUT ROWID;

-- How many people a channel has, so that an audience is counted without reading it.
CREATE TABLE channel_counts (
  -- The channel's text form; `all` counts the directory
  channel        TEXT    NOT NULL PRIMARY KEY,
  -- People
  members        BIGINT  NOT NULL
) WITHOUT ROWID;
