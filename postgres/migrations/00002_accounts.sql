-- Who administers: people, and machines with admin keys. What is looked for has a
-- column; the rest is JSON.

-- +goose Up

-- Counts the changes, which take turns: see the table revisions. What was changed is
-- in the audit log. Rows are only ever added.
CREATE TABLE account_changes (
	revision bigint PRIMARY KEY CHECK (revision > 0),
	subject  text   COLLATE "C" NOT NULL
);

CREATE TABLE accounts (
	id       text    COLLATE "C" PRIMARY KEY CHECK (id <> ''),
	name     text    COLLATE "C" NOT NULL UNIQUE CHECK (name <> ''),
	standing boolean NOT NULL,    -- an owner that counts: the last one stays
	pepper   text    COLLATE "C", -- that the second factor is sealed under; NULL without one
	revision bigint  NOT NULL REFERENCES account_changes (revision),
	detail   json    NOT NULL
);

CREATE TABLE admin_keys (
	id       text   COLLATE "C" PRIMARY KEY CHECK (id <> ''),
	pepper   text   COLLATE "C" NOT NULL,
	revision bigint NOT NULL REFERENCES account_changes (revision),
	detail   json   NOT NULL
);
