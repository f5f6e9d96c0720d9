-- What is known of whom keys belong to, by the id that keys bear. Times are microseconds
-- since 1970 in UTC; the revision is the number of the entry in the audit.

-- +goose Up
CREATE TABLE owners (
	id       TEXT    PRIMARY KEY CHECK (id <> ''),
	name     TEXT    NOT NULL,
	created  INTEGER NOT NULL,
	updated  INTEGER,            -- NULL: never
	revision INTEGER NOT NULL,
	metadata TEXT    NOT NULL    -- JSON
) STRICT, WITHOUT ROWID;
