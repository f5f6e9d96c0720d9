package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// SeenOptions say what this node knows of the database's past.
type SeenOptions struct {
	_     [0]func()
	Store audit.Reader
	Last  audit.Head             // the newest entry of the audit log that was seen; the zero Head for none
	Keep  func(audit.Head) error // keeps a newer one for the next start
}

// A lineage looks whether the database still has what was seen, and what is newer,
// every lookInterval, and after a change of keys, but by itself not oftener than
// lookPause; also before it is told that somebody changed something, see settling.
// What a look saw is kept before anything else is done: a process may be killed at any
// time. That is a file of a hundred bytes, some five times a second at most while
// others change keys without a break.
const (
	lookInterval = 2 * time.Second
	lookPause    = 200 * time.Millisecond
)

var errRestored = errors.New("server: the database lacks changes that this node has seen")

// A lineage knows whether the database goes on from what this node has seen of it.
// It does not when a backup was restored, or when a standby took over without the
// last changes: then keys that were revoked since, administrators who were removed
// and sessions that were ended are as they were before. Nobody is let in by that
// unless the operator says so.
type lineage struct {
	options SeenOptions
	follow  bool // the configuration accepts it
	log     *slog.Logger
	timeout time.Duration
	lost    atomic.Bool
	looks   atomic.Uint64 // that were begun

	mu     sync.Mutex // one look at a time
	last   audit.Head
	kept   audit.Head // the zero Head until one was kept by this process
	stuck  bool       // the newest attempt to keep one failed
	asking bool       // the feed went back, and has not been believed since

	news chan struct{} // holds one token: keys were changed
	stop context.CancelFunc
	done chan struct{}
}

// followLineage begins to look; nil when nothing is known of the past.
func (p *program) followLineage(ctx context.Context) {
	o := p.options
	if o.Seen == nil {
		return
	}
	l := &lineage{options: *o.Seen, follow: o.Config.Keys.InsecureFollowRestored, log: o.Log, timeout: o.Config.Timeouts.Store, last: o.Seen.Last, news: make(chan struct{}, 1), done: make(chan struct{})}
	p.lineage = l
	l.logFailure(l.look(ctx))
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go l.run(ctx)
}

func (l *lineage) run(ctx context.Context) {
	defer close(l.done)
	beat := time.NewTicker(lookInterval)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		case <-l.news:
		}
		l.logFailure(l.look(ctx))
		select {
		case <-ctx.Done():
		case <-time.After(lookPause):
		}
	}
}

// changed has the lineage look soon: keys were changed. It does not block.
func (l *lineage) changed() {
	if l == nil {
		return
	}
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// logFailure tells what the feed of keys does not: that store's failures are told
// by whoever follows it.
func (l *lineage) logFailure(err error) {
	if err != nil {
		l.log.Debug("the audit log cannot be looked at", slog.String("error", err.Error()))
	}
}

// look learns the newest entry, when the database still has the one before. The
// newest is read first: should the database go back in between, it is missed by the
// next look.
func (l *lineage) look(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.learn(ctx)
}

func (l *lineage) learn(ctx context.Context) error {
	l.looks.Add(1)
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	head, err := l.options.Store.Head(ctx)
	if err != nil {
		return err
	}
	if head != l.last {
		holds, err := audit.Holds(ctx, l.options.Store, l.last)
		if err != nil {
			return err
		}
		if !holds && !l.follow {
			l.lose(head)
			return nil
		}
		if !holds {
			l.log.Warn("the database lacks changes that this node has seen, and keys.insecure_follow_restored accepts it: what was taken away since may work again",
				slog.Int64("seen", l.last.Seq), slog.Int64("newest", head.Seq))
		}
		l.last = head
	}
	if l.lost.Swap(false) {
		l.log.Info("the database has again what this node has seen of it")
	}
	l.keep()
	return nil
}

// settle looks, unless somebody else begins to after it was called: then the newest
// entry of before the call is kept when it returns, or a look has failed.
func (l *lineage) settle(ctx context.Context) {
	before := l.looks.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.looks.Load() == before {
		l.logFailure(l.learn(ctx))
	}
}

// lose ends all service, and tells what it takes to begin again. What was seen is kept
// first: whoever starts the program again must hear of it too.
func (l *lineage) lose(head audit.Head) {
	l.keep()
	if l.lost.Swap(true) {
		return
	}
	l.log.Error("the database lacks changes that this node has seen: an older backup was restored, or a standby took over without the last ones. Keys that were revoked since, and administrators who were removed, may work again; every request is answered 503 until the changes are there, or the program is started with --accept-restored",
		slog.Int64("seen", l.last.Seq), slog.Int64("newest", head.Seq), slog.String("accept_restored", l.last.Name()))
}

// keep writes what was seen for the next start. Of an empty log there is nothing.
func (l *lineage) keep() {
	if l.last == l.kept || l.last.Seq == 0 {
		return
	}
	err := l.options.Keep(l.last)
	if err == nil {
		l.kept = l.last
	}
	if err != nil && !l.stuck {
		l.log.Warn("what this node has seen of the database cannot be kept: when it starts again it may take an older backup for the newest state", slog.String("error", err.Error()))
	}
	l.stuck = err != nil
}

// rewound implements apikey.Rewound. The feed may have seen a change that is gone
// before the lineage saw its entry. Then the lineage takes it that there was one more,
// of which it does not know the hash: no database has that.
func (l *lineage) rewound(ctx context.Context) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.learn(ctx); err != nil {
		return err
	}
	if !l.lost.Load() && !l.asking && !l.follow {
		l.last = audit.Head{Seq: l.last.Seq + 1}
		l.lose(audit.Head{Seq: l.last.Seq - 1})
	}
	l.asking = l.lost.Load()
	if l.asking {
		return errRestored
	}
	return nil
}

// broken reports whether the database lacks what was seen.
func (l *lineage) broken() bool { return l != nil && l.lost.Load() }

// close looks a last time, and stops.
func (l *lineage) close(ctx context.Context) {
	if l == nil {
		return
	}
	l.stop()
	<-l.done
	l.logFailure(l.look(ctx))
	l.keep()
}

// guard answers 503 for next while the database lacks what was seen: not only keys
// are older then than they should be. A listener with probes goes on to answer these.
func (p *program) guard(next http.Handler, probes bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.lineage.broken() && (!probes || !isProbe(r)) {
			exchange.Respond(w, r, problem.New(problem.Unavailable, "The state of the database is not confirmed."), "restored", errRestored)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isProbe reports whether r asks for what tells how the program is.
func isProbe(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || r.URL.Path == "/metrics")
}

// watchLineage adds the figure that tells of a restored database.
func (p *program) watchLineage() error {
	return p.metrics.Watch("warder_database_restored", "1 while the database lacks changes that this node has seen, so that every request is answered 503.", func() float64 {
		if p.lineage.broken() {
			return 1
		}
		return 0
	})
}
