package postgres

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/warder-dev/warder/webhook"
)

// Outbox keeps deliveries of webhooks. It is a webhook.Outbox and safe for
// concurrent use, by many nodes too. Nodes that add at once may each add one more
// than webhook.MostPending.
type Outbox struct{ db *DB }

var _ webhook.Outbox = (*Outbox)(nil)

const (
	addDelivery = `INSERT INTO webhook_deliveries (event, endpoint, type, at, data, attempts, due)
		SELECT $1::text, $2::text, $3::text, $4::timestamptz, $5::text, 0, $4::timestamptz
		WHERE (SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries WHERE endpoint = $2 AND due IS NOT NULL LIMIT $6) w) < $6
		ON CONFLICT DO NOTHING`
	knowsDelivery = `SELECT count(*) FROM webhook_deliveries WHERE event = $1 AND endpoint = $2`

	// What another node claims at this moment is passed over, not waited for.
	claimDeliveries = `WITH claimed AS (SELECT event, due FROM webhook_deliveries WHERE endpoint = $1 AND due <= $2 ORDER BY due, event LIMIT $4 FOR UPDATE SKIP LOCKED)
		UPDATE webhook_deliveries d SET due = $3 FROM claimed c WHERE d.endpoint = $1 AND d.event = c.event
		RETURNING d.event, d.type, d.at, d.data, d.attempts, c.due`
	settleDelivery = `UPDATE webhook_deliveries SET due = NULL, settled = $3 WHERE event = $1 AND endpoint = $2 AND due IS NOT NULL`
	retryDelivery  = `UPDATE webhook_deliveries SET due = $3, attempts = $4 WHERE event = $1 AND endpoint = $2 AND due IS NOT NULL`

	forgetDeliveries = `DELETE FROM webhook_deliveries WHERE coalesce(settled, due) < $1`
)

// Add implements webhook.Outbox.
func (o *Outbox) Add(ctx context.Context, e webhook.Event, endpoint string) error {
	const what = "add webhook"
	if err := e.Check(); err != nil {
		return err
	}
	if !validText(string(e.Data)) || !validText(endpoint) || !validText(e.Type) {
		return errors.New("postgres: an event has text that is not UTF-8, or a NUL")
	}
	n, err := o.exec(ctx, what, addDelivery, e.ID, endpoint, e.Type, micro(e.At), string(e.Data), webhook.MostPending(e.Type))
	if err != nil || n == 1 {
		return err
	}
	var known int
	if err := o.db.pool.QueryRow(ctx, knowsDelivery, e.ID, endpoint).Scan(&known); err != nil || known > 0 {
		return answer(ctx, what, err)
	}
	return webhook.ErrFull
}

// Claim implements webhook.Outbox.
func (o *Outbox) Claim(ctx context.Context, endpoint string, now, hidden time.Time, limit int) ([]webhook.Delivery, error) {
	type claim struct {
		webhook.Delivery
		due time.Time
	}
	var claims []claim
	err := again(ctx, func() error {
		rows, err := o.db.pool.Query(ctx, claimDeliveries, endpoint, micro(now), micro(hidden), limit)
		if err != nil {
			return err
		}
		claims, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c claim, _ error) {
			var data string
			if row.Scan(&c.Event.ID, &c.Event.Type, &c.Event.At, &data, &c.Attempts, &c.due) != nil {
				return c, errRow
			}
			c.Endpoint, c.Event.At, c.Event.Data = endpoint, c.Event.At.UTC(), []byte(data)
			return c, nil
		})
		return err
	})
	if err != nil {
		return nil, answer(ctx, "claim webhooks", err)
	}
	// RETURNING has no order.
	slices.SortFunc(claims, func(a, b claim) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.Event.ID, b.Event.ID)) })
	var all []webhook.Delivery
	for _, c := range claims {
		all = append(all, c.Delivery)
	}
	return all, nil
}

// Settle implements webhook.Outbox.
func (o *Outbox) Settle(ctx context.Context, d webhook.Delivery, at time.Time) error {
	_, err := o.exec(ctx, "settle webhook", settleDelivery, d.Event.ID, d.Endpoint, micro(at))
	return err
}

// Retry implements webhook.Outbox.
func (o *Outbox) Retry(ctx context.Context, d webhook.Delivery, next time.Time) error {
	_, err := o.exec(ctx, "retry webhook", retryDelivery, d.Event.ID, d.Endpoint, micro(next), d.Attempts+1)
	return err
}

// Forget implements webhook.Outbox.
func (o *Outbox) Forget(ctx context.Context, before time.Time) (int, error) {
	return o.exec(ctx, "forget webhooks", forgetDeliveries, micro(before))
}

// exec runs one statement, which is a transaction of its own, and returns how many
// rows it changed.
func (o *Outbox) exec(ctx context.Context, what, query string, args ...any) (int, error) {
	var done pgconn.CommandTag
	err := again(ctx, func() (err error) {
		done, err = o.db.pool.Exec(ctx, query, args...)
		return err
	})
	return int(done.RowsAffected()), answer(ctx, what, err)
}
