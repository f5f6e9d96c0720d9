-- What nodes must have alike: '' in one that is older than these columns.

-- +goose Up
ALTER TABLE nodes
	ADD COLUMN config  text NOT NULL DEFAULT '', -- digest of the settings, without secrets
	ADD COLUMN peppers text NOT NULL DEFAULT ''; -- ids, with commas between
