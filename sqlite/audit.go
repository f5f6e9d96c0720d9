package sqlite

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/warder-dev/warder/audit"
)

// Audit keeps the log of what was changed. It is an audit.Store and safe for
// concurrent use, by several processes too. The other stores of a [DB] write to it
// by themselves, in the transaction of each change. The database refuses to change
// and to remove entries.
type Audit struct{ db *DB }

var _ audit.Store = (*Audit)(nil)

const (
	headOfAudit = `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`
	insertEntry = `INSERT INTO audit (seq, at, actor, source, op, kind, subject, before, after, prev, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)`
	lastAfter   = `SELECT after FROM audit WHERE subject = ?1 AND kind = ?2 ORDER BY seq DESC LIMIT 1`

	selectEntries = `SELECT seq, at, actor, source, op, kind, subject, before, after, prev, hash FROM audit `
	// seq is compared first: ?1 bounds the page.
	matching = `AND (?2 = '' OR actor = ?2) AND (?3 = '' OR op = ?3) AND (?4 = '' OR kind = ?4) AND (?5 = '' OR subject = ?5)
		AND (?6 IS NULL OR at >= ?6) AND (?7 IS NULL OR at < ?7) `
	listEntries   = selectEntries + `WHERE seq > ?1 ` + matching + `ORDER BY seq LIMIT ?8`
	listNewest    = selectEntries + `WHERE seq < ?1 ` + matching + `ORDER BY seq DESC LIMIT ?8`
	listEntriesOf = selectEntries + `WHERE subject = ?5 AND seq > ?1 ` + matching + `ORDER BY seq LIMIT ?8`
	listNewestOf  = selectEntries + `WHERE subject = ?5 AND seq < ?1 ` + matching + `ORDER BY seq DESC LIMIT ?8`

	insertCheckpoint  = `INSERT INTO audit_checkpoints (seq, hash, at, node, key, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (seq) DO NOTHING`
	selectCheckpoints = `SELECT seq, hash, at, node, key, signature FROM audit_checkpoints `
	listCheckpoints   = selectCheckpoints + `WHERE seq > ?1 ORDER BY seq LIMIT ?2`
	lastCheckpoint    = selectCheckpoints + `ORDER BY seq DESC LIMIT 1`
)

// statements are a transaction's.
type statements interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// A chain is the log in one transaction.
type chain struct {
	tx   statements
	head audit.Head
	read bool // head is that of the log
}

// begin reads the end of the log, once.
func (c *chain) begin(ctx context.Context) error {
	if c.read {
		return nil
	}
	head, err := readHead(c.tx.QueryRowContext(ctx, headOfAudit))
	if err == nil {
		c.head, c.read = head, true
	}
	return err
}

// entryColumns is how many values entryRow has.
const entryColumns = 11

func entryRow(e *audit.Entry) []any {
	return []any{
		e.Seq, e.At.UnixMicro(), e.Actor, e.Source, e.Op, e.Kind, e.Subject, state(e.Before), state(e.After), e.Prev[:], e.Hash[:],
	}
}

// add writes the entry of e.
func (c *chain) add(ctx context.Context, e audit.Event) (audit.Entry, error) {
	draft, err := audit.Prepare(e)
	if err != nil {
		return audit.Entry{}, err
	}
	return c.put(ctx, draft)
}

// put writes the entry of an event that is prepared.
func (c *chain) put(ctx context.Context, draft audit.Draft) (audit.Entry, error) {
	if err := c.begin(ctx); err != nil {
		return audit.Entry{}, err
	}
	sealed := draft.Seal(c.head)
	if _, err := c.tx.ExecContext(ctx, insertEntry, entryRow(&sealed)...); err != nil {
		return audit.Entry{}, err
	}
	c.head = sealed.Head()
	return sealed, nil
}

// before returns what the subject was after its last entry; nil for none.
func (c *chain) before(ctx context.Context, kind, subject string) (json.RawMessage, error) {
	var after sql.NullString
	err := c.tx.QueryRowContext(ctx, lastAfter, subject, kind).Scan(&after)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !after.Valid {
		return nil, nil
	}
	return json.RawMessage(after.String), err
}

// state is one as it is stored: NULL for none.
func state(text json.RawMessage) sql.NullString {
	return sql.NullString{String: string(text), Valid: len(text) > 0}
}

func readHead(row *sql.Row) (h audit.Head, err error) {
	var hash []byte
	switch err := row.Scan(&h.Seq, &hash); {
	case errors.Is(err, sql.ErrNoRows):
		return audit.Head{}, nil
	case err != nil:
		return audit.Head{}, err
	case copy(h.Hash[:], hash) != len(h.Hash):
		return audit.Head{}, errRow
	}
	return h, nil
}

