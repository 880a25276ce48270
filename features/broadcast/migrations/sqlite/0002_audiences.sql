-- 1 where those who join the audience later are meant too
ALTER TABLE broadcasts ADD COLUMN late_joiners BIGINT NOT NULL DEFAULT 1;
-- 1 where it is only for those who are online at its moment
ALTER TABLE broadcasts ADD COLUMN fire_and_forget BIGINT NOT NULL DEFAULT 0;
-- The list of people it goes to; NULL where it goes to no list
ALTER TABLE broadcasts ADD COLUMN list_id TEXT;
CREATE INDEX broadcasts_by_list ON broadcasts (list_id);

-- Lists of people, as somebody put them once: a list that is put again is another one under the same name.
CREATE TABLE audience_lists (
  -- lst_…; sorts by time
  list_id        TEXT    NOT NULL PRIMARY KEY,
  -- What broadcasts call it
  name           TEXT    NOT NULL,
  -- Different people in it
  people         BIGINT  NOT NULL DEFAULT 0,
  -- 1 for the one that the name means now
  current        BIGINT  NOT NULL DEFAULT 0,
  -- Milliseconds since 1970, UTC
  created_at     BIGINT  NOT NULL
);
CREATE INDEX audience_lists_by_name ON audience_lists (name, current);

-- The people of a list.
CREATE TABLE audience_people (
  -- The list
  list_id        TEXT    NOT NULL,
  -- The person
  user_id        TEXT    NOT NULL,
  PRIMARY KEY (list_id, user_id)
) WITHOUT ROWID;

-- What of a broadcast lies in dead letters; a row goes when its record was sent through again and handled.
CREATE TABLE broadcast_failures (
  -- The broadcast
  broadcast_id   TEXT    NOT NULL,
  -- The event of the record that was given up
  event_id       TEXT    NOT NULL,
  -- The one person behind it; NULL for all whom it would have reached
  user_id        TEXT,
  -- For people who are named one by one: those after this one; NULL for all of them
  after_user     TEXT,
  -- Milliseconds since 1970, UTC
  failed_at      BIGINT  NOT NULL,
  PRIMARY KEY (broadcast_id, event_id)
) WITHOUT ROWID;
CREATE INDEX broadcast_failures_by_person ON broadcast_failures (broadcast_id, user_id);
