-- What a reading tells of where its values come from. Older ones know nothing of it.
ALTER TABLE reading ADD COLUMN others TEXT NOT NULL DEFAULT '{}' CHECK (json_type(others) = 'object');
ALTER TABLE reading ADD COLUMN epoch REAL;
ALTER TABLE reading ADD COLUMN samples REAL;
ALTER TABLE reading ADD COLUMN factors TEXT NOT NULL DEFAULT '{}' CHECK (json_type(factors) = 'object');
ALTER TABLE reading ADD COLUMN override TEXT NOT NULL DEFAULT '';
