-- Faults that testers asked for; empty unless `testing.faults` is set.
CREATE TABLE consumer_faults (
  -- Which fault
  fault_id   TEXT    NOT NULL PRIMARY KEY,
  -- Records of this topic, by the name features know it by; NULL for all
  topic      TEXT,
  -- Records that this group handles; NULL for all
  group_id   TEXT,
  -- Records of this key; NULL for all
  record_key TEXT,
  -- transient, permanent
  failure    TEXT    NOT NULL
);
