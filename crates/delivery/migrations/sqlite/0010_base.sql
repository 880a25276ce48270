-- Places that lie before offset 0 of a generation's log: a log that was made anew counts from 0 again, places do not.
ALTER TABLE delivery_generations ADD COLUMN base BIGINT NOT NULL DEFAULT 0;
