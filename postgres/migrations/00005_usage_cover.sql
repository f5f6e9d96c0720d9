-- For which time usage is whole: one text, of all nodes.

-- +goose Up
CREATE TABLE usage_cover (
	one    boolean PRIMARY KEY DEFAULT true CHECK (one),
	detail text    NOT NULL -- JSON
);
INSERT INTO usage_cover (detail) VALUES ('');
