-- What a key may be narrowed to, what its limits are, and whose imported text it
-- is. detail is JSON: what no key is found by.

-- +goose Up
ALTER TABLE keys ADD COLUMN kind TEXT NOT NULL DEFAULT 'secret' CHECK (kind IN ('secret', 'public', 'honeytoken'));
ALTER TABLE keys ADD COLUMN plan TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN updated INTEGER;
ALTER TABLE keys ADD COLUMN detail TEXT NOT NULL DEFAULT '{}';

ALTER TABLE secrets ADD COLUMN number INTEGER NOT NULL DEFAULT 1;
ALTER TABLE secrets ADD COLUMN idle_retire INTEGER NOT NULL DEFAULT 0; -- milliseconds
ALTER TABLE secrets ADD COLUMN format TEXT NOT NULL DEFAULT ''; -- '' is ours

CREATE UNIQUE INDEX secrets_legacy ON secrets (format, digest) WHERE format <> '';
CREATE INDEX keys_created ON keys (-coalesce(created, 0), id);
CREATE INDEX keys_owner ON keys (owner, -coalesce(created, 0), id);
