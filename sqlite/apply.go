package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
)

const (
	insertChange = `INSERT INTO changes (key_id) VALUES (?1)`
	insertKey    = `INSERT INTO keys (id, prefix, environment, name, owner, scopes, created, expires, disabled, revoked, reason, certificate, revision,
			kind, plan, updated, detail, place)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) ON CONFLICT DO NOTHING`
	updateKey = `UPDATE keys SET prefix = ?2, environment = ?3, name = ?4, owner = ?5, scopes = ?6, created = ?7, expires = ?8,
		disabled = ?9, revoked = ?10, reason = ?11, certificate = ?12, revision = ?13, kind = ?14, plan = ?15, updated = ?16, detail = ?17, place = ?18
		WHERE id = ?1 AND revision = ?19`
	deleteKey     = `DELETE FROM keys WHERE id = ?1 AND revision = ?2`
	findKey       = `SELECT revision FROM keys WHERE id = ?1`
	deleteDigests = `DELETE FROM secrets WHERE key_id = ?1`
	insertDigest  = `INSERT INTO secrets (key_id, position, digest, pepper, created, retires, number, idle_retire, format)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (format, digest) WHERE format <> '' DO NOTHING`
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
	const what = "change api key"
	writes, err := newWrites(changes)
	if err != nil {
		return nil, err
	}
	tx, err := s.db.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	in := newTransaction(tx, len(writes))
	revisions, err := run(ctx, in, writes)
	if err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = s.db.file.look() // what went into a file without a name is not acknowledged
	}
	if err != nil {
		// A failed commit may have rolled back by itself; ErrTxDone says so.
		_ = tx.Rollback()
		return nil, changeError(ctx, what, err)
	}
	return revisions, nil
}

