-- What operators did: who, what, when, from where. Rows are added and never changed.
CREATE TABLE audit (
  -- Sorts by time
  audit_id     TEXT    NOT NULL PRIMARY KEY,
  -- When: milliseconds since 1970, UTC
  at           BIGINT  NOT NULL,
  -- Who: the token's `sub`
  who          TEXT    NOT NULL,
  -- From where: the address of the connection; NULL where it is not known
  from_address TEXT,
  -- What was done: dead_letter.redrive, group.reset, …
  action       TEXT    NOT NULL,
  -- What it was done to: an id, a group; empty where it was several
  subject      TEXT    NOT NULL,
  -- With what, and what became of it: JSON
  detail       TEXT    NOT NULL
);
