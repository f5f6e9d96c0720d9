-- What came of requests with an Idempotency-Key.

-- +goose Up
CREATE TABLE attempts (
	caller  text        COLLATE "C" NOT NULL CHECK (caller <> ''),
	key     text        COLLATE "C" NOT NULL CHECK (key <> ''),
	request bytea       NOT NULL CHECK (length(request) = 32),
	began   timestamptz NOT NULL,
	answer  bytea, -- NULL while it is under way
	PRIMARY KEY (caller, key)
);
CREATE INDEX attempts_began ON attempts (began);
CREATE INDEX attempts_caller ON attempts (caller, began, key);
