package postgres

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	listenKeys = `LISTEN warder_keys`

	// retry is the time between two attempts to listen.
	retry = time.Second

	// silence is how long nothing may be heard before the connection is tried: it may
	// have been cut without a word.
	listenSilence = 10 * time.Second
)

// news listens for notifications while anybody wants to hear them. One says no more
// than that a look is worth while: whoever may connect may send one, and a
// connection that is lost sends none.
type news struct {
	settings *pgx.ConnConfig
	log      *slog.Logger
	ctx      context.Context //nolint:containedctx // of the goroutine, until close
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	started bool
	all     map[chan struct{}]struct{}
}

func newNews(settings *pgx.ConnConfig, log *slog.Logger) *news {
	own := settings.Copy()
	delete(own.RuntimeParams, "statement_timeout") // waiting is no statement, but listening may wait for its turn
	ctx, stop := context.WithCancel(context.Background())
	return &news{settings: own, log: log, ctx: ctx, stop: stop, all: map[chan struct{}]struct{}{}}
}

// subscribe returns a channel that gets a value soon after a change, until ctx ends.
func (n *news) subscribe(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx.Err() != nil {
		return c
	}
	n.all[c] = struct{}{}
	context.AfterFunc(ctx, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.all, c)
	})
	if !n.started {
		n.started = true
		n.running.Go(n.run)
	}
	return c
}

// tell wakes everybody. Whoever has not come to the last value yet needs no other.
func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.all {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// run listens until close.
func (n *news) run() {
	for failing := false; n.ctx.Err() == nil; {
		err := n.listen(func() {
			if failing {
				n.log.LogAttrs(n.ctx, slog.LevelInfo, "notifications of changes arrive again")
			}
			failing = false
		})
		if n.ctx.Err() != nil {
			return
		}
		if !failing {
			n.log.LogAttrs(n.ctx, slog.LevelWarn, "notifications of changes are lost; changes are found by the next look", slog.Any("error", answer(n.ctx, "listen", err)))
		}
		failing = true
		select {
		case <-n.ctx.Done():
		case <-time.After(retry):
		}
	}
}

// listen hears notifications over one connection until it breaks. up is called when
// it works.
func (n *news) listen(up func()) error {
	conn, err := pgx.ConnectConfig(n.ctx, n.settings)
	if err != nil {
		return err
	}
	defer n.hangUp(conn)
	if _, err := conn.Exec(n.ctx, listenKeys); err != nil {
		return err
	}
	up()
	n.tell() // of what came while nobody listened
	for {
		heard, err := n.wait(conn)
		if err != nil {
			return err
		}
		if heard {
			n.tell()
		}
	}
}

// wait returns after a notification, or when the connection was silent for long and
// still works.
func (n *news) wait(conn *pgx.Conn) (heard bool, _ error) {
	ctx, cancel := context.WithTimeout(n.ctx, listenSilence)
	defer cancel()
	if _, err := conn.WaitForNotification(ctx); err == nil || n.ctx.Err() != nil || ctx.Err() == nil {
		return err == nil, err
	}
	trial, cancelTrial := context.WithTimeout(n.ctx, connectTimeout)
	defer cancelTrial()
	return false, conn.Ping(trial)
}

// hangUp closes the connection in good order, if it can be.
func (n *news) hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// close stops to listen.
func (n *news) close() {
	n.mu.Lock()
	n.stop()
	n.mu.Unlock()
	n.running.Wait()
}
