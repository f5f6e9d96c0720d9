package postgres

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/audit"
)

// Audit keeps the log of what was changed. It is an audit.Store and safe for
// concurrent use, by many nodes too. The other stores of a [DB] write to it by
// themselves, in the transaction of each change. The database refuses to change and
// to remove entries, and the gateways' role has no right to.
type Audit struct{ db *DB }

var _ audit.Store = (*Audit)(nil)

const (
	// The row of revisions is also the turn to write entries: there is one chain.
	lockLog     = `SELECT newest FROM revisions FOR UPDATE`
	headOfAudit = `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`
	// In their order: each must follow the one before.
	insertEntries = `INSERT INTO audit (seq, at, actor, source, op, kind, subject, before, after, prev, hash)
		SELECT e.seq, e.at, e.actor, e.source, e.op, e.kind, e.subject, e.before::json, e.after::json, e.prev, e.hash
		FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[], $11::bytea[])
			AS e (seq, at, actor, source, op, kind, subject, before, after, prev, hash) ORDER BY e.seq`

	// What each subject was after its last entry.
	lastAfter = `SELECT s.subject, a.after FROM unnest($2::text[]) AS s (subject) CROSS JOIN LATERAL
		(SELECT after FROM audit WHERE subject = s.subject AND kind = $1 ORDER BY seq DESC LIMIT 1) a WHERE a.after IS NOT NULL`

	selectEntries = `SELECT seq, at, actor, source, op, kind, subject, before, after, prev, hash FROM audit `
	// seq is compared first: $1 bounds the page.
	matching = `AND ($2 = '' OR actor = $2) AND ($3 = '' OR op = $3) AND ($4 = '' OR kind = $4) AND ($5 = '' OR subject = $5)
		AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7) `
	listEntries   = selectEntries + `WHERE seq > $1 ` + matching + `ORDER BY seq LIMIT $8`
	listNewest    = selectEntries + `WHERE seq < $1 ` + matching + `ORDER BY seq DESC LIMIT $8`
	listEntriesOf = selectEntries + `WHERE subject = $5 AND seq > $1 ` + matching + `ORDER BY seq LIMIT $8`
	listNewestOf  = selectEntries + `WHERE subject = $5 AND seq < $1 ` + matching + `ORDER BY seq DESC LIMIT $8`

	insertCheckpoint  = `INSERT INTO audit_checkpoints (seq, hash, at, node, key, signature) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (seq) DO NOTHING`
	selectCheckpoints = `SELECT seq, hash, at, node, key, signature FROM audit_checkpoints `
	listCheckpoints   = selectCheckpoints + `WHERE seq > $1 ORDER BY seq LIMIT $2`
	lastCheckpoint    = selectCheckpoints + `ORDER BY seq DESC LIMIT 1`
)

// A chain is the log in one transaction that has its turn to write.
type chain struct{ head audit.Head }

// lockChain waits for the turn. Everything else that a transaction locks, but for a
// change of keys, accounts or owners, which begins with it, it locks before: so no two wait
// for each other.
func lockChain(ctx context.Context, tx pgx.Tx) (*chain, error) {
	if _, err := tx.Exec(ctx, lockLog); err != nil {
		return nil, err
	}
	head, err := readHead(tx.QueryRow(ctx, headOfAudit))
	return &chain{head}, err
}

// seal makes the next entry.
func (c *chain) seal(e audit.Event) (audit.Entry, error) {
	draft, err := audit.Prepare(e)
	if err != nil {
		return audit.Entry{}, &plainError{err.Error()}
	}
	return c.put(draft), nil
}

// put makes the next entry, of an event that is prepared.
func (c *chain) put(draft audit.Draft) audit.Entry {
	sealed := draft.Seal(c.head)
	c.head = sealed.Head()
	return sealed
}

// queue puts the entry of e into the batch.
func (c *chain) queue(batch *pgx.Batch, e audit.Event) (audit.Entry, error) {
	sealed, err := c.seal(e)
	if err == nil {
		queueEntries(batch, []audit.Entry{sealed})
	}
	return sealed, err
}

// queueEntries puts entries into the batch, as one statement.
func queueEntries(batch *pgx.Batch, entries []audit.Entry) {
	n := len(entries)
	seqs, times, before, after := make([]int64, n), make([]time.Time, n), make([]*string, n), make([]*string, n)
	var texts [5][]string
	var hashes [2][][]byte
	for i := range entries {
		e := &entries[i]
		seqs[i], times[i], before[i], after[i] = e.Seq, e.At, state(e.Before), state(e.After)
		for column, text := range [5]string{e.Actor, e.Source, e.Op, e.Kind, e.Subject} {
			texts[column] = append(texts[column], text)
		}
		hashes[0], hashes[1] = append(hashes[0], e.Prev[:]), append(hashes[1], e.Hash[:])
	}
	batch.Queue(insertEntries, seqs, times, texts[0], texts[1], texts[2], texts[3], texts[4], before, after, hashes[0], hashes[1])
}

