-- What people posted.
CREATE TABLE community_posts (
  -- pst_…, or the name that another program gave it
  post_id        TEXT    NOT NULL PRIMARY KEY,
  -- Who posted it
  author_id      TEXT    NOT NULL,
  -- What it says; empty once it was removed
  title          TEXT    NOT NULL,
  -- What it says; of another program's post the excerpt; empty once it was removed
  content        TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at     BIGINT  NOT NULL,
  -- 1 while it is one of its author's count
  counted        BIGINT  NOT NULL DEFAULT 0,
  -- 1 once its author's followers were told
  told           BIGINT  NOT NULL DEFAULT 0,
  -- When its author removed it; NULL before. The row stays, so that a record that comes again brings nothing back.
  removed_at     BIGINT
);
-- Lists show the newest first, of everybody or of one author.
CREATE INDEX community_posts_newest ON community_posts (created_at, post_id);
CREATE INDEX community_posts_by_author ON community_posts (author_id, created_at, post_id);
