-- For which time usage is whole: one text, of all nodes.

-- +goose Up
CREATE TABLE usage_cover (
	id     INTEGER PRIMARY KEY CHECK (id = 1),
	detail TEXT NOT NULL -- JSON
) STRICT;