// run writes everything, and returns the revisions.
func run(ctx context.Context, tx *transaction, writes []write) ([]apikey.Revision, error) {
	log := chain{tx: tx}
	if creates(writes) {
		return create(ctx, tx, writes, &log)
	}
	revisions := make([]apikey.Revision, len(writes))
	for i := range writes {
		var err error
		if revisions[i], err = writes[i].run(ctx, tx, &log); err != nil {
			return nil, err
		}
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
	scopes   string
	detail   string
	snapshot json.RawMessage // nil for a key that is deleted
	draft    audit.Draft     // of the entry, for a key that is made
}

func newWrite(c apikey.Change) (*write, error) {
	if slices.ContainsFunc(textsOf(c), func(s string) bool { return !validText(s) }) {
		return nil, errors.New("sqlite: change has text that is not UTF-8, or a NUL")
	}
	w := &write{change: c, scopes: "[]"}
	if c.After == nil {
		return w, nil
	}
	var err error
	if len(c.After.Scopes) > 0 {
		if w.scopes, err = jsonOf(c.After.Scopes); err != nil {
			return nil, errors.New("sqlite: scopes cannot be stored")
		}
	}
	if w.detail, err = c.After.Detail(); err != nil || !validText(w.detail) || !validDetail(c.After) {
		return nil, errors.New("sqlite: details cannot be stored: text that is not UTF-8, or a NUL")
	}
	if w.snapshot, err = c.After.Snapshot(); err != nil {
		return nil, errors.New("sqlite: a time of the record is out of range")
	}
	if c.Before == nil {
		if w.draft, err = audit.Prepare(w.event()); err != nil {
			return nil, fmt.Errorf("sqlite: %w", err)
		}
	}
	return w, nil
}

// event is what the change leaves in the audit, but what was before.
func (w *write) event() audit.Event {
	c := &w.change
	return audit.Event{At: c.At, Actor: c.Actor, Source: c.Source, Op: string(c.Op), Kind: audit.KindKey, Subject: string(c.ID()), After: w.snapshot}
}

// run writes the change, the record and its secrets, and the entry of the audit.
func (w *write) run(ctx context.Context, tx *transaction, log *chain) (apikey.Revision, error) {
	rev, err := w.next(ctx, tx)
	if err != nil {
		return 0, err
	}
	if w.change.After == nil {
		err = w.remove(ctx, tx)
	} else if err = w.record(ctx, tx, rev); err == nil {
		err = w.secrets(ctx, tx)
	}
	if err != nil {
		return 0, err
	}
	return rev, w.audit(ctx, log)
}

// audit writes the entry of the change. What was before is taken from the log, and
// only for a key that it does not have from the caller.
func (w *write) audit(ctx context.Context, log *chain) error {
	c := &w.change
	if c.Before == nil {
		_, err := log.put(ctx, w.draft)
		return err
	}
	e := w.event()
	var err error
	if e.Before, err = log.before(ctx, e.Kind, e.Subject); err != nil {
		return err
	}
	if e.Before == nil {
		if e.Before, err = c.Before.Snapshot(); err != nil {
			return err
		}
	}
	_, err = log.add(ctx, e)
	return err
}

// remove deletes the record, if it is what Before says.
func (w *write) remove(ctx context.Context, tx *transaction) error {
	if _, err := tx.ExecContext(ctx, deleteDigests, string(w.change.ID())); err != nil {
		return err
	}
	done, err := tx.ExecContext(ctx, deleteKey, string(w.change.ID()), int64(w.change.Before.Revision))
	if err != nil {
		return err
	}
	return w.one(ctx, tx, done)
}

// one reports why done is not the change of one row.
func (w *write) one(ctx context.Context, tx *transaction, done sql.Result) error {
	if n, err := done.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return w.refusal(ctx, tx)
}

// next adds the change to the list and returns its revision. There is one writer,
// so revisions become visible in their order.
func (w *write) next(ctx context.Context, tx *transaction) (apikey.Revision, error) {
	done, err := tx.ExecContext(ctx, insertChange, string(w.change.ID()))
	if err != nil {
		return 0, err
	}
	rev, err := done.LastInsertId()
	return apikey.Revision(rev), err
}

// record writes the record, if it is what Before says.
func (w *write) record(ctx context.Context, tx *transaction, rev apikey.Revision) error {
	args := w.columns(rev)
	query := insertKey
	if w.change.Before != nil {
		query, args = updateKey, append(args, int64(w.change.Before.Revision))
	}
	done, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	return w.one(ctx, tx, done)
}

// keyColumns is how many values columns has.
const keyColumns = 18

// columns are the values of the record.
func (w *write) columns(rev apikey.Revision) []any {
	r := w.change.After
	return []any{
		string(r.ID), r.Prefix, string(r.Environment), r.Name, r.Owner, w.scopes, micros(r.Created), micros(r.Expires), r.Disabled, micros(r.Revoked),
		r.Reason, certificate(r), int64(rev), string(r.KindOf()), r.Plan, micros(r.Updated), w.detail, placeOf(r.Created),
	}
}

// secretColumns is how many values digests has of each secret.
const secretColumns = 9

// digests are the values of the secrets, one after the other.
func (w *write) digests() (all []any) {
	for i := range w.change.After.Secrets {
		s := &w.change.After.Secrets[i]
		all = append(all, string(w.change.After.ID), i, s.Digest[:], s.Pepper, micros(s.Created), micros(s.Retires), s.Number, s.IdleRetire.Milliseconds(), s.Format)
	}
	return all
}

// refusal tells why no row was written.
func (w *write) refusal(ctx context.Context, tx *transaction) error {
	if w.change.Before == nil {
		return apikey.ErrExists
	}
	var rev int64
	switch err := tx.QueryRowContext(ctx, findKey, string(w.change.ID())).Scan(&rev); {
	case errors.Is(err, sql.ErrNoRows):
		return apikey.ErrNotFound
	case err != nil:
		return err
	}
	return apikey.ErrConflict
}

// secrets replaces the secrets of the key.
func (w *write) secrets(ctx context.Context, tx *transaction) error {
	id := string(w.change.After.ID)
	if w.change.Before != nil {
		if _, err := tx.ExecContext(ctx, deleteDigests, id); err != nil {
			return err
		}
	}
	for row := range slices.Chunk(w.digests(), secretColumns) {
		done, err := tx.ExecContext(ctx, insertDigest, row...)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 { // another key has the imported digest
			return errors.Join(err, apikey.ErrExists)
		}
	}
	return nil
}
