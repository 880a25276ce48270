-- The relay's number of the last numbered record before next_offset; NULL before the first
ALTER TABLE consumer_progress ADD COLUMN last_seq BIGINT;
-- The last number that was given before the group began: up to it a jump upwards is no hole
ALTER TABLE consumer_progress ADD COLUMN seq_within BIGINT NOT NULL DEFAULT 0;
