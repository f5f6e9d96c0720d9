package apikey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// flight is one look-up under way. Requests for the same id share it, so that a
// stampede asks once; each compares its own text with what comes back.
type flight struct {
	done       chan struct{}
	generation uint64 // of the shard when it began
	began      time.Time
	found      *slot // set before done is closed
	err        error
}

var (
	errWrongRecord = errors.New("apikey: the store returned a record of another id or without secrets")
	errPanic       = errors.New("apikey: the store panicked")
)

// verifyFromStore is verify of what is not cached, or when the cache is not to
// be trusted.
func (v *Verifier) verifyFromStore(ctx context.Context, c claim) (exchange.Principal, error) {
	id := ID(strings.Clone(string(c.id))) // it is kept: not with the text around it
	ctx, cancel := context.WithTimeoutCause(ctx, v.cfg.LookupTimeout, errBusy)
	defer cancel()
	s := v.cache.shard(id)
	for {
		if v.held.Load() {
			return exchange.Principal{}, fmt.Errorf("apikey: look up key: %w", errRewound)
		}
		// Without a feed, or behind it, a look-up of somebody else may have begun
		// before a change that this request must see.
		share := v.trusted(time.Now())
		f, err := v.lookup(ctx, s, id, share)
		if err == nil {
			err = f.wait(ctx)
		}
		if err != nil {
			return exchange.Principal{}, fmt.Errorf("apikey: look up key: %w", err)
		}
		match, now, err := v.judge(&c, f.found.entry)
		if v.late(f.began, now) { // this process was stopped meanwhile: nobody knows what changed
			return exchange.Principal{}, fmt.Errorf("apikey: look up key: %w", errBusy)
		}
		if s.current(f.generation) {
			return v.answer(f.found, match, &c, err)
		}
		// Something was changed while the store was asked: ask again.
	}
}

// late reports whether a look-up that began at began took longer than it may, by
// the monotonic clock or, for a machine that slept, by the wall clock.
func (v *Verifier) late(began, now time.Time) bool {
	return now.Sub(began) > v.cfg.LookupTimeout || now.UnixNano()-began.UnixNano() > int64(v.cfg.LookupTimeout)
}

// wait returns when the look-up has ended, or with ctx.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lookup joins the look-up of id that is under way, when it may be shared, or
// begins one as soon as fewer than maxLookups are.
func (v *Verifier) lookup(ctx context.Context, s *shard, id ID, share bool) (*flight, error) {
	if f := s.join(id, share); f != nil {
		return f, nil
	}
	select {
	case v.lookups <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	f, began := s.begin(id, share)
	if !began {
		<-v.lookups
		return f, nil
	}
	if !v.start(func() { v.fetch(s, id, f, share) }) { //nolint:contextcheck // it is shared, and outlives the request that began it
		<-v.lookups
		s.end(id, f, false)
		return nil, errClosed
	}
	return f, nil
}

// join returns the look-up of id that is under way.
func (s *shard) join(id ID, share bool) *flight {
	if !share {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.flights[id]
}

// begin returns a new look-up, or one that has begun or even ended meanwhile and
// false: whoever waited for a turn need not ask what is known by then.
func (s *shard) begin(id ID, share bool) (*flight, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[id]; share && f != nil {
		return f, false
	}
	if found := s.cached(id); share && found != nil {
		f := &flight{done: make(chan struct{}), generation: s.generation, began: time.Now(), found: found}
		close(f.done)
		return f, false
	}
	f := &flight{done: make(chan struct{}), generation: s.generation, began: time.Now(), err: errClosed}
	if share {
		s.flights[id] = f
	}
	return f, true
}

// end publishes what f found, and caches it when that is still true.
func (s *shard) end(id ID, f *flight, keep bool) {
	s.mu.Lock()
	if s.flights[id] == f {
		delete(s.flights, id)
	}
	if keep && f.err == nil {
		s.store(f.found, f.generation)
	}
	s.mu.Unlock()
	close(f.done)
}

// fetch asks the store in a goroutine of its own, so that neither a request that
// goes away fails the others, nor a store that ignores its context holds them.
func (v *Verifier) fetch(s *shard, id ID, f *flight, keep bool) {
	defer func() { <-v.lookups }()
	ctx, cancel := context.WithTimeoutCause(v.ctx, v.cfg.LookupTimeout, errBusy)
	defer cancel()
	f.found, f.err = v.ask(ctx, id)
	s.end(id, f, keep)
}

// ask asks the store. Its panic becomes an error: in this goroutine it would end
// the process.
func (v *Verifier) ask(ctx context.Context, id ID) (found *slot, err error) {
	defer func() {
		if recover() != nil {
			found, err = nil, errPanic // the value may hold anything: not even the log gets it
		}
	}()
	r, err := v.cfg.Store.Lookup(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return &slot{id: id}, nil
	case err != nil:
		return nil, err
	case r.ID != id || len(r.Secrets) == 0:
		return nil, errWrongRecord
	}
	return v.newSlot(id, &r), nil
}

// newSlot prepares a record for verifying. What a key with one secret needs is
// one piece of memory: with many keys, each further piece is a cache miss.
func (v *Verifier) newSlot(id ID, r *Record) *slot {
	all := new(struct {
		slot   slot
		entry  entry
		digest [1]digest
	})
	all.slot.id, all.slot.entry = id, &all.entry
	all.entry = entry{
		owner: r.Owner, environment: string(r.Environment), scopes: exchange.PatternScopes(r.Scopes...),
		expires: r.Expires, revoked: !r.Revoked.IsZero(), disabled: r.Disabled, honeytoken: r.Kind == KindHoneytoken, digests: all.digest[:0],
	}
	if r.Bound() {
		all.entry.certificate = new(r.Certificate) // a copy: not with the record around it
	}
	all.entry.more = moreOf(r)
	for _, one := range r.Secrets {
		d := digest{
			sum: one.Digest, pepper: v.cfg.Peppers.find(one.Pepper), format: v.legacy.code(one.Format),
			number: int32(one.Number), //nolint:gosec // nobody rolls so often
		}
		if !one.Retires.IsZero() {
			d.retires = one.Retires.UnixMicro()
		}
		all.entry.digests = append(all.entry.digests, d)
	}
	slices.SortStableFunc(all.entry.digests, byPepper)
	return &all.slot
}

// moreOf returns what few keys have; nil for the others.
func moreOf(r *Record) *more {
	m := more{plan: r.Plan, quotas: slices.Clone(r.Limits), narrow: narrowOf(r)}
	if m.plan == "" && len(m.quotas) == 0 && m.narrow == nil {
		return nil
	}
	return &m
}

// byPepper puts secrets under the same pepper together.
func byPepper(a, b digest) int {
	switch {
	case a.pepper == b.pepper:
		return 0
	case a.pepper == nil:
		return -1
	case b.pepper == nil:
		return 1
	default:
		return strings.Compare(a.pepper.id, b.pepper.id)
	}
}
