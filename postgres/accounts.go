package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/audit"
)

// Accounts keeps who administers. It is an account.Store and safe for concurrent
// use, by many nodes too.
type Accounts struct{ db *DB }

var _ account.Store = (*Accounts)(nil)

// Accounts returns the store of accounts and admin keys. It lives as long as the DB.
func (db *DB) Accounts() *Accounts { return &Accounts{db: db} }

const (
	selectAccounts = `SELECT id, name, pepper, revision, detail FROM accounts `
	lookupAccount  = selectAccounts + `WHERE id = $1`
	findAccount    = selectAccounts + `WHERE name = $1`
	listAccounts   = selectAccounts + `WHERE id > $1 ORDER BY id LIMIT $2`

	selectAdminKeys = `SELECT id, pepper, revision, detail FROM admin_keys `
	lookupAdminKey  = selectAdminKeys + `WHERE id = $1`
	listAdminKeys   = selectAdminKeys + `WHERE id > $1 ORDER BY id LIMIT $2`

	listAdminPeppers = `SELECT pepper FROM accounts WHERE pepper IS NOT NULL UNION SELECT pepper FROM admin_keys ORDER BY 1`

	// Whoever has the turn to write to the audit is alone until it commits: what these
	// see stays so.
	nextAccountRevision = `SELECT coalesce(max(revision), 0) + 1 FROM account_changes`
	stateAccount        = `SELECT revision, standing FROM accounts WHERE id = $1`
	othersAccount       = `SELECT EXISTS (SELECT 1 FROM accounts WHERE standing AND id <> $1), EXISTS (SELECT 1 FROM accounts WHERE name = $2 AND id <> $1)`
	stateAdminKey       = `SELECT revision FROM admin_keys WHERE id = $1`

	insertAccountChange = `INSERT INTO account_changes (revision, subject) VALUES ($1, $2)`
	insertAccount       = `INSERT INTO accounts (id, name, standing, pepper, revision, detail) VALUES ($1, $2, $3, $4, $5, $6)`
	updateAccount       = `UPDATE accounts SET name = $2, standing = $3, pepper = $4, revision = $5, detail = $6 WHERE id = $1`
	deleteAccount       = `DELETE FROM accounts WHERE id = $1`
	insertAdminKey      = `INSERT INTO admin_keys (id, pepper, revision, detail) VALUES ($1, $2, $3, $4)`
	updateAdminKey      = `UPDATE admin_keys SET pepper = $2, revision = $3, detail = $4 WHERE id = $1`
)

// Lookup implements account.Store.
func (s *Accounts) Lookup(ctx context.Context, id account.ID) (account.Account, error) {
	return oneRow(ctx, s.db, "look up account", scanPerson, lookupAccount, string(id))
}

// Find implements account.Store.
func (s *Accounts) Find(ctx context.Context, name string) (account.Account, error) {
	return oneRow(ctx, s.db, "look up account", scanPerson, findAccount, name)
}

// List implements account.Store.
func (s *Accounts) List(ctx context.Context, after account.ID, limit int) ([]account.Account, error) {
	return pageOf(ctx, s.db, "list accounts", scanPerson, listAccounts, string(after), limit)
}

// LookupKey implements account.Store.
func (s *Accounts) LookupKey(ctx context.Context, id string) (account.Key, error) {
	return oneRow(ctx, s.db, "look up admin key", scanAdminKey, lookupAdminKey, id)
}

// ListKeys implements account.Store.
func (s *Accounts) ListKeys(ctx context.Context, after string, limit int) ([]account.Key, error) {
	return pageOf(ctx, s.db, "list admin keys", scanAdminKey, listAdminKeys, after, limit)
}

// PepperIDs implements account.Store.
func (s *Accounts) PepperIDs(ctx context.Context) ([]string, error) {
	return collect(ctx, s.db, "list peppers of accounts", pgx.RowTo[string], listAdminPeppers)
}

