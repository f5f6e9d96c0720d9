package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/warder-dev/warder/account"
)

// Accounts keeps who administers. It is an account.Store and safe for concurrent
// use.
type Accounts struct{ db *DB }

var _ account.Store = (*Accounts)(nil)

// Accounts returns the store of accounts and admin keys. It lives as long as the DB.
func (db *DB) Accounts() *Accounts { return &Accounts{db: db} }

const (
	selectAccounts = `SELECT id, name, pepper, revision, detail FROM accounts `
	lookupAccount  = selectAccounts + `WHERE id = ?1`
	findAccount    = selectAccounts + `WHERE name = ?1`
	listAccounts   = selectAccounts + `WHERE id > ?1 ORDER BY id LIMIT ?2`

	selectAdminKeys = `SELECT id, pepper, revision, detail FROM admin_keys `
	lookupAdminKey  = selectAdminKeys + `WHERE id = ?1`
	listAdminKeys   = selectAdminKeys + `WHERE id > ?1 ORDER BY id LIMIT ?2`

	listAdminPeppers = `SELECT pepper FROM accounts WHERE pepper IS NOT NULL UNION SELECT pepper FROM admin_keys ORDER BY 1`

	insertAccountChange = `INSERT INTO account_changes (at, actor, source, op, kind, subject, before, after) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`

	// A row that others took, by id or by name, is no row that was written.
	insertAccount = `INSERT INTO accounts (id, name, standing, pepper, revision, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING`
	updateAccount = `UPDATE OR IGNORE accounts SET name = ?2, standing = ?3, pepper = ?4, revision = ?5, detail = ?6 WHERE id = ?1 AND revision = ?7`
	deleteAccount = `DELETE FROM accounts WHERE id = ?1 AND revision = ?2`
	stateAccount  = `SELECT revision, standing FROM accounts WHERE id = ?1`
	othersStand   = `SELECT EXISTS (SELECT 1 FROM accounts WHERE standing = 1 AND id <> ?1)`

	insertAdminKey = `INSERT INTO admin_keys (id, pepper, revision, detail) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING`
	updateAdminKey = `UPDATE admin_keys SET pepper = ?2, revision = ?3, detail = ?4 WHERE id = ?1 AND revision = ?5`
	stateAdminKey  = `SELECT revision FROM admin_keys WHERE id = ?1`
)

// Lookup implements account.Store.
func (s *Accounts) Lookup(ctx context.Context, id account.ID) (account.Account, error) {
	return s.one(ctx, lookupAccount, string(id))
}

// Find implements account.Store.
func (s *Accounts) Find(ctx context.Context, name string) (account.Account, error) {
	return s.one(ctx, findAccount, name)
}

func (s *Accounts) one(ctx context.Context, query, by string) (account.Account, error) {
	if !validText(by) {
		return account.Account{}, account.ErrNotFound
	}
	if err := s.db.file.look(); err != nil {
		return account.Account{}, err
	}
	found, err := scanRows(ctx, s.db.read, "look up account", scanAccount, query, by)
	if err == nil && len(found) == 0 {
		err = account.ErrNotFound
	}
	if err != nil {
		return account.Account{}, err
	}
	return found[0], nil
}

// List implements account.Store.
func (s *Accounts) List(ctx context.Context, after account.ID, limit int) ([]account.Account, error) {
	if err := checkPage("list accounts", limit); err != nil {
		return nil, err
	}
	return scanRows(ctx, s.db.read, "list accounts", scanAccount, listAccounts, string(after), limit)
}

// LookupKey implements account.Store.
func (s *Accounts) LookupKey(ctx context.Context, id string) (account.Key, error) {
	if !validText(id) {
		return account.Key{}, account.ErrNotFound
	}
	if err := s.db.file.look(); err != nil {
		return account.Key{}, err
	}
	found, err := scanRows(ctx, s.db.read, "look up admin key", scanAdminKey, lookupAdminKey, id)
	if err == nil && len(found) == 0 {
		err = account.ErrNotFound
	}
	if err != nil {
		return account.Key{}, err
	}
	return found[0], nil
}

// ListKeys implements account.Store.
func (s *Accounts) ListKeys(ctx context.Context, after string, limit int) ([]account.Key, error) {
	if err := checkPage("list admin keys", limit); err != nil {
		return nil, err
	}
	return scanRows(ctx, s.db.read, "list admin keys", scanAdminKey, listAdminKeys, after, limit)
}

// PepperIDs implements account.Store.
func (s *Accounts) PepperIDs(ctx context.Context) ([]string, error) {
	const what = "list peppers of accounts"
	rows, err := s.db.read.QueryContext(ctx, listAdminPeppers)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	ids, err := texts(rows)
	return ids, answer(ctx, what, err)
}

func checkPage(what string, limit int) error {
	if limit < 1 || limit > maxPage {
		return fmt.Errorf("sqlite: %s: limit %d is not 1 to %d", what, limit, maxPage)
	}
	return nil
}

