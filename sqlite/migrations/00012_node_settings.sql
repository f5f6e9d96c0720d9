-- What nodes must have alike: '' in one that is older than these columns.

-- +goose Up
ALTER TABLE nodes ADD COLUMN config TEXT NOT NULL DEFAULT '';  -- digest of the settings, without secrets
ALTER TABLE nodes ADD COLUMN peppers TEXT NOT NULL DEFAULT ''; -- ids, with commas between
