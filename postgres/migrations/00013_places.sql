-- Keys that end are found by when they do, and those that are no secrets by their kind:
-- no key without an end, and no secret, is in these.

-- +goose Up
DROP INDEX keys_expires;
CREATE INDEX keys_expires ON keys (expires) WHERE expires IS NOT NULL;
CREATE INDEX keys_kind ON keys (kind, coalesce(created, '-infinity') DESC, id) WHERE kind <> 'secret';
