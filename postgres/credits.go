package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/usage"
)

// Credits keeps accounts of credits. It is a usage.Store and safe for concurrent
// use, by many nodes too.
type Credits struct{ db *DB }

var _ usage.Store = (*Credits)(nil)

const (
	// The accounts of one transaction are taken in one order, so that no two wait for
	// each other, and held until it is committed.
	lockAccounts = `SELECT a.kind, a.id, a.balance, a.spent, a.lost, a.pending, a.epoch, a.every, a.amount, a.cap, a.begins, a.next
		FROM credits a JOIN unnest($1::text[], $2::text[]) AS ask (kind, id) ON a.kind = ask.kind AND a.id = ask.id ORDER BY a.kind, a.id FOR UPDATE OF a`
	readAccounts = `SELECT a.kind, a.id, a.balance, a.spent, a.lost, a.pending, a.epoch, a.every, a.amount, a.cap, a.begins, a.next
		FROM credits a JOIN unnest($1::text[], $2::text[]) AS ask (kind, id) ON a.kind = ask.kind AND a.id = ask.id ORDER BY a.kind, a.id`
	selectReservations = `SELECT r.kind, r.id, r.lease, r.granted, r.spent, r.returned, r.epoch, r.expires, r.favour
		FROM credit_reservations r JOIN unnest($1::text[], $2::text[]) AS ask (kind, id) ON r.kind = ask.kind AND r.id = ask.id ORDER BY r.lease`

	ownerOfKey = `SELECT owner FROM keys WHERE id = $1`

	// An account that does not exist cannot be locked: whoever may make it takes this.
	lockSubject = `SELECT pg_advisory_xact_lock(hashtextextended($1 || ':' || $2, 7240))`

	upsertAccount = `INSERT INTO credits (kind, id, balance, spent, lost, pending, epoch, every, amount, cap, begins, next)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (kind, id) DO UPDATE SET balance = $3, spent = $4, lost = $5, pending = $6, epoch = $7, every = $8, amount = $9, cap = $10, begins = $11, next = $12`
	upsertReservation = `INSERT INTO credit_reservations (kind, id, lease, granted, spent, returned, epoch, expires, favour)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (kind, id, lease) DO UPDATE SET granted = $4, spent = $5, returned = $6, expires = $8`
	deleteReservation = `DELETE FROM credit_reservations WHERE kind = $1 AND id = $2 AND lease = $3`
)

// Reserve implements usage.Store.
func (c *Credits) Reserve(ctx context.Context, at time.Time, asks []usage.Ask) ([]usage.Grant, error) {
	subjects := make([]usage.Subject, len(asks))
	for i := range asks {
		if err := asks[i].Check(); err != nil {
			return nil, err
		}
		subjects[i] = asks[i].Subject
	}
	grants := make([]usage.Grant, len(asks))
	err := c.db.write(ctx, func(tx pgx.Tx) error {
		books, err := readBooks(ctx, tx, lockAccounts, subjects)
		if err != nil {
			return err
		}
		for i := range asks {
			b := books[asks[i].Subject]
			var changed bool
			grants[i], changed = b.Reserve(at, asks[i])
			b.changed = b.changed || changed
		}
		batch := new(pgx.Batch)
		for _, b := range books {
			if b.changed {
				b.queue(batch)
			}
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return nil, creditError(ctx, "reserve credits", err)
	}
	return grants, nil
}

// Account implements usage.Store.
func (c *Credits) Account(ctx context.Context, s usage.Subject, at time.Time) (usage.Account, error) {
	if s.Check() != nil {
		return usage.Account{}, usage.ErrNoAccount // Apply makes none such
	}
	var b *book
	err := again(ctx, func() error {
		// Account and reservations of one moment.
		return pgx.BeginTxFunc(ctx, c.db.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			books, err := readBooks(ctx, tx, readAccounts, []usage.Subject{s})
			b = books[s]
			return err
		})
	})
	if err != nil {
		return usage.Account{}, creditError(ctx, "look up credits", err)
	}
	return b.At(at)
}

// Apply implements usage.Store.
func (c *Credits) Apply(ctx context.Context, change usage.Change) (usage.Account, error) {
	if err := change.Check(); err != nil {
		return usage.Account{}, err
	}
	if !validText(change.Actor) || !validText(change.Source) {
		return usage.Account{}, errors.New("postgres: change has text that is not UTF-8, or a NUL")
	}
	var after usage.Account
	err := c.db.write(ctx, func(tx pgx.Tx) error {
		s := change.Subject
		if _, err := tx.Exec(ctx, lockSubject, string(s.Kind), s.ID); err != nil {
			return err
		}
		books, err := readBooks(ctx, tx, lockAccounts, []usage.Subject{s})
		if err != nil {
			return err
		}
		b := books[s]
		e, err := b.apply(change)
		if err != nil {
			return err
		}
		after = b.Account
		log, err := lockChain(ctx, tx)
		if err != nil {
			return err
		}
		if err := checkOwner(ctx, tx, &change); err != nil {
			return err
		}
		batch := new(pgx.Batch)
		b.queue(batch)
		if _, err := log.queue(batch, e); err != nil {
			return err
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return usage.Account{}, creditError(ctx, "change credits", err)
	}
	return after, nil
}

// checkOwner refuses a change of another owner's key. The transaction has its turn to
// write to the audit, as every change of a key has: who owns the key stays so until its
// end.
func checkOwner(ctx context.Context, tx pgx.Tx, c *usage.Change) error {
	if c.Owner == "" {
		return nil
	}
	var owner string
	err := tx.QueryRow(ctx, ownerOfKey, c.Subject.ID).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && owner != c.Owner {
		return usage.ErrOtherOwner
	}
	return err
}

// creditError passes the errors by which a store answers and names the others.
func creditError(ctx context.Context, what string, err error) error {
	for _, known := range []error{usage.ErrNoAccount, usage.ErrTooMany, usage.ErrOtherOwner} {
		if errors.Is(err, known) {
			return err
		}
	}
	return answer(ctx, what, err)
}
