-- Tickets that open one stream each.
CREATE TABLE stream_tickets (
  -- SHA-256 of the ticket; the ticket itself is nowhere
  ticket_hash  BLOB    NOT NULL PRIMARY KEY,
  -- Whose it is
  user_id      TEXT    NOT NULL,
  -- The caller that it stands for: JSON
  caller       TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  expires_at   BIGINT  NOT NULL
) WITHOUT ROWID;
-- A person's tickets are counted, and forgotten when their time is over.
CREATE INDEX stream_tickets_by_user ON stream_tickets (user_id, expires_at);
