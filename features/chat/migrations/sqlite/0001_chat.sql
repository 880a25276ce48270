CREATE TABLE conversations (
  -- cnv_…; sorts by time
  conversation_id TEXT   NOT NULL PRIMARY KEY,
  -- The two people, in the order of their ids: JSON; NULL for groups
  pair            TEXT   UNIQUE,
  -- How a group is called; NULL where nobody named it
  title           TEXT,
  -- Who made it
  created_by      TEXT   NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at      BIGINT NOT NULL,
  -- The number of its last message; 0 before the first
  last_seq        BIGINT NOT NULL,
  -- When its last message was said; when it was made, before the first
  last_at         BIGINT NOT NULL
);

CREATE TABLE conversation_members (
  -- Which conversation
  conversation_id TEXT   NOT NULL,
  -- Who
  user_id         TEXT   NOT NULL,
  -- The last message before they joined: they see what follows
  joined_seq      BIGINT NOT NULL,
  -- Their devices have everything up to this message
  delivered_seq   BIGINT NOT NULL,
  -- They read everything up to this message
  read_seq        BIGINT NOT NULL,
  -- The notification of what they have not read; NULL where there is none
  notice_id       TEXT,
  PRIMARY KEY (conversation_id, user_id)
);
-- Somebody's conversations.
CREATE INDEX conversation_members_of ON conversation_members (user_id, conversation_id);

CREATE TABLE chat_messages (
  -- msg_…; sorts by time
  message_id      TEXT   NOT NULL PRIMARY KEY,
  -- Which conversation
  conversation_id TEXT   NOT NULL,
  -- Its number there, from 1 without holes
  seq             BIGINT NOT NULL,
  -- Who said it
  sender_id       TEXT   NOT NULL,
  -- What its sender's device calls it; NULL where it has no name for it
  client_id       TEXT,
  -- What it says
  content         TEXT   NOT NULL,
  -- The event by which it is delivered
  event_id        TEXT   NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX chat_messages_order ON chat_messages (conversation_id, seq);
-- The same name is the same message.
CREATE UNIQUE INDEX chat_messages_named ON chat_messages (conversation_id, sender_id, client_id);

CREATE TABLE chat_steps (
  -- Which conversation
  conversation_id TEXT   NOT NULL,
  -- Which member
  user_id         TEXT   NOT NULL,
  -- delivered or read
  word            TEXT   NOT NULL,
  -- Up to which message
  seq             BIGINT NOT NULL,
  -- Milliseconds since 1970, UTC: when it came that far
  at              BIGINT NOT NULL,
  PRIMARY KEY (conversation_id, user_id, word, seq)
);
-- How long the newest messages took.
CREATE INDEX chat_steps_newest ON chat_steps (conversation_id, seq);

CREATE TABLE chat_standings_due (
  -- A message of a group whose counts changed
  message_id      TEXT   NOT NULL PRIMARY KEY,
  -- The newest word: delivered or read
  word            TEXT   NOT NULL,
  -- Whose word it was
  user_id         TEXT   NOT NULL,
  -- Milliseconds since 1970, UTC: when its sender is told
  due_at          BIGINT NOT NULL
);
CREATE INDEX chat_standings_next ON chat_standings_due (due_at);

CREATE TABLE chat_notices_due (
  -- A conversation in which something was said
  conversation_id TEXT   NOT NULL PRIMARY KEY,
  -- Members up to this one were looked at; empty before the first
  after_user      TEXT   NOT NULL,
  -- Milliseconds since 1970, UTC: when it was said
  due_at          BIGINT NOT NULL
);
CREATE INDEX chat_notices_next ON chat_notices_due (due_at);
