-- What keys that have expired, or are about to, and those whose old secret is still good
-- are found by: no key without an end is in it.

-- +goose Up
CREATE INDEX keys_expires ON keys (-coalesce(created, 0), id, expires) WHERE expires IS NOT NULL;
CREATE INDEX secrets_retires ON secrets (retires) WHERE retires IS NOT NULL;
