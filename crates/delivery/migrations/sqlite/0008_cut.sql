-- When the device's last stream was ended because the device did not take its frames: milliseconds since 1970, UTC;
-- NULL once the device has come back
ALTER TABLE sessions ADD COLUMN cut_at BIGINT;
