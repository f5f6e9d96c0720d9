-- Links to the holders' portal, and the sessions that they became. Times are
-- microseconds since 1970 in UTC.

-- +goose Up
CREATE TABLE portal_passes (
	id              TEXT    PRIMARY KEY CHECK (id <> ''),
	owner           TEXT    NOT NULL CHECK (owner <> ''),
	link            BLOB    NOT NULL CHECK (length(link) = 32),
	created         INTEGER NOT NULL,
	expires         INTEGER NOT NULL, -- of the link
	used            INTEGER,          -- NULL until then, as the two below
	session         BLOB    CHECK (length(session) = 32),
	session_expires INTEGER,
	made            INTEGER NOT NULL DEFAULT 0 CHECK (made >= 0), -- keys
	ended           INTEGER,
	detail          TEXT    NOT NULL,
	CHECK ((used IS NULL) = (session IS NULL) AND (used IS NULL) = (session_expires IS NULL))
) STRICT, WITHOUT ROWID;

-- When nothing of it holds any more.
CREATE INDEX portal_passes_over ON portal_passes (coalesce(ended, session_expires, expires));
CREATE INDEX portal_passes_owner ON portal_passes (owner, coalesce(session_expires, expires)) WHERE ended IS NULL;
