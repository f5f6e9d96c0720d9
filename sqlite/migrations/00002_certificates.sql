-- The SHA-256 of the certificate that a key is bound to; NULL for none.

-- +goose Up
ALTER TABLE keys ADD COLUMN certificate BLOB CHECK (length(certificate) = 32 AND certificate <> zeroblob(32));
