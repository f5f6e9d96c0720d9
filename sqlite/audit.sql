-- The log of what was changed; see the package audit. Times are microseconds since
-- 1970 in UTC.

CREATE TABLE audit (
	seq     INTEGER NOT NULL PRIMARY KEY CHECK (seq > 0),
	at      INTEGER NOT NULL,
	actor   TEXT    NOT NULL CHECK (actor <> ''),
	source  TEXT    NOT NULL CHECK (source <> ''),
	op      TEXT    NOT NULL CHECK (op <> ''),
	kind    TEXT    NOT NULL CHECK (kind <> ''),
	subject TEXT    NOT NULL CHECK (subject <> ''),
	before  TEXT,            -- JSON without secrets, byte by byte as it was hashed; NULL for none
	after   TEXT,
	prev    BLOB    NOT NULL CHECK (length(prev) = 32),
	hash    BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE INDEX audit_subject ON audit (subject, seq);

CREATE TABLE audit_checkpoints (
	seq       INTEGER NOT NULL PRIMARY KEY CHECK (seq > 0),
	hash      BLOB    NOT NULL CHECK (length(hash) = 32),
	at        INTEGER NOT NULL,
	node      TEXT    NOT NULL,
	key       BLOB    NOT NULL CHECK (length(key) = 32),
	signature BLOB    NOT NULL CHECK (length(signature) = 64)
) STRICT;

-- Rows are only ever added, each after the last one.
CREATE TRIGGER audit_next BEFORE INSERT ON audit
WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM audit), 0)
	OR NEW.prev <> coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), zeroblob(32))
BEGIN SELECT RAISE(ABORT, 'the entry does not follow the last one of the audit log'); END;

CREATE TRIGGER audit_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log can only grow'); END;

CREATE TRIGGER audit_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log can only grow'); END;

CREATE TRIGGER audit_checkpoints_replace BEFORE INSERT ON audit_checkpoints
WHEN EXISTS (SELECT 1 FROM audit_checkpoints WHERE seq = NEW.seq)
BEGIN SELECT RAISE(IGNORE); END;

CREATE TRIGGER audit_checkpoints_update BEFORE UPDATE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints of the audit log are only added'); END;

CREATE TRIGGER audit_checkpoints_delete BEFORE DELETE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints of the audit log are only added'); END;
