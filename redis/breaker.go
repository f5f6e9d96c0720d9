package redis

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A breaker keeps requests from a server that does not answer. It opens after a few
// batches in a row without an answer; then one probe at a time asks, less and
// less often, and never all nodes at once. When a probe is answered in time, few requests
// are let through, and twice as many with each that is answered: a server that
// comes back is not met by all who waited for it.
type breaker struct {
	state  atomic.Int32
	misses atomic.Int32 // in a row
	inside atomic.Int64 // calls on their way
	window atomic.Int64 // how many may be, while it ramps
	wake   chan struct{}

	mu    sync.Mutex
	since time.Time
	last  error
	tell  func(up bool, err error)
}

// States of a breaker.
const (
	shut int32 = iota // all may pass
	open              // none may
	ramp              // some may
)

const (
	fewMisses   = 3
	firstWindow = 8
	lastWindow  = 256 // then all may pass
	firstWait   = 50 * time.Millisecond
	lastWait    = 2 * time.Second
)

func newBreaker(tell func(bool, error)) *breaker {
	return &breaker{wake: make(chan struct{}, 1), since: time.Now(), tell: tell}
}

// enter reports whether a call may be made; then leave follows.
func (b *breaker) enter() bool {
	switch b.state.Load() {
	case open:
		return false
	case ramp:
		if b.inside.Add(1) > b.window.Load() {
			b.inside.Add(-1)
			return false
		}
		return true
	default:
		b.inside.Add(1)
		return true
	}
}

func (b *breaker) leave() { b.inside.Add(-1) }

// report notes what became of n calls that were sent together.
func (b *breaker) report(err error, n int) {
	if err != nil {
		if b.misses.Add(1) >= fewMisses || b.state.Load() == ramp {
			b.change(open, err)
		}
		return
	}
	b.misses.Store(0)
	if b.state.Load() == ramp && b.window.Add(int64(n)) >= lastWindow {
		b.change(shut, nil)
	}
}

// change goes over to another state, once.
func (b *breaker) change(to int32, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.state.Load()
	if from == to || to == shut && from == open {
		return // an answer that came late closes nothing
	}
	if to == ramp {
		b.window.Store(firstWindow)
		b.misses.Store(0)
	}
	b.state.Store(to)
	switch to {
	case open:
		b.since, b.last = time.Now(), err
		select {
		case b.wake <- struct{}{}:
		default:
		}
		if from == shut {
			b.tell(false, err)
		}
	case shut:
		b.since, b.last = time.Now(), nil
		b.tell(true, nil)
	}
}

// status returns whether all may pass, since when, and why not.
func (b *breaker) status() (up bool, since time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.Load() != open, b.since, b.last
}

// mend waits until the breaker opens, and then asks with probe until that is
// answered; until ctx ends.
func (b *breaker) mend(ctx context.Context, probe func(context.Context) error) {
	for {
		select {
		case <-b.wake:
		case <-ctx.Done():
			return
		}
		for wait := firstWait; b.state.Load() == open; wait = min(2*wait, lastWait) {
			if !pause(ctx, wait) {
				return
			}
			if probe(ctx) == nil {
				b.change(ramp, nil)
			}
		}
	}
}

// pause waits for half to one and a half times d; false when ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d)) //nolint:gosec // when to ask again is no secret
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