// collect reads what query finds.
func collect[T any](ctx context.Context, db *DB, what string, scan pgx.RowToFunc[T], query string, args ...any) (all []T, _ error) {
	err := again(ctx, func() error {
		rows, err := db.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scan)
		return err
	})
	return all, answer(ctx, what, err)
}

// oneRow reads the one account or key that query finds by a text.
func oneRow[T any](ctx context.Context, db *DB, what string, scan pgx.RowToFunc[T], query, by string) (one T, _ error) {
	if !validText(by) {
		return one, account.ErrNotFound
	}
	found, err := collect(ctx, db, what, scan, query, by)
	switch {
	case err != nil:
		return one, err
	case len(found) == 0:
		return one, account.ErrNotFound
	}
	return found[0], nil
}

// pageOf reads a page of accounts or keys.
func pageOf[T any](ctx context.Context, db *DB, what string, scan pgx.RowToFunc[T], query, after string, limit int) ([]T, error) {
	if limit < 1 || limit > maxPage {
		return nil, fmt.Errorf("postgres: %s: limit %d is not 1 to %d", what, limit, maxPage)
	}
	if !validText(after) {
		return nil, fmt.Errorf("postgres: %s: the id to begin after is no text", what)
	}
	return collect(ctx, db, what, scan, query, after, limit)
}

func scanPerson(row pgx.CollectableRow) (a account.Account, _ error) {
	var pepper *string
	var detail []byte
	if row.Scan(&a.ID, &a.Name, &pepper, &a.Revision, &detail) != nil || account.UnmarshalDetail(detail, &a) != nil || (pepper != nil) != a.Factor.Enrolled() {
		return account.Account{}, errRow
	}
	if pepper != nil {
		a.Factor.Pepper = *pepper
	}
	return a, nil
}

func scanAdminKey(row pgx.CollectableRow) (k account.Key, _ error) {
	var detail []byte
	if row.Scan(&k.ID, &k.Pepper, &k.Revision, &detail) != nil || account.UnmarshalKeyDetail(detail, &k) != nil {
		return account.Key{}, errRow
	}
	return k, nil
}

// Apply implements account.Store. Changes take turns with every other change that the
// audit log tells of: the last owner stays, whoever else is about to go on another
// node.
func (s *Accounts) Apply(ctx context.Context, c account.Change) (rev account.Revision, _ error) {
	if err := c.Check(); err != nil {
		return 0, err
	}
	w, err := newAccountWrite(&c)
	if err != nil {
		return 0, err
	}
	err = s.db.write(ctx, func(tx pgx.Tx) error {
		rev, err = w.run(ctx, tx)
		return err
	})
	if err != nil {
		for _, known := range []error{account.ErrExists, account.ErrNotFound, account.ErrConflict, account.ErrLastOwner} {
			if errors.Is(err, known) {
				return 0, err
			}
		}
		return 0, answer(ctx, "change account", err)
	}
	return rev, nil
}

// An accountWrite is a change ready to be written.
type accountWrite struct {
	c      *account.Change
	told   account.Told
	detail string
}

func newAccountWrite(c *account.Change) (*accountWrite, error) {
	var detail []byte
	told, err := c.Told()
	if err != nil {
		return nil, errors.New("postgres: a time of the account is out of range")
	}
	all := []string{c.Actor, c.Source, string(c.Op), told.Subject}
	switch {
	case c.KeyAfter != nil:
		all = append(all, c.KeyAfter.Pepper)
		detail, err = account.MarshalKeyDetail(c.KeyAfter)
	case c.After != nil:
		all = append(all, c.After.Name, c.After.Factor.Pepper)
		detail, err = account.MarshalDetail(c.After)
	}
	if err != nil {
		return nil, err
	}
	for _, text := range all {
		if !validText(text) {
			return nil, errors.New("postgres: account has text that is not UTF-8, or a NUL")
		}
	}
	return &accountWrite{c: c, told: told, detail: string(detail)}, nil
}

