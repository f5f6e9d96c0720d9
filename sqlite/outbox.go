package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/warder-dev/warder/webhook"
)

// Outbox keeps deliveries of webhooks. It is a webhook.Outbox and safe for
// concurrent use.
type Outbox struct{ db *DB }

var _ webhook.Outbox = (*Outbox)(nil)

const (
	addDelivery = `INSERT INTO webhook_deliveries (event, endpoint, type, at, data, attempts, due)
		SELECT ?1, ?2, ?3, ?4, ?5, 0, ?4
		WHERE (SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries WHERE endpoint = ?2 AND due IS NOT NULL LIMIT ?6)) < ?6
		ON CONFLICT DO NOTHING`
	knowsDelivery = `SELECT count(*) FROM webhook_deliveries WHERE event = ?1 AND endpoint = ?2`

	// RETURNING has no order: what is claimed is read before it is hidden.
	dueDeliveries = `SELECT event, type, at, data, attempts FROM webhook_deliveries
		WHERE endpoint = ?1 AND due <= ?2 ORDER BY due, event LIMIT ?3`
	hideDelivery   = `UPDATE webhook_deliveries SET due = ?3 WHERE event = ?1 AND endpoint = ?2`
	settleDelivery = `UPDATE webhook_deliveries SET due = NULL, settled = ?3 WHERE event = ?1 AND endpoint = ?2 AND due IS NOT NULL`
	retryDelivery  = `UPDATE webhook_deliveries SET due = ?3, attempts = ?4 WHERE event = ?1 AND endpoint = ?2 AND due IS NOT NULL`

	forgetDeliveries = `DELETE FROM webhook_deliveries WHERE coalesce(settled, due) < ?1`
)

// Add implements webhook.Outbox.
func (o *Outbox) Add(ctx context.Context, e webhook.Event, endpoint string) error {
	const what = "add webhook"
	if err := e.Check(); err != nil {
		return err
	}
	if !validText(string(e.Data)) || !validText(endpoint) || !validText(e.Type) {
		return errors.New("sqlite: an event has text that is not UTF-8, or a NUL")
	}
	return o.transact(ctx, what, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, addDelivery, e.ID, endpoint, e.Type, e.At.UnixMicro(), string(e.Data), webhook.MostPending(e.Type))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 1 {
			return err
		}
		var known int
		if err := tx.QueryRowContext(ctx, knowsDelivery, e.ID, endpoint).Scan(&known); err != nil || known > 0 {
			return err
		}
		return webhook.ErrFull
	})
}

// Claim implements webhook.Outbox.
func (o *Outbox) Claim(ctx context.Context, endpoint string, now, hidden time.Time, limit int) (claimed []webhook.Delivery, err error) {
	const what = "claim webhooks"
	if err := o.db.file.look(); err != nil {
		return nil, err
	}
	// A look that finds nothing, as nearly all do, takes no lock of a writer.
	if due, err := o.due(ctx, o.db.read, endpoint, now, 1); err != nil || len(due) == 0 {
		return nil, answer(ctx, what, err)
	}
	err = o.transact(ctx, what, func(tx *sql.Tx) error {
		claimed, err = o.due(ctx, tx, endpoint, now, limit)
		if err != nil {
			return err
		}
		for _, d := range claimed {
			if _, err := tx.ExecContext(ctx, hideDelivery, d.Event.ID, endpoint, hidden.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// A querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// due reads what is due.
func (*Outbox) due(ctx context.Context, q querier, endpoint string, now time.Time, limit int) (all []webhook.Delivery, err error) {
	rows, err := q.QueryContext(ctx, dueDeliveries, endpoint, now.UnixMicro(), limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		d := webhook.Delivery{Endpoint: endpoint}
		var at int64
		var data string
		if rows.Scan(&d.Event.ID, &d.Event.Type, &at, &data, &d.Attempts) != nil {
			return nil, errRow
		}
		d.Event.At, d.Event.Data = time.UnixMicro(at).UTC(), []byte(data)
		all = append(all, d)
	}
	return all, rows.Err()
}

// Settle implements webhook.Outbox.
func (o *Outbox) Settle(ctx context.Context, d webhook.Delivery, at time.Time) error {
	return o.exec(ctx, "settle webhook", settleDelivery, d.Event.ID, d.Endpoint, at.UnixMicro())
}

// Retry implements webhook.Outbox.
func (o *Outbox) Retry(ctx context.Context, d webhook.Delivery, next time.Time) error {
	return o.exec(ctx, "retry webhook", retryDelivery, d.Event.ID, d.Endpoint, next.UnixMicro(), d.Attempts+1)
}

// exec runs one statement.
func (o *Outbox) exec(ctx context.Context, what, query string, args ...any) error {
	return o.transact(ctx, what, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

// Forget implements webhook.Outbox.
func (o *Outbox) Forget(ctx context.Context, before time.Time) (n int, err error) {
	err = o.transact(ctx, "forget webhooks", func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, forgetDeliveries, before.UnixMicro())
		if err != nil {
			return err
		}
		rows, err := done.RowsAffected()
		n = int(rows)
		return err
	})
	return n, err
}

// transact runs do in a transaction.
func (o *Outbox) transact(ctx context.Context, what string, do func(tx *sql.Tx) error) error {
	tx, err := o.db.write.BeginTx(ctx, nil)
	if err != nil {
		return answer(ctx, what, err)
	}
	err = do(tx)
	if err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = o.db.file.look()
	}
	if err == nil {
		return nil
	}
	_ = tx.Rollback() // ErrTxDone says that it is over
	if errors.Is(err, webhook.ErrFull) {
		return err
	}
	return answer(ctx, what, err)
}
