-- Until when the message is in the inbox of everybody who listens to the channel, in milliseconds since 1970, UTC, whatever
-- else is known of them; NULL where each of them is judged
ALTER TABLE inbox_places ADD COLUMN listed_until BIGINT;
