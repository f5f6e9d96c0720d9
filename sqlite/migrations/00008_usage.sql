-- What keys were used for. Times are seconds since 1970 in UTC, of the beginning of
-- a minute, hour or day.

-- +goose Up
CREATE TABLE usage_counts (
	resolution INTEGER NOT NULL CHECK (resolution IN (0, 1, 2)), -- minute, hour, day
	at         INTEGER NOT NULL,
	key_id     TEXT    NOT NULL, -- '' for none, 'other'
	route      TEXT    NOT NULL,
	outcome    INTEGER NOT NULL,
	n          INTEGER NOT NULL CHECK (n > 0),
	PRIMARY KEY (resolution, at, key_id, route, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_secrets (
	key_id TEXT    NOT NULL,
	secret INTEGER NOT NULL,
	at     INTEGER NOT NULL, -- last used
	PRIMARY KEY (key_id, secret)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_scopes (
	key_id TEXT    NOT NULL,
	scope  TEXT    NOT NULL,
	at     INTEGER NOT NULL,
	PRIMARY KEY (key_id, scope)
) STRICT, WITHOUT ROWID;

-- Of each key the most frequent and the latest addresses: not all.
CREATE TABLE usage_addresses (
	key_id  TEXT    NOT NULL,
	address TEXT    NOT NULL, -- 192.0.2.1/32, 2001:db8::/64
	n       INTEGER NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (key_id, address)
) STRICT, WITHOUT ROWID;
