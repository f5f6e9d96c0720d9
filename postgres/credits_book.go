package postgres

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/usage"
)

// A book is an account with its reservations, and those as they are stored.
type book struct {
	usage.Book
	stored  map[usage.ReservationID]usage.Reservation
	changed bool
}

// readBooks reads the accounts of subjects with their reservations, by a query that
// may lock them; a book without an account for each that has none.
func readBooks(ctx context.Context, tx pgx.Tx, query string, subjects []usage.Subject) (map[usage.Subject]*book, error) {
	books := make(map[usage.Subject]*book, len(subjects))
	var kinds, ids []string
	for _, s := range subjects {
		if books[s] != nil {
			continue
		}
		books[s] = &book{Book: usage.Book{Account: usage.Account{Subject: s}}, stored: map[usage.ReservationID]usage.Reservation{}}
		kinds, ids = append(kinds, string(s.Kind)), append(ids, s.ID)
	}
	rows, err := tx.Query(ctx, query, kinds, ids)
	if err != nil {
		return nil, err
	}
	if err := eachRow(rows, func() error { return scanAccount(rows, books) }); err != nil {
		return nil, err
	}
	if rows, err = tx.Query(ctx, selectReservations, kinds, ids); err != nil {
		return nil, err
	}
	return books, eachRow(rows, func() error { return scanReservation(rows, books) })
}

// eachRow calls scan for each row and closes them.
func eachRow(rows pgx.Rows, scan func() error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(); err != nil {
			return err
		}
	}
	return rows.Err()
}

func scanAccount(rows pgx.Rows, books map[usage.Subject]*book) error {
	var s usage.Subject
	var a usage.Account
	var begins, next *time.Time
	err := rows.Scan(&s.Kind, &s.ID, &a.Balance, &a.Spent, &a.Lost, &a.Drop, &a.Epoch, &a.Refill.Every, &a.Refill.Amount, &a.Refill.Cap, &begins, &next)
	a.Refill.From, a.Next = timeOf(begins), timeOf(next)
	damaged := a.Balance < 0 || a.Balance > usage.MaxCredits || a.Spent < 0 || a.Lost < 0 || a.Drop < 0 || a.Next.IsZero() != (a.Refill.Every == usage.Never)
	b := books[s]
	if err != nil || damaged || b == nil || a.Refill.Check() != nil {
		return errRow
	}
	a.Subject = s
	b.Account, b.Exists = a, true
	return nil
}

func scanReservation(rows pgx.Rows, books map[usage.Subject]*book) error {
	var s usage.Subject
	var r usage.Reservation
	var id []byte
	err := rows.Scan(&s.Kind, &s.ID, &id, &r.Granted, &r.Spent, &r.Returned, &r.Epoch, &r.Expires, &r.Favour)
	b := books[s]
	if err != nil || b == nil || len(id) != len(r.ID) || r.Spent < 0 || r.Returned < 0 || r.Granted < 0 || r.Granted > usage.MaxCredits*2 || r.Granted < r.Spent+r.Returned {
		return errRow
	}
	copy(r.ID[:], id)
	r.Expires = r.Expires.UTC()
	b.Reservations = append(b.Reservations, r)
	b.stored[r.ID] = r
	return nil
}

// queue writes what has changed since the book was read.
func (b *book) queue(batch *pgx.Batch) {
	a, kind := &b.Account, string(b.Account.Subject.Kind)
	batch.Queue(upsertAccount, kind, a.Subject.ID, a.Balance, a.Spent, a.Lost, a.Drop, a.Epoch,
		string(a.Refill.Every), a.Refill.Amount, a.Refill.Cap, stored(a.Refill.From), stored(a.Next))
	gone := maps.Clone(b.stored)
	for _, r := range b.Reservations {
		delete(gone, r.ID)
		r.Expires = micro(r.Expires)
		if r == b.stored[r.ID] {
			continue
		}
		batch.Queue(upsertReservation, kind, a.Subject.ID, r.ID[:], r.Granted, r.Spent, r.Returned, r.Epoch, r.Expires, r.Favour)
	}
	for _, id := range slices.SortedFunc(maps.Keys(gone), func(a, b usage.ReservationID) int { return slices.Compare(a[:], b[:]) }) {
		batch.Queue(deleteReservation, kind, a.Subject.ID, id[:])
	}
}

// apply makes a change, and returns what it leaves in the audit.
func (b *book) apply(c usage.Change) (e audit.Event, err error) {
	e = audit.Event{At: c.At, Actor: c.Actor, Source: c.Source, Op: string(c.Op), Kind: audit.KindCredits, Subject: c.Subject.AuditSubject()}
	if e.Before, err = b.Snapshot(); err != nil {
		return e, &plainError{err.Error()}
	}
	if err := b.Apply(c); err != nil {
		return e, err
	}
	if e.After, err = b.Snapshot(); err != nil {
		return e, &plainError{err.Error()}
	}
	return e, nil
}
