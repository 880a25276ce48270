-- When the record may be forgotten, in milliseconds since 1970, UTC: 30 days after it was said, and not before it ends
ALTER TABLE delivery_records ADD COLUMN keep_until BIGINT NOT NULL DEFAULT 0;
UPDATE delivery_records SET keep_until = created_at + 2592000000;
UPDATE delivery_records SET keep_until = expires_at WHERE expires_at > keep_until;
CREATE INDEX delivery_records_by_age ON delivery_records (keep_until);

-- Behind which place nothing was forgotten: one row, or none where nothing ever was.
CREATE TABLE delivery_kept (
  -- Always 1: one row
  one            BIGINT  NOT NULL PRIMARY KEY,
  -- The newest place that was forgotten
  kept_after     BIGINT  NOT NULL
);
CREATE INDEX inbox_items_by_age ON inbox_items (expires_at);
CREATE INDEX sessions_by_age ON sessions (seen_at);
CREATE INDEX directory_former_by_age ON directory_former (left_place);
