-- What people do not want to hear of, and when; only of those who ever said so.
CREATE TABLE directory_preferences (
  -- The person
  user_id        TEXT    NOT NULL PRIMARY KEY,
  -- Mutes and quiet hours by place: JSON
  kept           TEXT    NOT NULL,
  -- When quiet hours end next, in milliseconds since 1970, UTC; NULL where there are none
  quiet_until    BIGINT
);
CREATE INDEX directory_preferences_quiet ON directory_preferences (quiet_until);
