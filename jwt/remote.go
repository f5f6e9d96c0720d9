package jwt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/internal/outgoing"
)

// remote are keys that an issuer publishes.
type remote struct {
	issuer string
	fetch  Fetch
	client *http.Client
	load   func(ctx context.Context) (loaded, error)
	log    *slog.Logger

	held atomic.Pointer[held] // nil before the first success

	mu       sync.Mutex
	flight   *flight   // the attempt under way; nil for none
	failed   error     // of the last attempt
	failures int       // in a row
	unknown  time.Time // when an unknown kid last caused an attempt

	ctx    context.Context //nolint:containedctx // of the goroutines, from start to close
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

// held is the last good set, and when it came.
type held struct {
	set *keySet
	at  time.Time
}

// A flight is one attempt, for whoever waits for it.
type flight struct {
	done chan struct{}
	err  error
	next time.Duration // until the next one
}

var (
	errStale  = errors.New("jwt: the keys of the issuer are too old")
	errClosed = errors.New("jwt: closed")
)

const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

func newRemote(cfg *Issuer, all *Config) (source, error) {
	load, err := newLoader(cfg, &all.Fetch)
	if err != nil {
		return nil, err
	}
	client, err := outgoing.New(all.Fetch.client())
	if err != nil {
		return nil, err
	}
	r := &remote{issuer: cfg.Issuer, fetch: all.Fetch, client: client, log: all.Log}
	r.load = func(ctx context.Context) (loaded, error) { return load(ctx, client) }
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// start makes the first attempt, and the others when they are due.
func (r *remote) start() {
	f := r.attempt()
	r.wait.Go(func() {
		for {
			<-f.done
			timer := time.NewTimer(f.next)
			select {
			case <-timer.C:
			case <-r.ctx.Done():
				timer.Stop()
				return
			}
			f = r.attempt()
		}
	})
}

func (r *remote) close() {
	r.mu.Lock() // no attempt begins between the two
	r.cancel()
	r.mu.Unlock()
	r.wait.Wait()
	r.client.CloseIdleConnections()
}

// attempt returns the attempt under way, or a new one.
func (r *remote) attempt() *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begin()
}

// begin returns the attempt under way, which it starts when there is none. r is locked.
func (r *remote) begin() *flight {
	if r.flight != nil {
		return r.flight
	}
	f := &flight{done: make(chan struct{})}
	if r.ctx.Err() != nil {
		f.err = errClosed
		close(f.done)
		return f
	}
	r.flight = f
	r.wait.Go(func() { r.fly(f) })
	return f
}

// fly asks once.
func (r *remote) fly(f *flight) {
	ctx, cancel := context.WithTimeout(r.ctx, r.fetch.Timeout)
	defer cancel()
	got, err := r.load(ctx)
	if err != nil {
		err = fmt.Errorf("jwt: keys of issuer %q: %w", r.issuer, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(got, err)
	if err == nil {
		r.take(got.set)
		r.failed, r.failures = nil, 0
		f.next = min(max(got.maxAge, r.fetch.UnknownEvery), r.fetch.Every)
	} else {
		f.next = min(firstRetry<<min(r.failures, 16), lastRetry, r.fetch.Every)
		r.failed = err
		r.failures++
	}
	f.err, r.flight = err, nil
	close(f.done)
}

// note tells the log of changes. r is locked.
func (r *remote) note(got loaded, err error) {
	switch {
	case err != nil && r.ctx.Err() != nil: // closed
	case err != nil && r.failed == nil:
		r.log.Warn("an issuer's keys cannot be fetched", slog.String("issuer", r.issuer), slog.Any("error", err))
	case err == nil && r.failed != nil:
		r.log.Info("an issuer's keys can be fetched again", slog.String("issuer", r.issuer))
	case err == nil && got.unusable != nil && r.held.Load() == nil:
		r.log.Warn("an issuer publishes keys that are not used", slog.String("issuer", r.issuer), slog.Any("error", got.unusable))
	}
}

// take makes fresh the set. A key that was there before stays the same value, so
// that what it verified goes on to count; one that is not there any more is gone.
// r is locked.
func (r *remote) take(fresh *keySet) {
	old := r.held.Load()
	if old == nil {
		r.held.Store(&held{fresh, time.Now()})
		return
	}
	kept := make([]*key, len(fresh.all))
	for n, k := range fresh.all {
		kept[n] = k
		for _, before := range old.set.all {
			if before.sum == k.sum {
				kept[n] = before
			}
		}
	}
	set, _ := newKeySet(kept) // as fresh was
	r.held.Store(&held{set, time.Now()})
	for _, before := range old.set.all {
		if !slices.Contains(set.all, before) {
			before.gone.Store(true)
		}
	}
}

// await waits for f, or until ctx ends.
func (r *remote) await(ctx context.Context, f *flight) (*keySet, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	return r.held.Load().set, nil
}

// current returns the last good set within its bound. Before the first one it
// waits for the attempt under way, and fails at once between attempts.
func (r *remote) current(ctx context.Context) (*keySet, error) {
	if h := r.held.Load(); h != nil {
		if !r.within(h, time.Now()) {
			return nil, errStale
		}
		return h.set, nil
	}
	r.mu.Lock()
	if r.flight == nil && r.failed != nil && r.held.Load() == nil {
		defer r.mu.Unlock()
		return nil, r.failed
	}
	f := r.begin() //nolint:contextcheck // an attempt is for everybody, and outlives who waits
	r.mu.Unlock()
	return r.await(ctx, f)
}

func (r *remote) within(h *held, now time.Time) bool { return now.Sub(h.at) < r.fetch.MaxStale }

func (r *remote) fresh(now time.Time) bool {
	h := r.held.Load()
	return h != nil && r.within(h, now)
}

// missing makes an attempt for a key that had lacks, or waits for the one under
// way, unless the last such attempt was too short ago.
func (r *remote) missing(ctx context.Context, had *keySet) (*keySet, error) {
	r.mu.Lock()
	if set := r.held.Load().set; set != had {
		r.mu.Unlock()
		return set, nil
	}
	if r.flight == nil && time.Since(r.unknown) < r.fetch.UnknownEvery {
		defer r.mu.Unlock()
		return had, r.failed
	}
	if r.flight == nil {
		r.unknown = time.Now()
	}
	f := r.begin() //nolint:contextcheck // an attempt is for everybody, and outlives who waits
	r.mu.Unlock()
	return r.await(ctx, f)
}
