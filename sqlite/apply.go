package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"github.com/warder-dev/warder/apikey"
)

const (
	// What was before is taken from the list of changes, not from the caller.
	insertChange = `INSERT INTO changes (at, actor, source, op, key_id, before, after)
		VALUES (?1, ?2, ?3, ?4, ?5, (SELECT after FROM changes WHERE revision = ?6), ?7)`
	insertKey = `INSERT INTO keys (id, prefix, environment, name, owner, scopes, created, expires, disabled, revoked, reason, certificate, revision)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO NOTHING`
	updateKey = `UPDATE keys SET prefix = ?2, environment = ?3, name = ?4, owner = ?5, scopes = ?6, created = ?7, expires = ?8,
		disabled = ?9, revoked = ?10, reason = ?11, certificate = ?12, revision = ?13 WHERE id = ?1 AND revision = ?14`
	findKey       = `SELECT revision FROM keys WHERE id = ?1`
	deleteDigests = `DELETE FROM secrets WHERE key_id = ?1`
	insertDigest  = `INSERT INTO secrets (key_id, position, digest, pepper, created, retires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`
)

// Apply implements apikey.Store. A change that is not complete, or that holds
// text which is not UTF-8 without NUL, is refused.
func (s *APIKeys) Apply(ctx context.Context, c apikey.Change) (apikey.Revision, error) {
	const what = "change api key"
	if err := checkChange(c); err != nil {
		return 0, err
	}
	w, err := newWrite(c)
	if err != nil {
		return 0, err
	}
	tx, err := s.db.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, answer(ctx, what, err)
	}
	rev, err := w.run(ctx, tx)
	if err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = s.db.file.look() // what went into a file without a name is not acknowledged
	}
	if err != nil {
		// A failed commit may have rolled back by itself; ErrTxDone says so.
		_ = tx.Rollback()
		return 0, changeError(ctx, what, err)
	}
	return rev, nil
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

// checkChange refuses what no caller may ask.
func checkChange(c apikey.Change) error {
	switch {
	case c.Actor == "", c.Source == "", c.Op == "", c.At.IsZero():
		return errors.New("sqlite: change has no actor, source, operation or time")
	case c.After == nil, c.After.ID == "", len(c.After.Secrets) == 0:
		return errors.New("sqlite: change has no record with an id and a secret")
	case c.Before != nil && c.Before.ID != c.After.ID:
		return errors.New("sqlite: change is of two keys")
	case !slices.ContainsFunc(textsOf(c), func(s string) bool { return !validText(s) }):
		return nil
	default:
		return errors.New("sqlite: change has text that is not UTF-8, or a NUL")
	}
}

// textsOf returns all text of a change.
func textsOf(c apikey.Change) []string {
	r := c.After
	all := []string{c.Actor, c.Source, string(c.Op), string(r.ID), r.Prefix, string(r.Environment), r.Name, r.Owner, r.Reason}
	for _, s := range r.Secrets {
		all = append(all, s.Pepper)
	}
	return append(all, r.Scopes...)
}

// A write is a change ready to be written: what can fail without the database
// has not failed.
type write struct {
	change   apikey.Change
	scopes   string
	snapshot string
}

func newWrite(c apikey.Change) (*write, error) {
	scopes := []byte("[]")
	if len(c.After.Scopes) > 0 {
		var err error
		if scopes, err = json.Marshal(c.After.Scopes); err != nil {
			return nil, errors.New("sqlite: scopes cannot be stored")
		}
	}
	snapshot, err := snapshotOf(c.After)
	if err != nil {
		return nil, errors.New("sqlite: a time of the record is out of range")
	}
	return &write{change: c, scopes: string(scopes), snapshot: snapshot}, nil
}

// run writes the change, the record and its secrets.
func (w *write) run(ctx context.Context, tx *sql.Tx) (apikey.Revision, error) {
	rev, err := w.log(ctx, tx)
	if err != nil {
		return 0, err
	}
	if err := w.record(ctx, tx, rev); err != nil {
		return 0, err
	}
	return rev, w.secrets(ctx, tx)
}

// log adds the change to the list and returns its revision. There is one writer,
// so revisions become visible in their order.
func (w *write) log(ctx context.Context, tx *sql.Tx) (apikey.Revision, error) {
	c := w.change
	var before sql.NullInt64
	if c.Before != nil {
		before = sql.NullInt64{Int64: int64(c.Before.Revision), Valid: true}
	}
	done, err := tx.ExecContext(ctx, insertChange, micros(c.At), c.Actor, c.Source, string(c.Op), string(c.After.ID), before, w.snapshot)
	if err != nil {
		return 0, err
	}
	rev, err := done.LastInsertId()
	return apikey.Revision(rev), err
}

// record writes the record, if it is what Before says.
func (w *write) record(ctx context.Context, tx *sql.Tx, rev apikey.Revision) error {
	r := w.change.After
	args := []any{
		string(r.ID), r.Prefix, string(r.Environment), r.Name, r.Owner, w.scopes, micros(r.Created), micros(r.Expires), r.Disabled, micros(r.Revoked),
		r.Reason, certificate(r), int64(rev),
	}
	query := insertKey
	if w.change.Before != nil {
		query, args = updateKey, append(args, int64(w.change.Before.Revision))
	}
	done, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return w.refusal(ctx, tx)
}

// refusal tells why no row was written.
func (w *write) refusal(ctx context.Context, tx *sql.Tx) error {
	if w.change.Before == nil {
		return apikey.ErrExists
	}
	var rev int64
	switch err := tx.QueryRowContext(ctx, findKey, string(w.change.After.ID)).Scan(&rev); {
	case errors.Is(err, sql.ErrNoRows):
		return apikey.ErrNotFound
	case err != nil:
		return err
	}
	return apikey.ErrConflict
}

// secrets replaces the secrets of the key.
func (w *write) secrets(ctx context.Context, tx *sql.Tx) error {
	id := string(w.change.After.ID)
	if w.change.Before != nil {
		if _, err := tx.ExecContext(ctx, deleteDigests, id); err != nil {
			return err
		}
	}
	for i, s := range w.change.After.Secrets {
		if _, err := tx.ExecContext(ctx, insertDigest, id, i, s.Digest[:], s.Pepper, micros(s.Created), micros(s.Retires)); err != nil {
			return err
		}
	}
	return nil
}
