-- Links to the holders' portal, and the sessions that they became.

-- +goose Up
CREATE TABLE portal_passes (
	id              text        COLLATE "C" PRIMARY KEY CHECK (id <> ''),
	owner           text        COLLATE "C" NOT NULL CHECK (owner <> ''),
	link            bytea       NOT NULL CHECK (length(link) = 32),
	created         timestamptz NOT NULL,
	expires         timestamptz NOT NULL, -- of the link
	used            timestamptz,          -- NULL until then, as the two below
	session         bytea       CHECK (length(session) = 32),
	session_expires timestamptz,
	made            integer     NOT NULL DEFAULT 0 CHECK (made >= 0), -- keys
	ended           timestamptz,
	detail          json        NOT NULL,
	CHECK ((used IS NULL) = (session IS NULL) AND (used IS NULL) = (session_expires IS NULL))
);

-- When nothing of it holds any more.
CREATE INDEX portal_passes_over ON portal_passes (coalesce(ended, session_expires, expires));
CREATE INDEX portal_passes_owner ON portal_passes (owner, coalesce(session_expires, expires)) WHERE ended IS NULL;
