-- What a key was answered with: the same key gives the same answer for 24 hours.
CREATE TABLE idempotency_keys (
  -- SHA-256 of caller, method, path and key
  key_hash     BLOB    NOT NULL PRIMARY KEY,
  -- SHA-256 of the body: another body under the same key is refused
  body_hash    BLOB    NOT NULL,
  -- The answer's status
  status       BIGINT  NOT NULL,
  -- The answer's body: JSON
  answer       TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at   BIGINT  NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
