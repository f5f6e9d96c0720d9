-- Who administers: people, and machines with admin keys. What is looked for has a
-- column; the rest is JSON.

-- +goose Up
CREATE TABLE accounts (
	id       TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
	name     TEXT    NOT NULL UNIQUE CHECK (name <> ''),
	standing INTEGER NOT NULL CHECK (standing IN (0, 1)), -- an owner that counts: the last one stays
	pepper   TEXT,                                        -- that the second factor is sealed under; NULL without one
	revision INTEGER NOT NULL REFERENCES account_changes (revision),
	detail   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE admin_keys (
	id       TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
	pepper   TEXT    NOT NULL,
	revision INTEGER NOT NULL REFERENCES account_changes (revision),
	detail   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows are only ever added.
CREATE TABLE account_changes (
	revision INTEGER PRIMARY KEY AUTOINCREMENT,
	at       INTEGER NOT NULL, -- microseconds since 1970 in UTC
	actor    TEXT    NOT NULL CHECK (actor <> ''),
	source   TEXT    NOT NULL CHECK (source <> ''),
	op       TEXT    NOT NULL CHECK (op <> ''),
	kind     TEXT    NOT NULL CHECK (kind IN ('account', 'admin-key')),
	subject  TEXT    NOT NULL,
	before   TEXT,             -- what may be told of it, as JSON; NULL when created
	after    TEXT              -- NULL when removed
) STRICT;
