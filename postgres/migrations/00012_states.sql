-- What keys that have expired, or are about to, are found by: no key without an end is
-- in it.

-- +goose Up
CREATE INDEX keys_expires ON keys (coalesce(created, '-infinity') DESC, id, expires) WHERE expires IS NOT NULL;
