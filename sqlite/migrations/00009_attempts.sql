-- What came of requests with an Idempotency-Key. Times are microseconds since 1970
-- in UTC.

-- +goose Up
CREATE TABLE attempts (
	caller  TEXT    NOT NULL CHECK (caller <> ''),
	key     TEXT    NOT NULL CHECK (key <> ''),
	request BLOB    NOT NULL CHECK (length(request) = 32),
	began   INTEGER NOT NULL,
	answer  TEXT, -- NULL while it is under way
	PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX attempts_began ON attempts (began);
CREATE INDEX attempts_caller ON attempts (caller, began);
