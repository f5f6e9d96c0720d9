package portallink

import (
	"context"
	"sync"
	"time"

	"github.com/warder-dev/warder/audit"
)

// A Memory keeps passes as long as the process lives; it has no audit but Told. The
// zero value is ready for use.
type Memory struct {
	Told func(audit.Event) // of each change; nil: nobody is told. Not to be changed later.

	mu  sync.Mutex
	all map[ID]*Pass
}

var _ Store = (*Memory)(nil)

func (m *Memory) tell(by audit.By, op string, before, after *Pass, at time.Time) {
	if m.Told == nil {
		return
	}
	m.Told(Event(by, op, before, after, at))
}

// Event is what the audit says of a change; for stores. before is nil for a pass that
// is made.
func Event(by audit.By, op string, before, after *Pass, at time.Time) audit.Event {
	e := audit.Event{At: at, Actor: by.Actor, Source: by.Source, Op: op, Kind: audit.KindPortal, Subject: string(after.ID), After: after.Seen()}
	if before != nil {
		e.Before = before.Seen()
	}
	return e
}

// Create implements [Store].
func (m *Memory) Create(ctx context.Context, by audit.By, p Pass) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = make(map[ID]*Pass)
	}
	n := 0
	for _, one := range m.all {
		if one.Owner == p.Owner && one.Ended.IsZero() && p.Created.Before(one.Over()) {
			n++
		}
	}
	switch {
	case m.all[p.ID] != nil:
		return ErrExists
	case n >= MostOfOwner:
		return ErrFull
	}
	m.all[p.ID] = &p
	m.tell(by, OpCreate, nil, &p, p.Created)
	return nil
}

// Lookup implements [Store].
func (m *Memory) Lookup(ctx context.Context, id ID) (Pass, error) {
	if err := ctx.Err(); err != nil {
		return Pass{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.all[id]
	if p == nil {
		return Pass{}, ErrNotFound
	}
	return *p, nil
}

// Use implements [Store].
func (m *Memory) Use(_ context.Context, by audit.By, id ID, session Digest, now, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.all[id]
	if p == nil || !p.Usable(now) {
		return ErrGone
	}
	before := *p
	p.Used, p.Session, p.SessionExpires = now, session, until
	m.tell(by, OpUse, &before, p, now)
	return nil
}

// Take implements [Store].
func (m *Memory) Take(_ context.Context, id ID, most int, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch p := m.all[id]; {
	case p == nil || !p.Open(now):
		return ErrGone
	case p.Made >= most:
		return ErrSpent
	default:
		p.Made++
		return nil
	}
}

// GiveBack implements [Store].
func (m *Memory) GiveBack(_ context.Context, id ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.all[id]; p != nil && p.Made > 0 {
		p.Made--
	}
	return nil
}

// End implements [Store].
func (m *Memory) End(_ context.Context, by audit.By, id ID, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.all[id]
	switch {
	case p == nil:
		return ErrNotFound
	case !p.Ended.IsZero():
		return nil
	}
	before := *p
	p.Ended = now
	m.tell(by, OpEnd, &before, p, now)
	return nil
}

// DeleteOver implements [Store].
func (m *Memory) DeleteOver(_ context.Context, now time.Time, limit int) (n int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, p := range m.all {
		if n < limit && (!p.Ended.IsZero() || !now.Before(p.Over())) {
			delete(m.all, id)
			n++
		}
	}
	return n, nil
}
