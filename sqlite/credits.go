package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/usage"
)

// Credits keeps accounts of credits. It is a usage.Store and safe for concurrent
// use, by several processes too.
type Credits struct{ db *DB }

var _ usage.Store = (*Credits)(nil)

const (
	ownerOfKey    = `SELECT owner FROM keys WHERE id = ?1`
	selectAccount = `SELECT balance, spent, lost, pending, epoch, every, amount, cap, begins, next FROM credits WHERE kind = ?1 AND id = ?2`
	upsertAccount = `INSERT INTO credits (kind, id, balance, spent, lost, pending, epoch, every, amount, cap, begins, next)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
		ON CONFLICT (kind, id) DO UPDATE SET balance = ?3, spent = ?4, lost = ?5, pending = ?6, epoch = ?7, every = ?8, amount = ?9, cap = ?10, begins = ?11, next = ?12`
	selectReservations = `SELECT lease, granted, spent, returned, epoch, expires, favour FROM credit_reservations WHERE kind = ?1 AND id = ?2 ORDER BY lease`
	upsertReservation  = `INSERT INTO credit_reservations (kind, id, lease, granted, spent, returned, epoch, expires, favour)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
		ON CONFLICT (kind, id, lease) DO UPDATE SET granted = ?4, spent = ?5, returned = ?6, expires = ?8`
	deleteReservation = `DELETE FROM credit_reservations WHERE kind = ?1 AND id = ?2 AND lease = ?3`
)

// Reserve implements usage.Store.
func (c *Credits) Reserve(ctx context.Context, at time.Time, asks []usage.Ask) ([]usage.Grant, error) {
	for i := range asks {
		if err := asks[i].Check(); err != nil {
			return nil, err
		}
	}
	grants := make([]usage.Grant, len(asks))
	err := c.transact(ctx, "reserve credits", func(tx *sql.Tx) error {
		for i := range asks {
			b, before, err := readBook(ctx, tx, asks[i].Subject)
			if err != nil {
				return err
			}
			var changed bool
			if grants[i], changed = b.Reserve(at, asks[i]); !changed {
				continue
			}
			if err := writeBook(ctx, tx, b, before); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return grants, nil
}

// Account implements usage.Store.
func (c *Credits) Account(ctx context.Context, s usage.Subject, at time.Time) (usage.Account, error) {
	const what = "look up credits"
	if err := c.db.file.look(); err != nil {
		return usage.Account{}, err
	}
	tx, err := c.db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // account and reservations of one moment
	if err != nil {
		return usage.Account{}, answer(ctx, what, err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	b, _, err := readBook(ctx, tx, s)
	if err != nil {
		return usage.Account{}, answer(ctx, what, err)
	}
	return b.At(at)
}

// Apply implements usage.Store.
func (c *Credits) Apply(ctx context.Context, change usage.Change) (usage.Account, error) {
	if err := change.Check(); err != nil {
		return usage.Account{}, err
	}
	if !validText(change.Actor) || !validText(change.Source) {
		return usage.Account{}, errors.New("sqlite: change has text that is not UTF-8, or a NUL")
	}
	var after usage.Account
	err := c.transact(ctx, "change credits", func(tx *sql.Tx) error {
		if err := checkOwner(ctx, tx, &change); err != nil {
			return err
		}
		b, before, err := readBook(ctx, tx, change.Subject)
		if err != nil {
			return err
		}
		former, err := b.Snapshot()
		if err != nil {
			return err
		}
		if err := b.Apply(change); err != nil {
			return err
		}
		if err := writeBook(ctx, tx, b, before); err != nil {
			return err
		}
		after = b.Account
		state, err := b.Snapshot()
		if err != nil {
			return err
		}
		log := chain{tx: tx}
		_, err = log.add(ctx, audit.Event{
			At: change.At, Actor: change.Actor, Source: change.Source, Op: string(change.Op), Kind: audit.KindCredits, Subject: change.Subject.AuditSubject(),
			Before: former, After: state,
		})
		return err
	})
	if err != nil {
		return usage.Account{}, err
	}
	return after, nil
}

// checkOwner refuses a change of another owner's key. There is one writer: who owns
// the key stays so until the end of the transaction.
func checkOwner(ctx context.Context, tx *sql.Tx, c *usage.Change) error {
	if c.Owner == "" {
		return nil
	}
	var owner string
	err := tx.QueryRowContext(ctx, ownerOfKey, c.Subject.ID).Scan(&owner)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && owner != c.Owner:
		return usage.ErrOtherOwner
	case err != nil:
		return rowError(err)
	}
	return nil
}

// transact runs do in a transaction. What went into a file without a name is not
// acknowledged.
func (c *Credits) transact(ctx context.Context, what string, do func(tx *sql.Tx) error) error {
	tx, err := c.db.write.BeginTx(ctx, nil)
	if err != nil {
		return answer(ctx, what, err)
	}
	if err = do(tx); err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = c.db.file.look()
	}
	if err == nil {
		return nil
	}
	// A failed commit may have rolled back by itself; ErrTxDone says so.
	_ = tx.Rollback()
	for _, known := range []error{usage.ErrNoAccount, usage.ErrTooMany, usage.ErrOtherOwner} {
		if errors.Is(err, known) {
			return err
		}
	}
	return answer(ctx, what, err)
}
