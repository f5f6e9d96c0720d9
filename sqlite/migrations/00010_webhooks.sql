-- Deliveries of events to webhooks. Times are microseconds since 1970 in UTC.

-- +goose Up
CREATE TABLE webhook_deliveries (
	event    TEXT    NOT NULL CHECK (event <> ''),
	endpoint TEXT    NOT NULL CHECK (endpoint <> ''),
	type     TEXT    NOT NULL CHECK (type <> ''),
	at       INTEGER NOT NULL,
	data     TEXT    NOT NULL, -- JSON
	attempts INTEGER NOT NULL,
	due      INTEGER,          -- NULL once it is settled
	settled  INTEGER,
	PRIMARY KEY (event, endpoint),
	CHECK ((due IS NULL) <> (settled IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint, due, event) WHERE due IS NOT NULL;
CREATE INDEX webhook_deliveries_end ON webhook_deliveries (coalesce(settled, due));
