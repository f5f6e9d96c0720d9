package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
)

const (
	// Whoever has taken the next revisions is alone until it commits.
	nextRevision = `UPDATE revisions SET newest = newest + $1 RETURNING newest - $1`

	insertChanges = `INSERT INTO changes (revision, key_id) SELECT * FROM unnest($1::bigint[], $2::text[])`
	insertKey     = `INSERT INTO keys (id, prefix, environment, name, owner, scopes, created, expires, disabled, revoked, reason, certificate, revision,
			kind, plan, updated, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING`
	updateKey = `UPDATE keys SET prefix = $2, environment = $3, name = $4, owner = $5, scopes = $6, created = $7, expires = $8,
		disabled = $9, revoked = $10, reason = $11, certificate = $12, revision = $13, kind = $14, plan = $15, updated = $16, detail = $17
		WHERE id = $1 AND revision = $18`
	deleteKey     = `DELETE FROM keys WHERE id = $1 AND revision = $2`
	findKey       = `SELECT revision FROM keys WHERE id = $1`
	deleteDigests = `DELETE FROM secrets WHERE key_id = $1`
	insertDigest  = `INSERT INTO secrets (key_id, position, digest, pepper, created, retires, number, idle_retire, format)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (format, digest) WHERE format <> '' DO NOTHING`
	tellChange = `SELECT pg_notify('warder_keys', '')`
)

// Apply implements apikey.Store. A change that is not complete, or that holds
// text which is not UTF-8 without NUL, is refused.
func (s *APIKeys) Apply(ctx context.Context, c apikey.Change) (apikey.Revision, error) {
	revisions, err := s.ApplyAll(ctx, []apikey.Change{c})
	if err != nil {
		return 0, err
	}
	return revisions[0], nil
}

// ApplyAll implements apikey.Batcher.
func (s *APIKeys) ApplyAll(ctx context.Context, changes []apikey.Change) ([]apikey.Revision, error) {
	writes, err := newWrites(changes)
	if err != nil {
		return nil, err
	}
	var revisions []apikey.Revision
	err = s.db.write(ctx, func(tx pgx.Tx) error {
		t, err := takeTurn(ctx, tx, writes)
		if err != nil {
			return err
		}
		revisions = t.revisions
		return t.send(ctx, tx, writes)
	})
	if refused, ok := errors.AsType[*refusedError](err); ok {
		err = s.refusal(ctx, refused)
	}
	if err != nil {
		return nil, changeError(ctx, "change api key", err)
	}
	return revisions, nil
}

// newWrites returns the changes ready to be written, or why they never can be.
func newWrites(changes []apikey.Change) ([]write, error) {
	if err := apikey.CheckBatch(changes); err != nil {
		return nil, err
	}
	writes := make([]write, len(changes))
	for i := range changes {
		w, err := newWrite(changes[i])
		if err != nil {
			return nil, err
		}
		writes[i] = *w
	}
	return writes, nil
}

// A refusedError says that a change is not possible: the record is not what it begins
// with, or another key has its imported digest.
type refusedError struct {
	write *write
	taken bool
}

func (*refusedError) Error() string { return "postgres: the change is refused" }

// A turn is what a change needs to know of those before it, while it is alone.
type turn struct {
	revisions []apikey.Revision
	log       chain
	before    map[string]json.RawMessage // by the key's id, as the audit has it
}

// takeTurn waits until nobody else changes keys or writes to the audit.
func takeTurn(ctx context.Context, tx pgx.Tx, writes []write) (*turn, error) {
	t := &turn{revisions: make([]apikey.Revision, len(writes)), before: map[string]json.RawMessage{}}
	var changed []string
	for i := range writes {
		if c := &writes[i].change; c.Before != nil {
			changed = append(changed, string(c.ID()))
		}
	}
	batch := new(pgx.Batch)
	batch.Queue(nextRevision, int64(len(writes))).QueryRow(func(row pgx.Row) error {
		var before apikey.Revision
		err := row.Scan(&before)
		for i := range t.revisions {
			t.revisions[i] = before + apikey.Revision(i) + 1
		}
		return err
	})
	batch.Queue(headOfAudit).QueryRow(func(row pgx.Row) (err error) {
		t.log.head, err = readHead(row)
		return err
	})
	if len(changed) > 0 {
		batch.Queue(lastAfter, audit.KindKey, changed).Query(t.readBefore)
	}
	return t, tx.SendBatch(ctx, batch).Close()
}

func (t *turn) readBefore(rows pgx.Rows) error {
	return eachRow(rows, func() error {
		var id string
		var after []byte
		if rows.Scan(&id, &after) != nil {
			return errRow
		}
		t.before[id] = after
		return nil
	})
}

// entry is what a change leaves in the audit. What was before is taken from the log,
// and only for a key that it does not have from the caller.
func (t *turn) entry(w *write) (audit.Entry, error) {
	c := &w.change
	if c.Before == nil {
		return t.log.put(w.draft), nil
	}
	e := w.event()
	if e.Before = t.before[e.Subject]; e.Before == nil {
		var err error
		if e.Before, err = c.Before.Snapshot(); err != nil {
			return audit.Entry{}, plain("a time of the record is out of range")
		}
	}
	return t.log.seal(e)
}

