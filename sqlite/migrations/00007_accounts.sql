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

-- Counts the changes. What was changed is in the audit log. Rows are only ever added.
CREATE TABLE account_changes (
	revision INTEGER PRIMARY KEY AUTOINCREMENT,
	subject  TEXT    NOT NULL
) STRICT;