// scanRows reads what query finds.
func scanRows[T any](ctx context.Context, db *sql.DB, what string, scan func(*sql.Rows) (T, error), query string, args ...any) (_ []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	defer func() { err = answer(ctx, what, errors.Join(err, rows.Close())) }()
	all := []T{}
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

func scanAccount(rows *sql.Rows) (account.Account, error) {
	var (
		a      account.Account
		pepper sql.NullString
		detail sql.RawBytes
	)
	if rows.Scan(&a.ID, &a.Name, &pepper, &a.Revision, &detail) != nil || account.UnmarshalDetail(detail, &a) != nil {
		return account.Account{}, errRow
	}
	a.Factor.Pepper = pepper.String
	if pepper.Valid != a.Factor.Enrolled() {
		return account.Account{}, errRow
	}
	return a, nil
}

func scanAdminKey(rows *sql.Rows) (account.Key, error) {
	var (
		k      account.Key
		detail sql.RawBytes
	)
	if rows.Scan(&k.ID, &k.Pepper, &k.Revision, &detail) != nil || account.UnmarshalKeyDetail(detail, &k) != nil {
		return account.Key{}, errRow
	}
	return k, nil
}

// Apply implements account.Store.
func (s *Accounts) Apply(ctx context.Context, c account.Change) (account.Revision, error) {
	const what = "change account"
	if err := c.Check(); err != nil {
		return 0, err
	}
	w, err := newAccountWrite(&c)
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
		_ = tx.Rollback() // a failed commit may have rolled back by itself; ErrTxDone says so
		for _, known := range []error{account.ErrExists, account.ErrNotFound, account.ErrConflict, account.ErrLastOwner} {
			if errors.Is(err, known) {
				return 0, err
			}
		}
		return 0, answer(ctx, what, err)
	}
	return rev, nil
}

// An accountWrite is a change ready to be written.
type accountWrite struct {
	c      *account.Change
	told   account.Told
	detail string
}

var errAccountText = errors.New("sqlite: account has text that is not UTF-8, or a NUL")

func newAccountWrite(c *account.Change) (*accountWrite, error) {
	var (
		detail []byte
		err    error
		all    = []string{c.Actor, c.Source, string(c.Op)}
	)
	switch {
	case c.KeyAfter != nil:
		all = append(all, c.KeyAfter.ID, c.KeyAfter.Pepper)
		detail, err = account.MarshalKeyDetail(c.KeyAfter)
	case c.After != nil:
		all = append(all, string(c.After.ID), c.After.Name, c.After.Factor.Pepper)
		detail, err = account.MarshalDetail(c.After)
	}
	for _, text := range all {
		if err == nil && !validText(text) {
			err = errAccountText
		}
	}
	if err != nil {
		return nil, err
	}
	told, err := c.Told()
	return &accountWrite{c: c, told: told, detail: string(detail)}, err
}

// nullText is NULL for nothing.
func nullText(text []byte) sql.NullString {
	return sql.NullString{String: string(text), Valid: text != nil}
}

func (w *accountWrite) run(ctx context.Context, tx *sql.Tx) (account.Revision, error) {
	done, err := tx.ExecContext(ctx, insertAccountChange, micros(w.c.At), w.c.Actor, w.c.Source, string(w.c.Op), w.told.Kind, w.told.Subject,
		nullText(w.told.Before), nullText(w.told.After))
	if err != nil {
		return 0, err
	}
	rev, err := done.LastInsertId()
	if err != nil {
		return 0, err
	}
	if w.c.KeyAfter != nil {
		return account.Revision(rev), w.key(ctx, tx, rev)
	}
	return account.Revision(rev), w.account(ctx, tx, rev)
}

func (w *accountWrite) key(ctx context.Context, tx *sql.Tx, rev int64) error {
	k := w.c.KeyAfter
	if w.c.KeyBefore == nil {
		return written(ctx, tx, account.ErrExists, insertAdminKey, k.ID, k.Pepper, rev, w.detail)
	}
	var stored int64
	switch err := tx.QueryRowContext(ctx, stateAdminKey, k.ID).Scan(&stored); {
	case errors.Is(err, sql.ErrNoRows):
		return account.ErrNotFound
	case err != nil:
		return err
	}
	return written(ctx, tx, account.ErrConflict, updateAdminKey, k.ID, k.Pepper, rev, w.detail, int64(w.c.KeyBefore.Revision))
}

// account writes the account, if it is what Before says and an owner is left. There
// is one writer: what is read here holds until the end of the transaction.
func (w *accountWrite) account(ctx context.Context, tx *sql.Tx, rev int64) error {
	before, after := w.c.Before, w.c.After
	var row []any
	if after != nil {
		pepper := sql.NullString{String: after.Factor.Pepper, Valid: after.Factor.Enrolled()}
		row = []any{string(after.ID), after.Name, after.Standing(), pepper, rev, w.detail}
	}
	if before == nil {
		return written(ctx, tx, account.ErrExists, insertAccount, row...)
	}
	var (
		stored   int64
		standing bool
	)
	switch err := tx.QueryRowContext(ctx, stateAccount, string(before.ID)).Scan(&stored, &standing); {
	case errors.Is(err, sql.ErrNoRows):
		return account.ErrNotFound
	case err != nil:
		return err
	case stored != int64(before.Revision):
		return account.ErrConflict
	}
	if standing && (after == nil || !after.Standing()) {
		others := false
		if err := tx.QueryRowContext(ctx, othersStand, string(before.ID)).Scan(&others); err != nil {
			return err
		}
		if !others {
			return account.ErrLastOwner
		}
	}
	if after == nil {
		return written(ctx, tx, account.ErrConflict, deleteAccount, string(before.ID), stored)
	}
	return written(ctx, tx, account.ErrExists, updateAccount, append(row, stored)...) // but for the name it would be written
}

// written runs a statement that writes one row, or returns otherwise.
func written(ctx context.Context, tx *sql.Tx, otherwise error, query string, args ...any) error {
	done, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return otherwise
}