// send writes everything in one round trip.
func (t *turn) send(ctx context.Context, tx pgx.Tx, writes []write) error {
	batch := new(pgx.Batch)
	var first *refusedError
	refuse := func(w *write, taken bool) {
		if first == nil {
			first = &refusedError{w, taken}
		}
	}
	ids, entries := make([]string, len(writes)), make([]audit.Entry, len(writes))
	for i := range writes {
		ids[i] = string(writes[i].change.ID())
	}
	batch.Queue(insertChanges, t.revisions, ids)
	together := creates(writes)
	if together {
		if err := queueCreates(batch, tx.Conn().TypeMap(), writes, t.revisions, refuse); err != nil {
			return err
		}
	}
	for i := range writes {
		if !together {
			writes[i].queue(batch, t.revisions[i], refuse)
		}
		var err error
		if entries[i], err = t.entry(&writes[i]); err != nil {
			return err
		}
	}
	queueEntries(batch, entries)
	batch.Queue(tellChange)
	err := tx.SendBatch(ctx, batch).Close()
	if first != nil { // what follows it may have failed as well
		return first
	}
	return err
}

// refusal tells why.
func (s *APIKeys) refusal(ctx context.Context, r *refusedError) error {
	if r.write.change.Before == nil || r.taken {
		return apikey.ErrExists
	}
	var rev int64
	switch err := s.db.pool.QueryRow(ctx, findKey, string(r.write.change.ID())).Scan(&rev); {
	case errors.Is(err, pgx.ErrNoRows):
		return apikey.ErrNotFound
	case err != nil:
		return err
	}
	return apikey.ErrConflict
}

// changeError passes the errors by which a store answers and names the others.
func changeError(ctx context.Context, what string, err error) error {
	for _, known := range []error{apikey.ErrExists, apikey.ErrNotFound, apikey.ErrConflict} {
		if errors.Is(err, known) {
			return err
		}
	}
	return answer(ctx, what, err)
}

// textsOf returns all text of a change but its details.
func textsOf(c apikey.Change) []string {
	all := []string{c.Actor, c.Source, string(c.Op), string(c.ID())}
	if r := c.After; r != nil {
		all = append(all, r.Prefix, string(r.Environment), r.Name, r.Owner, r.Reason, r.Plan, string(r.Kind))
		for _, s := range r.Secrets {
			all = append(all, s.Pepper, s.Format)
		}
		all = append(all, r.Scopes...)
	}
	return all
}

// A write is a change ready to be written: what can fail without the database
// has not failed.
type write struct {
	change   apikey.Change
	scopes   []string
	detail   string
	snapshot json.RawMessage // nil for a key that is deleted
	draft    audit.Draft     // of the entry, for a key that is made
}

func newWrite(c apikey.Change) (*write, error) {
	if slices.ContainsFunc(textsOf(c), func(s string) bool { return !validText(s) }) {
		return nil, errors.New("postgres: change has text that is not UTF-8, or a NUL")
	}
	w := &write{change: c, scopes: []string{}}
	if c.After == nil {
		return w, nil
	}
	if len(c.After.Scopes) > 0 {
		w.scopes = c.After.Scopes
	}
	var err error
	if w.detail, err = c.After.Detail(); err != nil || !validText(w.detail) || !validDetail(c.After) {
		return nil, errors.New("postgres: details cannot be stored: text that is not UTF-8, or a NUL")
	}
	if w.snapshot, err = c.After.Snapshot(); err != nil {
		return nil, errors.New("postgres: a time of the record is out of range")
	}
	if c.Before == nil {
		if w.draft, err = audit.Prepare(w.event()); err != nil {
			return nil, fmt.Errorf("postgres: %w", err)
		}
	}
	return w, nil
}

// event is what the change leaves in the audit, but what was before.
func (w *write) event() audit.Event {
	c := &w.change
	return audit.Event{At: c.At, Actor: c.Actor, Source: c.Source, Op: string(c.Op), Kind: audit.KindKey, Subject: string(c.ID()), After: w.snapshot}
}

// queue puts the change, the record and its secrets into the batch.
func (w *write) queue(batch *pgx.Batch, rev apikey.Revision, refuse func(w *write, taken bool)) {
	c, id := &w.change, string(w.change.ID())
	var before *int64
	if c.Before != nil {
		n := int64(c.Before.Revision)
		before = &n
	}
	if before != nil {
		batch.Queue(deleteDigests, id)
	}
	query, args := insertKey, w.args(rev)
	switch {
	case c.After == nil:
		query, args = deleteKey, []any{id, *before}
	case before != nil:
		query, args = updateKey, append(args, *before)
	}
	batch.Queue(query, args...).Exec(wantRows(1, func() { refuse(w, false) }))
	if c.After == nil {
		return
	}
	for i, s := range c.After.Secrets {
		batch.Queue(insertDigest, id, i, s.Digest[:], s.Pepper, stored(s.Created), stored(s.Retires), s.Number, s.IdleRetire.Milliseconds(), s.Format).
			Exec(wantRows(1, func() { refuse(w, true) }))
	}
}

// wantRows calls otherwise when a statement has not written n rows.
func wantRows(n int, otherwise func()) func(pgconn.CommandTag) error {
	return func(done pgconn.CommandTag) error {
		if done.RowsAffected() != int64(n) {
			otherwise()
		}
		return nil
	}
}

// args are the values of a record.
func (w *write) args(rev apikey.Revision) []any {
	r := w.change.After
	if r == nil {
		return nil
	}
	return []any{
		string(r.ID), r.Prefix, string(r.Environment), r.Name, r.Owner, w.scopes, stored(r.Created), stored(r.Expires), r.Disabled, stored(r.Revoked),
		r.Reason, certificate(r), int64(rev), string(r.KindOf()), r.Plan, stored(r.Updated), w.detail,
	}
}
