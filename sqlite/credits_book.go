package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/warder-dev/warder/usage"
)

// reservations are those of a book by their ids, as they are stored.
type reservations map[usage.ReservationID]usage.Reservation

// readBook reads the account of s with its reservations; a book without an
// account when there is none.
func readBook(ctx context.Context, tx *sql.Tx, s usage.Subject) (*usage.Book, reservations, error) {
	b := &usage.Book{Account: usage.Account{Subject: s}}
	var begins, next sql.NullInt64
	a := &b.Account
	row := tx.QueryRowContext(ctx, selectAccount, string(s.Kind), s.ID)
	switch err := row.Scan(&a.Balance, &a.Spent, &a.Lost, &a.Drop, &a.Epoch, &a.Refill.Every, &a.Refill.Amount, &a.Refill.Cap, &begins, &next); {
	case errors.Is(err, sql.ErrNoRows):
		return b, nil, nil
	case err != nil:
		return nil, nil, rowError(err)
	}
	b.Exists = true
	a.Refill.From, a.Next = timeOf(begins), timeOf(next)
	damaged := a.Balance < 0 || a.Balance > usage.MaxCredits || a.Spent < 0 || a.Lost < 0 || a.Drop < 0 || a.Next.IsZero() != (a.Refill.Every == usage.Never)
	if damaged || a.Refill.Check() != nil {
		return nil, nil, errRow
	}
	stored, err := readReservations(ctx, tx, b)
	return b, stored, err
}

func readReservations(ctx context.Context, tx *sql.Tx, b *usage.Book) (_ reservations, err error) {
	rows, err := tx.QueryContext(ctx, selectReservations, string(b.Account.Subject.Kind), b.Account.Subject.ID)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	stored := reservations{}
	for rows.Next() {
		var r usage.Reservation
		var id sql.RawBytes
		var expires int64
		err := rows.Scan(&id, &r.Granted, &r.Spent, &r.Returned, &r.Epoch, &expires, &r.Favour)
		if err != nil || len(id) != len(r.ID) || r.Spent < 0 || r.Returned < 0 || r.Granted < 0 || r.Granted > usage.MaxCredits*2 || r.Granted < r.Spent+r.Returned {
			return nil, errRow
		}
		copy(r.ID[:], id)
		r.Expires = time.UnixMicro(expires).UTC()
		b.Reservations = append(b.Reservations, r)
		stored[r.ID] = r
	}
	return stored, rows.Err()
}

// rowError hides the error of a conversion, which quotes what was stored.
func rowError(err error) error {
	if _, ours := errors.AsType[interface {
		error
		Code() int
	}](err); ours || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errRow
}

// writeBook writes what has changed since stored was read.
func writeBook(ctx context.Context, tx *sql.Tx, b *usage.Book, stored reservations) error {
	a, kind := &b.Account, string(b.Account.Subject.Kind)
	_, err := tx.ExecContext(ctx, upsertAccount, kind, a.Subject.ID, a.Balance, a.Spent, a.Lost, a.Drop, a.Epoch,
		string(a.Refill.Every), a.Refill.Amount, a.Refill.Cap, micros(a.Refill.From), micros(a.Next))
	if err != nil {
		return err
	}
	gone := maps.Clone(stored)
	for _, r := range b.Reservations {
		delete(gone, r.ID)
		r.Expires = r.Expires.UTC().Truncate(time.Microsecond)
		if r == stored[r.ID] {
			continue
		}
		_, err := tx.ExecContext(ctx, upsertReservation, kind, a.Subject.ID, r.ID[:], r.Granted, r.Spent, r.Returned, r.Epoch, r.Expires.UnixMicro(), r.Favour)
		if err != nil {
			return err
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(gone), func(a, b usage.ReservationID) int { return slices.Compare(a[:], b[:]) }) {
		if _, err := tx.ExecContext(ctx, deleteReservation, kind, a.Subject.ID, id[:]); err != nil {
			return err
		}
	}
	return nil
}
