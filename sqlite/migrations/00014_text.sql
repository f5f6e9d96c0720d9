-- Names and owners stand in the index of all keys, so that a text is looked for there
-- and not in every row.

-- +goose Up
DROP INDEX keys_created;
CREATE INDEX keys_created ON keys (-coalesce(created, 0), id, name, owner);
