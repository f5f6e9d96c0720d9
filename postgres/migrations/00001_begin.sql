-- Keys, sessions, credits and nodes. Text that is compared or sorted goes by its
-- bytes (COLLATE "C"), whatever the database's own language is. NULL is the zero
-- time ("never").

-- +goose Up

-- The one row that every change of a key takes first and holds until it is
-- committed: revisions become visible in their order, without a gap.
CREATE TABLE revisions (
	one    boolean PRIMARY KEY DEFAULT true CHECK (one),
	newest bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO revisions (newest) VALUES (0);

-- Rows are only ever added.
CREATE TABLE changes (
	revision bigint      PRIMARY KEY,
	at       timestamptz NOT NULL,
	actor    text        NOT NULL CHECK (actor <> ''),
	source   text        NOT NULL CHECK (source <> ''),
	op       text        NOT NULL CHECK (op <> ''),
	key_id   text        COLLATE "C" NOT NULL,
	before   json,                -- the record, without digests; NULL when created
	after    json,                -- NULL when deleted
	mark     uuid        NOT NULL DEFAULT gen_random_uuid() -- tells the change from another one of the same number, after a restore
);

CREATE TABLE keys (
	id          text        COLLATE "C" PRIMARY KEY CHECK (id <> ''),
	prefix      text        NOT NULL,
	environment text        NOT NULL,
	name        text        NOT NULL,
	owner       text        COLLATE "C" NOT NULL,
	scopes      text[]      NOT NULL,
	created     timestamptz,
	expires     timestamptz,
	disabled    boolean     NOT NULL,
	revoked     timestamptz,
	reason      text        NOT NULL,
	certificate bytea       CHECK (length(certificate) = 32 AND certificate <> decode(repeat('00', 32), 'hex')),
	revision    bigint      NOT NULL REFERENCES changes (revision),
	kind        text        NOT NULL CHECK (kind IN ('secret', 'public', 'honeytoken')),
	plan        text        NOT NULL,
	updated     timestamptz,
	detail      json        NOT NULL -- what no key is found by
);
CREATE INDEX keys_created ON keys (coalesce(created, '-infinity') DESC, id);
CREATE INDEX keys_owner ON keys (owner, coalesce(created, '-infinity') DESC, id);

CREATE TABLE secrets (
	key_id      text        COLLATE "C" NOT NULL REFERENCES keys (id),
	position    integer     NOT NULL, -- 0 is the current one
	digest      bytea       NOT NULL CHECK (length(digest) = 32),
	pepper      text        COLLATE "C" NOT NULL,
	created     timestamptz,
	retires     timestamptz,
	number      bigint      NOT NULL,
	idle_retire bigint      NOT NULL, -- milliseconds
	format      text        COLLATE "C" NOT NULL, -- '' is ours
	PRIMARY KEY (key_id, position)
);
CREATE INDEX secrets_pepper ON secrets (pepper);
CREATE INDEX secrets_retires ON secrets (retires) WHERE retires IS NOT NULL;
CREATE UNIQUE INDEX secrets_legacy ON secrets (format, digest) WHERE format <> '';

CREATE TABLE nodes (
	id      text        COLLATE "C" PRIMARY KEY,
	version text        NOT NULL,
	host    text        NOT NULL,
	pid     bigint      NOT NULL,
	started timestamptz,
	seen    timestamptz NOT NULL, -- by this server's clock
	applied bigint      NOT NULL,
	lease   bigint      NOT NULL  -- microseconds
);

-- Of a session's id only the SHA-256 is kept.
CREATE TABLE sessions (
	digest       bytea       PRIMARY KEY CHECK (length(digest) = 32),
	revision     bigint      NOT NULL,
	issuer       text        COLLATE "C" NOT NULL CHECK (issuer <> ''),
	subject      text        COLLATE "C" NOT NULL CHECK (subject <> ''),
	person       json        NOT NULL, -- name, scopes, claims
	created      timestamptz NOT NULL,
	last_used    timestamptz NOT NULL,
	idle_expires timestamptz NOT NULL,
	expires      timestamptz NOT NULL,
	former        bytea      CHECK (length(former) = 32), -- the digest before the last rotation
	former_until  timestamptz,
	former_person json,
	CHECK ((former IS NULL) = (former_until IS NULL) AND (former IS NULL) = (former_person IS NULL))
);
CREATE UNIQUE INDEX sessions_former ON sessions (former) WHERE former IS NOT NULL;
CREATE INDEX sessions_user ON sessions (issuer, subject, last_used);
CREATE INDEX sessions_end ON sessions (least(idle_expires, expires));

CREATE TABLE credits (
	kind     text        COLLATE "C" NOT NULL CHECK (kind IN ('key', 'owner')),
	id       text        COLLATE "C" NOT NULL CHECK (id <> ''),
	balance  bigint      NOT NULL CHECK (balance >= 0),
	spent    bigint      NOT NULL CHECK (spent >= 0),
	lost     bigint      NOT NULL CHECK (lost >= 0),
	pending  bigint      NOT NULL CHECK (pending >= 0), -- by how much the last refill topped up, less what came back since
	epoch    bigint      NOT NULL,
	every    text        NOT NULL CHECK (every IN ('', 'day', 'week', 'month')),
	amount   bigint      NOT NULL,
	cap      bigint      NOT NULL,
	begins   timestamptz,
	next     timestamptz,
	PRIMARY KEY (kind, id)
);

CREATE TABLE credit_reservations (
	kind     text        COLLATE "C" NOT NULL,
	id       text        COLLATE "C" NOT NULL,
	lease    bytea       NOT NULL CHECK (length(lease) = 16),
	granted  bigint      NOT NULL CHECK (granted >= spent + returned),
	spent    bigint      NOT NULL CHECK (spent >= 0),
	returned bigint      NOT NULL CHECK (returned >= 0),
	epoch    bigint      NOT NULL,
	expires  timestamptz NOT NULL,
	favour   boolean     NOT NULL,
	PRIMARY KEY (kind, id, lease),
	FOREIGN KEY (kind, id) REFERENCES credits (kind, id)
);

-- What people changed. Rows are only ever added.
CREATE TABLE credit_changes (
	number  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at      timestamptz NOT NULL,
	actor   text        NOT NULL CHECK (actor <> ''),
	source  text        NOT NULL CHECK (source <> ''),
	op      text        NOT NULL CHECK (op <> ''),
	kind    text        NOT NULL,
	id      text        NOT NULL,
	amount  bigint      NOT NULL,
	before  json,                -- the account; NULL when the change made it
	after   json        NOT NULL
);
