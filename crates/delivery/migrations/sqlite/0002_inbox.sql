-- The inbox of a channel: its messages by priority, then by place. A message that is repeated late stands here once.
CREATE TABLE inbox_places (
  -- The channel's text form
  channel        TEXT    NOT NULL,
  -- low, normal, high, urgent as 0 to 3
  priority       BIGINT  NOT NULL,
  -- The place of its first record
  place          BIGINT  NOT NULL,
  -- The inbox item
  item_id        TEXT    NOT NULL,
  PRIMARY KEY (channel, priority, place)
) WITHOUT ROWID;
INSERT INTO inbox_places (channel, priority, place, item_id)
SELECT c.channel, i.priority, MIN(c.place), r.subject
FROM delivery_channels c
JOIN delivery_records r ON r.place = c.place
JOIN inbox_items i ON i.item_id = r.subject
WHERE r.kind = 'message'
GROUP BY c.channel, r.subject, i.priority;
