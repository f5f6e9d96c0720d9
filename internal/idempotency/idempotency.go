// Package idempotency keeps what came of requests with an Idempotency-Key, so that
// a client may send one again without doing it again.
package idempotency

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// An Attempt is a request with an Idempotency-Key.
type Attempt struct {
	Caller  string   // who sent it: each has keys of its own. UTF-8 without NUL.
	Key     string   // 1 to 128 characters of printable ASCII
	Request [32]byte // a digest of everything that tells requests apart
}

// A Told is what is known of an attempt.
type Told struct {
	Began    time.Time
	Request  [32]byte
	Finished bool
	Answer   []byte // what Finish was given
}

// ErrKnown means that there is an attempt with the same key already.
var ErrKnown = errors.New("idempotency: the attempt is known")

// Most is how many attempts of one caller stores keep unless they are told
// otherwise: the oldest are forgotten for new ones.
const Most = 10_000

// A Store keeps attempts, for all nodes that share it. Implementations pass
// idempotencytest.TestStore and are safe for concurrent use.
type Store interface {
	// Begin keeps a as begun at now. When there is one of the same caller and key that
	// began less than life ago, it keeps nothing and returns that with [ErrKnown]. Of
	// calls at the same time, one keeps it.
	Begin(ctx context.Context, a Attempt, now time.Time, life time.Duration) (Told, error)

	// Finish keeps the answer to a. An attempt that was forgotten stays so.
	Finish(ctx context.Context, a Attempt, answer []byte) error

	// Forget forgets a, which had no effect.
	Forget(ctx context.Context, a Attempt) error
}

// A Memory keeps attempts as long as the process lives. The zero value is ready
// for use.
type Memory struct {
	Most int // attempts of one caller that are kept; 0 is [Most]. Not to be changed later.

	mu      sync.Mutex
	callers map[string]*attempts
}

// attempts are those of one caller.
type attempts struct {
	known map[string]*Told
	order []string // of keys, the oldest first
}

// Begin implements [Store].
func (m *Memory) Begin(ctx context.Context, a Attempt, now time.Time, life time.Duration) (Told, error) {
	if err := ctx.Err(); err != nil {
		return Told{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.callers == nil {
		m.callers = make(map[string]*attempts)
	}
	all := m.callers[a.Caller]
	if all == nil {
		all = &attempts{known: make(map[string]*Told)}
		m.callers[a.Caller] = all
	}
	for len(all.order) > 0 && now.Sub(all.known[all.order[0]].Began) >= life {
		all.forget(all.order[0])
	}
	if told := all.known[a.Key]; told != nil {
		return *told, ErrKnown
	}
	if len(all.order) >= cmp.Or(m.Most, Most) {
		all.forget(all.order[0])
	}
	all.known[a.Key], all.order = &Told{Began: now, Request: a.Request}, append(all.order, a.Key)
	return Told{}, nil
}

// forget forgets one attempt.
func (a *attempts) forget(key string) {
	delete(a.known, key)
	if at := slices.Index(a.order, key); at >= 0 {
		a.order = slices.Delete(a.order, at, at+1)
	}
}

// Finish implements [Store].
func (m *Memory) Finish(_ context.Context, a Attempt, answer []byte) error {
	m.with(a, func(_ *attempts, told *Told) { told.Finished, told.Answer = true, slices.Clone(answer) })
	return nil
}

// Forget implements [Store].
func (m *Memory) Forget(_ context.Context, a Attempt) error {
	m.with(a, func(all *attempts, _ *Told) { all.forget(a.Key) })
	return nil
}

// with calls use with the attempt, when it is kept.
func (m *Memory) with(a Attempt, use func(*attempts, *Told)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if all := m.callers[a.Caller]; all != nil && all.known[a.Key] != nil && all.known[a.Key].Request == a.Request {
		use(all, all.known[a.Key])
	}
}
