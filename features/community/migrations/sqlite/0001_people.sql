-- Who made an account here.
CREATE TABLE community_accounts (
  -- The user name, which is the user id
  user_id        TEXT    NOT NULL PRIMARY KEY,
  -- The argon2id hash of the password, in PHC's letter: with its parameters and its salt
  password       TEXT    NOT NULL,
  -- How they are shown
  display_name   TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC
  created_at     BIGINT  NOT NULL
);

-- Who is known to the community: by an account here, once its sign-up came out of the log, or by another program's word.
CREATE TABLE community_profiles (
  -- The person
  user_id        TEXT    NOT NULL PRIMARY KEY,
  -- How they are shown
  display_name   TEXT    NOT NULL,
  -- Milliseconds since 1970, UTC: when they signed up
  created_at     BIGINT  NOT NULL
);
