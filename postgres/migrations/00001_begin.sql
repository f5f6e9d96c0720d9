-- Keys, sessions, credits, nodes and the audit log. Text that is compared or sorted goes by its
-- bytes (COLLATE "C"), whatever the database's own language is. NULL is the zero
-- time ("never").

-- +goose Up

-- The one row that every change of a key takes first and holds until it is
-- committed: revisions become visible in their order, without a gap. It is also the
-- turn to write to the audit log.
CREATE TABLE revisions (
	one    boolean PRIMARY KEY DEFAULT true CHECK (one),
	newest bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO revisions (newest) VALUES (0);

-- What nodes follow. Rows are only ever added.
CREATE TABLE changes (
	revision bigint PRIMARY KEY,
	key_id   text   COLLATE "C" NOT NULL,
	mark     uuid   NOT NULL DEFAULT gen_random_uuid() -- tells the change from another one of the same number, after a restore
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

-- Deliveries of events to webhooks.
CREATE TABLE webhook_deliveries (
	event    text        COLLATE "C" NOT NULL CHECK (event <> ''),
	endpoint text        COLLATE "C" NOT NULL CHECK (endpoint <> ''),
	type     text        NOT NULL CHECK (type <> ''),
	at       timestamptz NOT NULL,
	data     text        NOT NULL, -- JSON, byte by byte as it is signed
	attempts bigint      NOT NULL,
	due      timestamptz,          -- NULL once it is settled
	settled  timestamptz,
	PRIMARY KEY (event, endpoint),
	CHECK ((due IS NULL) <> (settled IS NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint, due, event) WHERE due IS NOT NULL;
CREATE INDEX webhook_deliveries_end ON webhook_deliveries (coalesce(settled, due));

-- The log of what was changed; see the package audit.
CREATE TABLE audit (
	seq     bigint      PRIMARY KEY CHECK (seq > 0),
	at      timestamptz NOT NULL,
	actor   text        COLLATE "C" NOT NULL CHECK (actor <> ''),
	source  text        NOT NULL CHECK (source <> ''),
	op      text        COLLATE "C" NOT NULL CHECK (op <> ''),
	kind    text        COLLATE "C" NOT NULL CHECK (kind <> ''),
	subject text        COLLATE "C" NOT NULL CHECK (subject <> ''),
	before  json,                -- without secrets, byte by byte as it was hashed; NULL for none
	after   json,
	prev    bytea       NOT NULL CHECK (length(prev) = 32),
	hash    bytea       NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX audit_subject ON audit (subject, seq);

CREATE TABLE audit_checkpoints (
	seq       bigint      PRIMARY KEY CHECK (seq > 0),
	hash      bytea       NOT NULL CHECK (length(hash) = 32),
	at        timestamptz NOT NULL,
	node      text        NOT NULL,
	key       bytea       NOT NULL CHECK (length(key) = 32),
	signature bytea       NOT NULL CHECK (length(signature) = 64)
);

-- Entries are only ever added, each after the last one. Whoever owns the tables can
-- take this away: the checkpoints, which are kept elsewhere too, tell of it.
-- +goose StatementBegin
CREATE FUNCTION audit_follows() RETURNS trigger LANGUAGE plpgsql SET search_path = warder, pg_temp AS $$
DECLARE
	last record;
BEGIN
	SELECT seq, hash INTO last FROM audit ORDER BY seq DESC LIMIT 1;
	IF NEW.seq <> 1 + coalesce(last.seq, 0) OR NEW.prev <> coalesce(last.hash, decode(repeat('00', 32), 'hex')) THEN
		RAISE EXCEPTION 'the entry does not follow the last one of the audit log';
	END IF;
	RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_next BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_follows();

-- +goose StatementBegin
CREATE FUNCTION audit_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the audit log can only grow';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_grows();
CREATE TRIGGER audit_checkpoints_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION audit_grows();
