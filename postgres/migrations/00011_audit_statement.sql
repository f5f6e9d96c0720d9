-- Entries are looked at when a statement has written all of its own, and no more one by
-- one: of many at once, that was half of what it took to write them.

-- +goose Up
DROP TRIGGER audit_next ON audit;
DROP FUNCTION audit_follows();

-- +goose StatementBegin
CREATE FUNCTION audit_follows() RETURNS trigger LANGUAGE plpgsql SET search_path = warder, pg_temp AS $$
DECLARE
	first bigint;
	newest bigint;
	previous bytea;
BEGIN
	SELECT min(seq), max(seq) INTO first, newest FROM added;
	IF first IS NULL THEN
		RETURN NULL;
	END IF;
	IF first = 1 THEN
		previous := decode(repeat('00', 32), 'hex');
	ELSE
		SELECT hash INTO previous FROM audit WHERE seq = first - 1;
	END IF;
	IF newest <> (SELECT max(seq) FROM audit) OR EXISTS (
		SELECT 1 FROM (SELECT seq, prev, lag(seq, 1, first - 1) OVER w AS last, lag(hash, 1, previous) OVER w AS hash FROM added WINDOW w AS (ORDER BY seq)) a
		WHERE seq <> last + 1 OR prev IS DISTINCT FROM hash
	) THEN
		RAISE EXCEPTION 'the entry does not follow the last one of the audit log';
	END IF;
	RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_next AFTER INSERT ON audit REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_follows();
