-- Sessions of people who logged in. Of an id only the SHA-256 is kept. Times are
-- microseconds since 1970 in UTC.

-- +goose Up
CREATE TABLE sessions (
	digest       BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
	revision     INTEGER NOT NULL,
	issuer       TEXT    NOT NULL CHECK (issuer <> ''),
	subject      TEXT    NOT NULL CHECK (subject <> ''),
	user         TEXT    NOT NULL, -- JSON: name, scopes, claims
	created      INTEGER NOT NULL,
	last_used    INTEGER NOT NULL,
	idle_expires INTEGER NOT NULL,
	expires      INTEGER NOT NULL,
	former       BLOB    CHECK (length(former) = 32), -- the digest before the last rotation
	former_until INTEGER,
	former_user  TEXT,             -- JSON
	CHECK ((former IS NULL) = (former_until IS NULL) AND (former IS NULL) = (former_user IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_former ON sessions (former) WHERE former IS NOT NULL;
CREATE INDEX sessions_user ON sessions (issuer, subject, last_used);
CREATE INDEX sessions_end ON sessions (min(idle_expires, expires));
