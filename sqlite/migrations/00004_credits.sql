-- Accounts of credits, and what nodes hold of them. Times are microseconds since
-- 1970 in UTC; NULL is none.

-- +goose Up
CREATE TABLE credits (
	kind     TEXT    NOT NULL CHECK (kind IN ('key', 'owner')),
	id       TEXT    NOT NULL CHECK (id <> ''),
	balance  INTEGER NOT NULL CHECK (balance >= 0),
	spent    INTEGER NOT NULL CHECK (spent >= 0),
	lost     INTEGER NOT NULL CHECK (lost >= 0),
	pending  INTEGER NOT NULL CHECK (pending >= 0), -- by how much the last refill topped up, less what came back since
	epoch    INTEGER NOT NULL,
	every    TEXT    NOT NULL CHECK (every IN ('', 'day', 'week', 'month')),
	amount   INTEGER NOT NULL,
	cap      INTEGER NOT NULL,
	begins   INTEGER,
	next     INTEGER,
	PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE credit_reservations (
	kind     TEXT    NOT NULL,
	id       TEXT    NOT NULL,
	lease    BLOB    NOT NULL CHECK (length(lease) = 16),
	granted  INTEGER NOT NULL CHECK (granted >= spent + returned),
	spent    INTEGER NOT NULL CHECK (spent >= 0),
	returned INTEGER NOT NULL CHECK (returned >= 0),
	epoch    INTEGER NOT NULL,
	expires  INTEGER NOT NULL,
	favour   INTEGER NOT NULL CHECK (favour IN (0, 1)),
	PRIMARY KEY (kind, id, lease),
	FOREIGN KEY (kind, id) REFERENCES credits (kind, id)
) STRICT, WITHOUT ROWID;

-- What people changed. Rows are only ever added.
CREATE TABLE credit_changes (
	number  INTEGER PRIMARY KEY AUTOINCREMENT,
	at      INTEGER NOT NULL,
	actor   TEXT    NOT NULL CHECK (actor <> ''),
	source  TEXT    NOT NULL CHECK (source <> ''),
	op      TEXT    NOT NULL CHECK (op <> ''),
	kind    TEXT    NOT NULL,
	id      TEXT    NOT NULL,
	amount  INTEGER NOT NULL,
	before  TEXT,            -- the account as JSON; NULL when the change made it
	after   TEXT    NOT NULL
) STRICT;
