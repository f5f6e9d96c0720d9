-- What lists of few among many are read from: no key that works without a plan is in it.

-- +goose Up
CREATE INDEX keys_revoked ON keys (coalesce(created, '-infinity') DESC, id) WHERE revoked IS NOT NULL;
CREATE INDEX keys_disabled ON keys (coalesce(created, '-infinity') DESC, id) WHERE disabled;
CREATE INDEX keys_plan ON keys (plan, coalesce(created, '-infinity') DESC, id) WHERE plan <> '';
