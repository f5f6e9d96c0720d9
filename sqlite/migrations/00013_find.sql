-- What lists of few among many are read from: no key that works without a plan is in it.

-- +goose Up
CREATE INDEX keys_revoked ON keys (-coalesce(created, 0), id) WHERE revoked IS NOT NULL;
CREATE INDEX keys_disabled ON keys (-coalesce(created, 0), id) WHERE disabled = 1;
CREATE INDEX keys_plan ON keys (plan, -coalesce(created, 0), id) WHERE plan <> '';
