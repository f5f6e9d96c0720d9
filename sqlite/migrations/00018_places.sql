-- The order of creation is a column, so that a page which goes on from a place is sought
-- in an index: by an expression, SQLite reads the index from its beginning.
--
-- The index of all keys has what most filters ask for, so that rows are read only of
-- what is found. Keys that end are found by when they do, and those that are no secrets
-- by their kind: no key without an end, and no secret, is in these.

-- +goose Up
DROP INDEX keys_created;
DROP INDEX keys_owner;
DROP INDEX keys_revoked;
DROP INDEX keys_disabled;
DROP INDEX keys_plan;
DROP INDEX keys_expires;
ALTER TABLE keys ADD COLUMN place INTEGER NOT NULL DEFAULT 0; -- created, negative: the newest come first
UPDATE keys SET place = -created WHERE created IS NOT NULL;
CREATE INDEX keys_created ON keys (place, id, name, owner, environment, expires, disabled, revoked);
CREATE INDEX keys_owner ON keys (owner, place, id);
CREATE INDEX keys_revoked ON keys (place, id) WHERE revoked IS NOT NULL;
CREATE INDEX keys_disabled ON keys (place, id) WHERE disabled = 1;
CREATE INDEX keys_plan ON keys (plan, place, id) WHERE plan <> '';
CREATE INDEX keys_kind ON keys (kind, place, id) WHERE kind <> 'secret';
CREATE INDEX keys_expires ON keys (expires) WHERE expires IS NOT NULL;