// An accountState is what is stored, while nobody else can change it.
type accountState struct {
	exists   bool
	revision int64
	standing bool
	others   bool // stand
	taken    bool // is the name, by another one
	next     int64
}

// run writes the entry of the audit, the revision and the row.
func (w *accountWrite) run(ctx context.Context, tx pgx.Tx) (account.Revision, error) {
	log, err := lockChain(ctx, tx)
	if err != nil {
		return 0, err
	}
	state, err := w.read(ctx, tx)
	if err != nil {
		return 0, err
	}
	if err := w.refusal(state); err != nil {
		return 0, err
	}
	batch := new(pgx.Batch)
	if _, err := log.queue(batch, audit.Event{
		At: w.c.At, Actor: w.c.Actor, Source: w.c.Source, Op: string(w.c.Op), Kind: w.told.Kind, Subject: w.told.Subject,
		Before: w.told.Before, After: w.told.After,
	}); err != nil {
		return 0, err
	}
	batch.Queue(insertAccountChange, state.next, w.told.Subject)
	w.queue(batch, state.next)
	return account.Revision(state.next), tx.SendBatch(ctx, batch).Close()
}

// read returns what is stored, in one round trip.
func (w *accountWrite) read(ctx context.Context, tx pgx.Tx) (s accountState, _ error) {
	batch := new(pgx.Batch)
	batch.Queue(nextAccountRevision).QueryRow(func(row pgx.Row) error { return row.Scan(&s.next) })
	found := func(scan func(row pgx.Row) error) func(pgx.Row) error {
		return func(row pgx.Row) error {
			err := scan(row)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			s.exists = err == nil
			return err
		}
	}
	if w.c.KeyAfter != nil {
		batch.Queue(stateAdminKey, w.told.Subject).QueryRow(found(func(row pgx.Row) error { return row.Scan(&s.revision) }))
	} else {
		name := ""
		if w.c.After != nil {
			name = w.c.After.Name
		}
		batch.Queue(stateAccount, w.told.Subject).QueryRow(found(func(row pgx.Row) error { return row.Scan(&s.revision, &s.standing) }))
		batch.Queue(othersAccount, w.told.Subject, name).QueryRow(func(row pgx.Row) error { return row.Scan(&s.others, &s.taken) })
	}
	err := tx.SendBatch(ctx, batch).Close()
	return s, err
}

// refusal returns why the change cannot be made to what is stored, or nil.
func (w *accountWrite) refusal(s accountState) error {
	var before *account.Revision
	switch {
	case w.c.KeyBefore != nil:
		before = &w.c.KeyBefore.Revision
	case w.c.Before != nil:
		before = &w.c.Before.Revision
	}
	falls := w.c.KeyAfter == nil && s.standing && (w.c.After == nil || !w.c.After.Standing())
	switch {
	case before == nil && (s.exists || s.taken):
		return account.ErrExists
	case before == nil:
		return nil
	case !s.exists:
		return account.ErrNotFound
	case s.revision != int64(*before):
		return account.ErrConflict
	case falls && !s.others:
		return account.ErrLastOwner
	case s.taken:
		return account.ErrExists
	default:
		return nil
	}
}

// queue puts the row into the batch.
func (w *accountWrite) queue(batch *pgx.Batch, rev int64) {
	c := w.c
	if k := c.KeyAfter; k != nil {
		query := insertAdminKey
		if c.KeyBefore != nil {
			query = updateAdminKey
		}
		batch.Queue(query, k.ID, k.Pepper, rev, w.detail)
		return
	}
	if c.After == nil {
		batch.Queue(deleteAccount, w.told.Subject)
		return
	}
	query := insertAccount
	if c.Before != nil {
		query = updateAccount
	}
	var pepper *string
	if c.After.Factor.Enrolled() {
		pepper = &c.After.Factor.Pepper
	}
	batch.Queue(query, w.told.Subject, c.After.Name, c.After.Standing(), pepper, rev, w.detail)
}
