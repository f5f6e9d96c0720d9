-- What keys were used for. Times are the beginnings of minutes, hours or days of UTC.
-- Rows are changed again and again, in no column of an index: pages keep room for it.

-- +goose Up
CREATE TABLE usage_counts (
	resolution smallint    NOT NULL CHECK (resolution IN (0, 1, 2)), -- minute, hour, day
	at         timestamptz NOT NULL,
	key_id     text        COLLATE "C" NOT NULL, -- '' for none, 'other'
	route      text        COLLATE "C" NOT NULL,
	outcome    smallint    NOT NULL,
	n          bigint      NOT NULL CHECK (n > 0),
	PRIMARY KEY (resolution, at, key_id, route, outcome)
) WITH (fillfactor = 80);

CREATE TABLE usage_secrets (
	key_id text        COLLATE "C" NOT NULL,
	secret bigint      NOT NULL,
	at     timestamptz NOT NULL, -- last used
	PRIMARY KEY (key_id, secret)
) WITH (fillfactor = 80);

CREATE TABLE usage_scopes (
	key_id text        COLLATE "C" NOT NULL,
	scope  text        COLLATE "C" NOT NULL,
	at     timestamptz NOT NULL,
	PRIMARY KEY (key_id, scope)
) WITH (fillfactor = 80);

-- Of each key the most frequent and the latest addresses: not all.
CREATE TABLE usage_addresses (
	key_id  text        COLLATE "C" NOT NULL,
	address text        COLLATE "C" NOT NULL, -- 192.0.2.1/32, 2001:db8::/64
	n       bigint      NOT NULL,
	at      timestamptz NOT NULL,
	PRIMARY KEY (key_id, address)
) WITH (fillfactor = 80);
