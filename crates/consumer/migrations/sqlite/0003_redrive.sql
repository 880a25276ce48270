-- Which run of an operator sent it through again last; NULL before the first
ALTER TABLE dead_letters ADD COLUMN redrive_run TEXT;
CREATE INDEX dead_letters_by_run ON dead_letters (redrive_run);
-- When a record of the partition was done last: milliseconds since 1970, UTC
ALTER TABLE consumer_progress ADD COLUMN moved_at BIGINT NOT NULL DEFAULT 0;