// write writes the entry of e.
func (c *chain) write(ctx context.Context, tx pgx.Tx, e audit.Event) (audit.Entry, error) {
	batch := new(pgx.Batch)
	sealed, err := c.queue(batch, e)
	if err != nil {
		return audit.Entry{}, err
	}
	return sealed, tx.SendBatch(ctx, batch).Close()
}

// state is one as it is stored: NULL for none.
func state(text json.RawMessage) *string {
	if len(text) == 0 {
		return nil
	}
	s := string(text)
	return &s
}

func readHead(row pgx.Row) (h audit.Head, err error) {
	var hash []byte
	switch err := row.Scan(&h.Seq, &hash); {
	case errors.Is(err, pgx.ErrNoRows):
		return audit.Head{}, nil
	case err != nil:
		return audit.Head{}, err
	case copy(h.Hash[:], hash) != len(h.Hash):
		return audit.Head{}, errRow
	}
	return h, nil
}

// Append implements audit.Store.
func (a *Audit) Append(ctx context.Context, e audit.Event) (made audit.Entry, _ error) {
	err := a.db.write(ctx, func(tx pgx.Tx) error {
		log, err := lockChain(ctx, tx)
		if err == nil {
			made, err = log.write(ctx, tx, e)
		}
		return err
	})
	if err != nil {
		return audit.Entry{}, answer(ctx, "write audit", err)
	}
	return made, nil
}

// Head implements audit.Reader.
func (a *Audit) Head(ctx context.Context) (head audit.Head, _ error) {
	err := again(ctx, func() (err error) {
		head, err = readHead(a.db.pool.QueryRow(ctx, headOfAudit))
		return err
	})
	return head, answer(ctx, "read audit", err)
}

// List implements audit.Reader.
func (a *Audit) List(ctx context.Context, q audit.Query) (all []audit.Entry, _ error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	for _, text := range []string{q.Actor, q.Op, q.Kind, q.Subject} {
		if !validText(text) {
			return nil, nil // no entry has such a text
		}
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
	err := again(ctx, func() error {
		rows, err := a.db.pool.Query(ctx, query, from, q.Actor, q.Op, q.Kind, q.Subject, nextMicro(q.Since), nextMicro(q.Until), q.Limit)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scanEntry)
		return err
	})
	return all, answer(ctx, "list audit", err)
}

// nextMicro is the first microsecond that is not before t: NULL for the zero time.
func nextMicro(t time.Time) *time.Time {
	if up := t.Truncate(time.Microsecond); !up.Equal(t) {
		t = up.Add(time.Microsecond)
	}
	return stored(t)
}

// scanEntry reads one row of [selectEntries]. Whether it holds is for the caller to
// verify.
func scanEntry(row pgx.CollectableRow) (e audit.Entry, _ error) {
	var before, after, prev, hash []byte
	if row.Scan(&e.Seq, &e.At, &e.Actor, &e.Source, &e.Op, &e.Kind, &e.Subject, &before, &after, &prev, &hash) != nil {
		return audit.Entry{}, errRow
	}
	e.At, e.Before, e.After = e.At.UTC(), before, after
	copy(e.Prev[:], prev)
	copy(e.Hash[:], hash)
	return e, nil
}

// SaveCheckpoint implements audit.Store.
func (a *Audit) SaveCheckpoint(ctx context.Context, c audit.Checkpoint) error {
	if !validText(c.Node) {
		return errors.New("postgres: checkpoint has a node that is not UTF-8 without NUL")
	}
	err := again(ctx, func() error {
		_, err := a.db.pool.Exec(ctx, insertCheckpoint, c.Seq, c.Hash[:], micro(c.At), c.Node, []byte(c.Key), c.Signature)
		return err
	})
	return answer(ctx, "save audit checkpoint", err)
}

// Checkpoints implements audit.Store.
func (a *Audit) Checkpoints(ctx context.Context, after int64, limit int) ([]audit.Checkpoint, error) {
	const what = "list audit checkpoints"
	if limit < 1 || limit > audit.MaxPage {
		return nil, fmt.Errorf("postgres: %s: limit %d is not 1 to %d", what, limit, audit.MaxPage)
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

func (a *Audit) checkpoints(ctx context.Context, query string, args ...any) (all []audit.Checkpoint, _ error) {
	err := again(ctx, func() error {
		rows, err := a.db.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scanCheckpoint)
		return err
	})
	return all, err
}

func scanCheckpoint(row pgx.CollectableRow) (c audit.Checkpoint, _ error) {
	var hash, key []byte
	if row.Scan(&c.Seq, &hash, &c.At, &c.Node, &key, &c.Signature) != nil {
		return audit.Checkpoint{}, errRow
	}
	copy(c.Hash[:], hash)
	c.At, c.Key = c.At.UTC(), ed25519.PublicKey(key)
	return c, nil
}