// Append implements audit.Store.
func (a *Audit) Append(ctx context.Context, e audit.Event) (made audit.Entry, err error) {
	const what = "write audit"
	tx, err := a.db.write.BeginTx(ctx, nil)
	if err != nil {
		return audit.Entry{}, answer(ctx, what, err)
	}
	log := chain{tx: tx}
	if made, err = log.add(ctx, e); err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = a.db.file.look()
	}
	if err != nil {
		_ = tx.Rollback() // a failed commit may have done so; ErrTxDone says it
		return audit.Entry{}, answer(ctx, what, err)
	}
	return made, nil
}

// Head implements audit.Reader.
func (a *Audit) Head(ctx context.Context) (audit.Head, error) {
	if err := a.db.file.look(); err != nil {
		return audit.Head{}, err
	}
	head, err := readHead(a.db.read.QueryRowContext(ctx, headOfAudit))
	return head, answer(ctx, "read audit", err)
}

// List implements audit.Reader.
func (a *Audit) List(ctx context.Context, q audit.Query) ([]audit.Entry, error) {
	const what = "list audit"
	if err := q.Check(); err != nil {
		return nil, err
	}
	if err := a.db.file.look(); err != nil {
		return nil, err
	}
	query := listEntries
	switch {
	case q.Newest && q.Subject != "":
		query = listNewestOf
	case q.Newest:
		query = listNewest
	case q.Subject != "":
		query = listEntriesOf
	}
	from := q.After
	if q.Newest && from == 0 {
		from = 1<<63 - 1
	}
	rows, err := a.db.read.QueryContext(ctx, query, from, q.Actor, q.Op, q.Kind, q.Subject, nextMicro(q.Since), nextMicro(q.Until), q.Limit)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	all, err := entries(rows)
	return all, answer(ctx, what, err)
}

// nextMicro is the first microsecond that is not before t: NULL for the zero time.
func nextMicro(t time.Time) sql.NullInt64 {
	if up := t.Truncate(time.Microsecond); !up.Equal(t) {
		t = up.Add(time.Microsecond)
	}
	return micros(t)
}

// entries reads rows of [selectEntries] and closes them. Whether they hold is for
// the caller to verify.
func entries(rows *sql.Rows) (_ []audit.Entry, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []audit.Entry
	for rows.Next() {
		var e audit.Entry
		var at int64
		var before, after sql.NullString
		var prev, hash sql.RawBytes
		if rows.Scan(&e.Seq, &at, &e.Actor, &e.Source, &e.Op, &e.Kind, &e.Subject, &before, &after, &prev, &hash) != nil {
			return nil, errRow
		}
		e.At = time.UnixMicro(at).UTC()
		if before.Valid {
			e.Before = json.RawMessage(before.String)
		}
		if after.Valid {
			e.After = json.RawMessage(after.String)
		}
		copy(e.Prev[:], prev)
		copy(e.Hash[:], hash)
		all = append(all, e)
	}
	return all, rows.Err()
}

// SaveCheckpoint implements audit.Store.
func (a *Audit) SaveCheckpoint(ctx context.Context, c audit.Checkpoint) error {
	const what = "save audit checkpoint"
	if !validText(c.Node) {
		return errors.New("sqlite: checkpoint has a node that is not UTF-8 without NUL")
	}
	_, err := a.db.write.ExecContext(ctx, insertCheckpoint, c.Seq, c.Hash[:], c.At.UnixMicro(), c.Node, []byte(c.Key), c.Signature)
	if err == nil {
		err = a.db.file.look()
	}
	return answer(ctx, what, err)
}

// Checkpoints implements audit.Store.
func (a *Audit) Checkpoints(ctx context.Context, after int64, limit int) ([]audit.Checkpoint, error) {
	const what = "list audit checkpoints"
	if limit < 1 || limit > audit.MaxPage {
		return nil, fmt.Errorf("sqlite: %s: limit %d is not 1 to %d", what, limit, audit.MaxPage)
	}
	all, err := a.checkpoints(ctx, listCheckpoints, after, limit)
	return all, answer(ctx, what, err)
}

// LastCheckpoint implements audit.Store.
func (a *Audit) LastCheckpoint(ctx context.Context) (audit.Checkpoint, error) {
	all, err := a.checkpoints(ctx, lastCheckpoint)
	if err != nil || len(all) == 0 {
		return audit.Checkpoint{}, answer(ctx, "read audit checkpoint", err)
	}
	return all[0], nil
}

func (a *Audit) checkpoints(ctx context.Context, query string, args ...any) (_ []audit.Checkpoint, err error) {
	if err := a.db.file.look(); err != nil {
		return nil, err
	}
	rows, err := a.db.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []audit.Checkpoint
	for rows.Next() {
		var c audit.Checkpoint
		var at int64
		var hash, key, signature sql.RawBytes
		if rows.Scan(&c.Seq, &hash, &at, &c.Node, &key, &signature) != nil {
			return nil, errRow
		}
		copy(c.Hash[:], hash)
		c.At, c.Key, c.Signature = time.UnixMicro(at).UTC(), ed25519.PublicKey(slices.Clone(key)), slices.Clone(signature)
		all = append(all, c)
	}
	return all, rows.Err()
}
