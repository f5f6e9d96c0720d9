package sqlite

import (
	"context"

	"github.com/warder-dev/warder/apikey"
)

// Many new keys are written by statements of several rows: what a statement costs
// by itself is paid once for all of them. No parameter has a number, since the
// driver would look for each by its name.
const (
	rowsAtOnce = 10

	values1  = `(?)`
	values9  = `(?, ?, ?, ?, ?, ?, ?, ?, ?)`
	values11 = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	values18 = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	nine1  = values1 + `, ` + values1 + `, ` + values1 + `, ` + values1 + `, ` + values1 + `, ` + values1 + `, ` + values1 + `, ` + values1 + `, ` + values1
	nine9  = values9 + `, ` + values9 + `, ` + values9 + `, ` + values9 + `, ` + values9 + `, ` + values9 + `, ` + values9 + `, ` + values9 + `, ` + values9
	nine11 = values11 + `, ` + values11 + `, ` + values11 + `, ` + values11 + `, ` + values11 + `, ` + values11 + `, ` + values11 + `, ` + values11 + `, ` + values11
	nine18 = values18 + `, ` + values18 + `, ` + values18 + `, ` + values18 + `, ` + values18 + `, ` + values18 + `, ` + values18 + `, ` + values18 + `, ` + values18

	createChange  = `INSERT INTO changes (key_id) VALUES ` + values1
	createChanges = `INSERT INTO changes (key_id) VALUES ` + nine1 + `, ` + values1

	intoKeys = `INSERT INTO keys (id, prefix, environment, name, owner, scopes, created, expires, disabled, revoked, reason, certificate, revision,
			kind, plan, updated, detail, place) VALUES `
	createKey  = intoKeys + values18 + ` ON CONFLICT DO NOTHING`
	createKeys = intoKeys + nine18 + `, ` + values18 + ` ON CONFLICT DO NOTHING`

	intoDigests   = `INSERT INTO secrets (key_id, position, digest, pepper, created, retires, number, idle_retire, format) VALUES `
	createDigest  = intoDigests + values9 + ` ON CONFLICT (format, digest) WHERE format <> '' DO NOTHING`
	createDigests = intoDigests + nine9 + `, ` + values9 + ` ON CONFLICT (format, digest) WHERE format <> '' DO NOTHING`

	intoAudit     = `INSERT INTO audit (seq, at, actor, source, op, kind, subject, before, after, prev, hash) VALUES `
	createEntry   = intoAudit + values11
	createEntries = intoAudit + nine11 + `, ` + values11
)

// creates reports whether all writes make keys, and are many enough to be written
// together.
func creates(writes []write) bool {
	if len(writes) < rowsAtOnce {
		return false
	}
	for i := range writes {
		if writes[i].change.Before != nil {
			return false
		}
	}
	return true
}

// create is run of writes that all make keys, table by table.
func create(ctx context.Context, tx *transaction, writes []write, log *chain) ([]apikey.Revision, error) {
	changes, keys, secrets := make([]any, 0, len(writes)), make([]any, 0, keyColumns*len(writes)), make([]any, 0, secretColumns*len(writes))
	for i := range writes {
		changes = append(changes, string(writes[i].change.ID()))
	}
	_, last, err := tx.insert(ctx, createChange, createChanges, changes, 1)
	if err != nil {
		return nil, err
	}
	revisions := make([]apikey.Revision, len(writes))
	for i := range writes { // there is one writer: they follow each other
		revisions[i] = apikey.Revision(last) - apikey.Revision(len(writes)-1-i)
		keys = append(keys, writes[i].columns(revisions[i])...)
		secrets = append(secrets, writes[i].digests()...)
	}
	for _, table := range []struct {
		one, many string
		values    []any
		width     int
	}{
		{createKey, createKeys, keys, keyColumns},
		{createDigest, createDigests, secrets, secretColumns},
	} {
		n, _, err := tx.insert(ctx, table.one, table.many, table.values, table.width)
		if err != nil {
			return nil, err
		}
		if n != int64(len(table.values)/table.width) {
			return nil, apikey.ErrExists
		}
	}
	return revisions, log.addAll(ctx, tx, writes)
}

// insert writes rows of width values: by many as long as there are [rowsAtOnce]
// left, and the others by one. It returns how many were written, and the number of
// the last.
func (t *transaction) insert(ctx context.Context, one, many string, values []any, width int) (n, last int64, err error) {
	for len(values) > 0 {
		query, size := one, width
		if len(values) >= rowsAtOnce*width {
			query, size = many, rowsAtOnce*width
		}
		done, err := t.ExecContext(ctx, query, values[:size]...)
		if err != nil {
			return n, last, err
		}
		some, err := done.RowsAffected()
		if err != nil {
			return n, last, err
		}
		if last, err = done.LastInsertId(); err != nil {
			return n, last, err
		}
		n, values = n+some, values[size:]
	}
	return n, last, nil
}

// addAll writes the entries of writes that make keys.
func (c *chain) addAll(ctx context.Context, tx *transaction, writes []write) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	entries := make([]any, 0, len(writes)*entryColumns)
	for i := range writes {
		sealed := writes[i].draft.Seal(c.head)
		c.head = sealed.Head()
		entries = append(entries, entryRow(&sealed)...)
	}
	_, _, err := tx.insert(ctx, createEntry, createEntries, entries, entryColumns)
	return err
}
