-- Who came after a place, and who left after one: an audience is counted by these few, not by all who are in it.
CREATE INDEX directory_users_by_place ON directory_users (joined_place);
CREATE INDEX directory_members_by_place ON directory_members (channel, joined_place);
CREATE INDEX directory_former_by_place ON directory_former (channel, left_place);
