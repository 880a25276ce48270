-- The keys that services come in with.
CREATE TABLE service_keys (
  -- Names it in lists, in the audit, and as a caller; sorts by time
  key_id       TEXT    NOT NULL PRIMARY KEY,
  -- SHA-256 of the key; the key itself is nowhere
  key_hash     BLOB    NOT NULL,
  -- What it is for, in its maker's words
  name         TEXT    NOT NULL,
  -- What it may do, separated by spaces
  scopes       TEXT    NOT NULL,
  -- 1: it has the role admin, which has every scope
  admin        BIGINT  NOT NULL,
  -- Who made it: a person or another key
  created_by   TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at   BIGINT  NOT NULL,
  -- When it ends: milliseconds since 1970, UTC; NULL: it does not
  expires_at   BIGINT,
  -- When it was taken back: milliseconds since 1970, UTC; NULL: it was not
  revoked_at   BIGINT,
  -- When it was used, noted once a minute: milliseconds since 1970, UTC; NULL: it was not yet
  last_used_at BIGINT
);
-- A key that comes is found by its hash.
CREATE UNIQUE INDEX service_keys_by_hash ON service_keys (key_hash);
