-- The nodes that hold connections, where several share a database: each shows a sign of life while it lives.
CREATE TABLE gateway_nodes (
  -- Random: a process that starts again is another node
  node_id        TEXT    NOT NULL PRIMARY KEY,
  -- Host and address, for people to read; who starts under a name replaces whoever had it
  name           TEXT    NOT NULL,
  -- Goes up with each sign of life
  beat           BIGINT  NOT NULL,
  -- Milliseconds since 1970, UTC
  started_at     BIGINT  NOT NULL
);

-- The connections of these nodes: written when one opens, gone soon after it closed.
CREATE TABLE connections (
  -- Whose it is
  node_id        TEXT    NOT NULL,
  -- Unique in its node
  connection_id  BIGINT  NOT NULL,
  -- The person
  user_id        TEXT    NOT NULL,
  -- The device
  session_id     TEXT    NOT NULL,
  -- sse or websocket
  transport      TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  since_at       BIGINT  NOT NULL,
  PRIMARY KEY (node_id, connection_id)
) WITHOUT ROWID;
CREATE INDEX connections_by_user ON connections (user_id);
