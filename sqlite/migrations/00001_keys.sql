-- Times are microseconds since 1970 in UTC; NULL is the zero time ("never").

-- +goose Up
CREATE TABLE keys (
	id          TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
	prefix      TEXT    NOT NULL,
	environment TEXT    NOT NULL,
	name        TEXT    NOT NULL,
	owner       TEXT    NOT NULL,
	scopes      TEXT    NOT NULL, -- JSON array of text
	created     INTEGER,
	expires     INTEGER,
	disabled    INTEGER NOT NULL CHECK (disabled IN (0, 1)),
	revoked     INTEGER,
	reason      TEXT    NOT NULL,
	revision    INTEGER NOT NULL REFERENCES changes (revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
	key_id   TEXT    NOT NULL REFERENCES keys (id),
	position INTEGER NOT NULL, -- 0 is the current one
	digest   BLOB    NOT NULL CHECK (length(digest) = 32),
	pepper   TEXT    NOT NULL,
	created  INTEGER,
	retires  INTEGER,
	PRIMARY KEY (key_id, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX secrets_pepper ON secrets (pepper);

-- Rows are only ever added. AUTOINCREMENT never gives a revision twice, not even
-- when the newest rows are gone.
CREATE TABLE changes (
	revision INTEGER PRIMARY KEY AUTOINCREMENT,
	at       INTEGER NOT NULL,
	actor    TEXT    NOT NULL CHECK (actor <> ''),
	source   TEXT    NOT NULL CHECK (source <> ''),
	op       TEXT    NOT NULL CHECK (op <> ''),
	key_id   TEXT    NOT NULL,
	before   TEXT,            -- the record as JSON, without digests; NULL when created
	after    TEXT    NOT NULL,
	mark     BLOB    NOT NULL DEFAULT (randomblob(8)) -- tells the change from another one of the same number, after a restore
) STRICT;

CREATE TABLE nodes (
	id      TEXT    NOT NULL PRIMARY KEY,
	version TEXT    NOT NULL,
	host    TEXT    NOT NULL,
	pid     INTEGER NOT NULL,
	started INTEGER,
	seen    INTEGER NOT NULL,
	applied INTEGER NOT NULL,
	lease   INTEGER NOT NULL -- microseconds
) STRICT, WITHOUT ROWID;
