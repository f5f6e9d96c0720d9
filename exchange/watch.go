package exchange

import (
	"context"
	"errors"
	"sync"
	"time"
)

var errWatch = errors.New("exchange: a stage panicked")

// WatchEvery is how often [Watch] asks, and WatchTime how long one answer may take.
const (
	WatchEvery = time.Second
	WatchTime  = 5 * time.Second
)

// Watch calls recheck each [WatchEvery], until ctx ends, stop is called, or recheck
// does not pass: then it calls lost, once, with the verdict. A failure, when nobody
// knows, counts only when the next answer is one too: the stages keep what they know
// for their own time, and a moment without a store is no reason to end a stream.
//
// Neither is called any more soon after stop; a call that is under way is not waited
// for. A verdict of a call that outlasts [WatchTime] is a failure.
func Watch(ctx context.Context, recheck func(context.Context) Verdict, lost func(Verdict)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{ctx: ctx, recheck: recheck, lost: lost}
	w.next()
	return func() { cancel(); w.rest() }
}

// A watch is one stream that is looked after. look runs once at a time.
type watch struct {
	ctx     context.Context //nolint:containedctx // a watch lives as long as its stream
	recheck func(context.Context) Verdict
	lost    func(Verdict)
	failed  bool // the last answer was a failure; of look alone

	mu    sync.Mutex
	timer *time.Timer
}

// next has look run again after a while.
func (w *watch) next() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(WatchEvery, w.look)
}

// rest stops the timer.
func (w *watch) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
}

// look asks once.
func (w *watch) look() {
	if w.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.ctx, WatchTime)
	v := w.ask(ctx)
	cancel()
	failed := v.Kind() == Failed
	switch {
	case w.ctx.Err() != nil:
	case v.Passed(), failed && !w.failed:
		w.failed = failed
		w.next()
	default:
		w.lost(v)
	}
}

// ask calls recheck. A panic in this goroutine would end the process: it is a
// failure.
func (w *watch) ask(ctx context.Context) (v Verdict) {
	defer func() {
		if recover() != nil {
			v = Fail(errWatch)
		}
	}()
	return w.recheck(ctx)
}
