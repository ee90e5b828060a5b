-- Schema 1 to 2: packets whose time did not fit are counted. Rows of older runs: not known.
ALTER TABLE source ADD COLUMN times_clamped INTEGER;
PRAGMA user_version = 2;
