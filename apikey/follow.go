package apikey

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// follower keeps a verifier's cache true to a feed.
type follower struct {
	verifier *Verifier
	feed     Feed
	based    bool // applied is a revision of the feed as it is now
	applied  Revision
	rewinds  uint64
	failing  bool
}

// pageSize is how many changes are read at a time.
const pageSize = 1000

// pause is the least time between the beginnings of two polls, however many hints
// come: whoever may notify must not be able to keep the store busy.
const pause = 10 * time.Millisecond

var errFeedPanic = errors.New("apikey: the feed panicked")

// run polls until the verifier is closed.
func (f *follower) run() {
	v := f.verifier
	timer := time.NewTimer(0)
	defer timer.Stop()
	var hints <-chan struct{} // nil never gives one
	if n, ok := f.feed.(Notifier); ok {
		hints = n.News(v.ctx)
	}
	var polled time.Time
	for {
		select {
		case <-v.ctx.Done():
			return
		case <-hints:
			timer.Reset(min(pause, v.cfg.Poll) - time.Since(polled))
			continue
		case <-timer.C:
		}
		// What a poll tells was true at some time after it began, so the time
		// before is the one that it confirms.
		began := time.Now()
		polled = began
		err := f.poll()
		if lease := v.cfg.Lease(); lease.Before(began) {
			began = lease
		}
		if err == nil && v.ctx.Err() == nil {
			v.confirmed.Store(&began)
		}
		f.report(err)
		timer.Reset(v.cfg.Poll)
	}
}

// report logs when polls begin to fail, and when they end to.
func (f *follower) report(err error) {
	ctx, log := f.verifier.ctx, f.verifier.log
	switch {
	case ctx.Err() != nil:
	case err != nil && !f.failing:
		log.LogAttrs(ctx, slog.LevelWarn, "changes of keys cannot be followed", slog.Any("error", err))
	case err == nil && f.failing:
		log.LogAttrs(ctx, slog.LevelInfo, "changes of keys are followed again")
	}
	f.failing = err != nil
}

// poll applies everything that was changed before it began.
func (f *follower) poll() (err error) {
	defer func() {
		if recover() != nil {
			err = errFeedPanic
		}
	}()
	ctx, cancel := context.WithTimeoutCause(f.verifier.ctx, f.verifier.cfg.LookupTimeout, errBusy)
	defer cancel()
	newest, err := f.feed.Revision(ctx)
	if err != nil {
		return err
	}
	rewinds := f.feed.Rewinds()
	if !f.based || newest < f.applied || rewinds != f.rewinds {
		if f.based {
			if err := f.ask(ctx); err != nil {
				return err
			}
		}
		f.rewinds = rewinds
		f.rebase(newest)
		f.verifier.held.Store(false)
		return nil
	}
	return f.advance(ctx, newest)
}

// ask stops every verification while the store, which went back, is not to be
// believed. What is being looked up meanwhile is not believed either.
func (f *follower) ask(ctx context.Context) error {
	v := f.verifier
	v.held.Store(true)
	v.confirmed.Store(nil)
	v.cache.clear()
	v.legacy.clear()
	if err := v.cfg.Rewound(ctx); err != nil {
		return errors.Join(errRewound, err)
	}
	return nil
}

// rebase begins anew at a revision: at start, and when the feed went back, which
// a restored backup does. Nothing that was read before holds.
func (f *follower) rebase(at Revision) {
	if f.based {
		f.verifier.log.LogAttrs(f.verifier.ctx, slog.LevelWarn, "the key store went back to an earlier revision",
			slog.Int64("from", int64(f.applied)), slog.Int64("to", int64(at)))
	}
	f.verifier.cache.clear()
	f.verifier.legacy.clear()
	f.based = true
	f.apply(at)
}

// advance invalidates what was changed up to newest.
func (f *follower) advance(ctx context.Context, newest Revision) error {
	for f.applied < newest {
		ids, upTo, err := f.feed.Changes(ctx, f.applied, pageSize)
		if err != nil {
			return err
		}
		if upTo <= f.applied { // it has newer changes and does not tell which
			f.rebase(newest)
			return nil
		}
		for _, id := range ids {
			f.verifier.Invalidate(id)
		}
		f.apply(upTo)
	}
	return nil
}

// apply announces that every change up to a revision holds here.
func (f *follower) apply(upTo Revision) {
	f.applied = upTo
	f.verifier.applied.Store(int64(upTo))
	f.verifier.cfg.Applied(upTo)
}
