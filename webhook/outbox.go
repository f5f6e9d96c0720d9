package webhook

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A Delivery is one event on its way to one endpoint.
type Delivery struct {
	Event    Event
	Endpoint string // its name
	Attempts int    // that were made before this one
}

// MaxPending is how many deliveries to one endpoint may wait.
const MaxPending = 10_000

// MostPending is how many deliveries to one endpoint may wait for one more event of a
// type to be added: of [LimitNear], which clients cause as they like, half of
// [MaxPending], so that room is left for alarms.
func MostPending(kind string) int {
	if kind == LimitNear {
		return MaxPending / 2
	}
	return MaxPending
}

// ErrFull means that [MostPending] deliveries to an endpoint wait already.
var ErrFull = errors.New("webhook: too many deliveries wait")

// An Outbox keeps deliveries until they were taken or given up, and for a time
// after that, so that nothing is announced twice. Implementations pass
// webhooktest.TestOutbox and are safe for concurrent use by several processes.
type Outbox interface {
	// Add adds a delivery of the event to the endpoint, due at e.At, unless there is
	// or was one. [ErrFull] adds none.
	Add(ctx context.Context, e Event, endpoint string) error

	// Claim returns up to limit deliveries to the endpoint that are due at now, the
	// longest due first, and puts each off until hidden: nobody else gets it before.
	Claim(ctx context.Context, endpoint string, now, hidden time.Time, limit int) ([]Delivery, error)

	// Settle ends a delivery: it is never due again. at is when.
	Settle(ctx context.Context, d Delivery, at time.Time) error

	// Retry has a delivery due again at next, with one attempt more.
	Retry(ctx context.Context, d Delivery, next time.Time) error

	// Forget drops what was settled before a time, or has been due since before it,
	// for an endpoint that is no more, and returns how many.
	Forget(ctx context.Context, before time.Time) (int, error)
}

// A MemoryOutbox keeps deliveries in this process. The zero value is ready. What
// waits is lost with the process.
type MemoryOutbox struct {
	mu  sync.Mutex
	all map[deliveryID]*waiting
}

type deliveryID struct{ event, endpoint string }

type waiting struct {
	delivery Delivery
	due      time.Time // of one that waits
	settled  time.Time // zero: it waits
}

var _ Outbox = (*MemoryOutbox)(nil)

// Add adds a delivery; see [Outbox].
func (o *MemoryOutbox) Add(ctx context.Context, e Event, endpoint string) error {
	if err := errors.Join(ctx.Err(), e.Check()); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = make(map[deliveryID]*waiting)
	}
	id := deliveryID{e.ID, endpoint}
	if o.all[id] != nil {
		return nil
	}
	pending := 0
	for _, w := range o.all {
		if w.delivery.Endpoint == endpoint && w.settled.IsZero() {
			pending++
		}
	}
	if pending >= MostPending(e.Type) {
		return ErrFull
	}
	e.Data = slices.Clone(e.Data)
	o.all[id] = &waiting{delivery: Delivery{Event: e, Endpoint: endpoint}, due: e.At}
	return nil
}

// Claim returns what is due; see [Outbox].
func (o *MemoryOutbox) Claim(ctx context.Context, endpoint string, now, hidden time.Time, limit int) ([]Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var due []*waiting
	for _, w := range o.all {
		if w.delivery.Endpoint == endpoint && w.settled.IsZero() && !w.due.After(now) {
			due = append(due, w)
		}
	}
	slices.SortFunc(due, func(a, b *waiting) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.delivery.Event.ID, b.delivery.Event.ID))
	})
	var claimed []Delivery
	for _, w := range due[:min(limit, len(due))] {
		w.due = hidden
		claimed = append(claimed, w.delivery)
	}
	return claimed, nil
}

// Settle ends a delivery; see [Outbox].
func (o *MemoryOutbox) Settle(ctx context.Context, d Delivery, at time.Time) error {
	return o.change(ctx, d, func(w *waiting) { w.settled = at })
}

// Retry has a delivery due again; see [Outbox].
func (o *MemoryOutbox) Retry(ctx context.Context, d Delivery, next time.Time) error {
	return o.change(ctx, d, func(w *waiting) { w.due, w.delivery.Attempts = next, d.Attempts+1 })
}

func (o *MemoryOutbox) change(ctx context.Context, d Delivery, change func(*waiting)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if w := o.all[deliveryID{d.Event.ID, d.Endpoint}]; w != nil && w.settled.IsZero() {
		change(w)
	}
	return nil
}

// Forget drops what was settled; see [Outbox].
func (o *MemoryOutbox) Forget(ctx context.Context, before time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for id, w := range o.all {
		if !w.settled.IsZero() && w.settled.Before(before) || w.settled.IsZero() && w.due.Before(before) {
			delete(o.all, id)
			n++
		}
	}
	return n, nil
}
