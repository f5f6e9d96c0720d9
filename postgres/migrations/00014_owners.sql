-- What is known of whom keys belong to, by the id that keys bear. The revision is the
-- number of the entry in the audit.

-- +goose Up
CREATE TABLE owners (
	id       text        COLLATE "C" PRIMARY KEY CHECK (id <> ''),
	name     text        NOT NULL,
	created  timestamptz NOT NULL,
	updated  timestamptz,          -- NULL: never
	revision bigint      NOT NULL,
	metadata json        NOT NULL
);
