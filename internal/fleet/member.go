package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// DefaultInterval is how often a [Member] announces itself.
const DefaultInterval = time.Second

// announceTimeout bounds one announcement: a store that hangs must not keep
// Close from ending.
const announceTimeout = 2 * time.Second

// MemberConfig configures a [Member].
type MemberConfig struct {
	_ [0]func() // no unkeyed literals

	Registry Registry      // required
	Version  string        // of the program
	Interval time.Duration // between announcements when nothing changes; 0 is [DefaultInterval], at most [MaxAge] / 3
	Log      *slog.Logger  // told when an announcement fails, and when they work again. Required.
}

// A Member announces this process to the others for as long as it runs. It is
// safe for concurrent use.
type Member struct {
	cfg  MemberConfig
	stop context.CancelFunc
	done chan struct{}
	news chan struct{} // holds one token: node.Applied is newer than what was announced

	mu      sync.Mutex
	node    Node
	failing bool
}

// Join announces this process and goes on announcing it until Close. The first
// announcement is made before Join returns, so that whoever revokes a key from
// then on waits for this node; ctx bounds that one only.
func Join(ctx context.Context, cfg MemberConfig) (*Member, error) {
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	switch {
	case cfg.Registry == nil, cfg.Log == nil:
		return nil, errors.New("fleet: no registry or no logger")
	case cfg.Interval < 0, cfg.Interval > MaxAge/3:
		return nil, fmt.Errorf("fleet: interval %v is not between 0 and %v", cfg.Interval, MaxAge/3)
	}
	m := &Member{cfg: cfg, node: newNode(cfg.Version), done: make(chan struct{}), news: make(chan struct{}, 1)}
	if err := cfg.Registry.Announce(ctx, m.node); err != nil {
		return nil, fmt.Errorf("fleet: join: %w", err)
	}
	var running context.Context
	running, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	go m.run(running)
	return m, nil
}

// newNode describes this process.
func newNode(version string) Node {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // a name for people; nothing depends on it
	}
	return Node{ID: rand.Text(), Version: version, Host: host, PID: os.Getpid(), Started: time.Now()}
}

// Applied says that every change up to rev holds on this node. It never blocks:
// the announcement follows at once, on another goroutine. A revision that is not
// newer than the last one is ignored.
func (m *Member) Applied(rev apikey.Revision) {
	m.mu.Lock()
	newer := rev > m.node.Applied
	if newer {
		m.node.Applied = rev
	}
	m.mu.Unlock()
	if !newer {
		return
	}
	select {
	case m.news <- struct{}{}:
	default: // one is due already, and will read the newest
	}
}

// Close stops the announcements and leaves the registry. Further calls do
// nothing.
func (m *Member) Close() error {
	m.stop()
	<-m.done
	m.mu.Lock()
	id := m.node.ID
	m.node.ID = ""
	m.mu.Unlock()
	if id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), announceTimeout)
	defer cancel()
	if err := m.cfg.Registry.Leave(ctx, id); err != nil {
		return fmt.Errorf("fleet: leave: %w", err)
	}
	return nil
}

// run announces until ctx ends.
func (m *Member) run(ctx context.Context) {
	defer close(m.done)
	beat := time.NewTicker(m.cfg.Interval)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		case <-m.news:
		}
		m.announce(ctx)
	}
}

// announce writes the node as it is now. A failure is not the end: the next beat
// tries again, and whoever waits for this node says that it is missing.
func (m *Member) announce(ctx context.Context) {
	m.mu.Lock()
	node := m.node
	m.mu.Unlock()
	within, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	err := m.cfg.Registry.Announce(within, node)
	if ctx.Err() != nil {
		return
	}
	m.note(ctx, err)
}

// note logs the first failure of a row and the first success after it.
func (m *Member) note(ctx context.Context, err error) {
	m.mu.Lock()
	changed := m.failing != (err != nil)
	m.failing = err != nil
	m.mu.Unlock()
	switch {
	case changed && err != nil:
		m.cfg.Log.LogAttrs(ctx, slog.LevelError, "this node cannot announce itself; revocations will report it as missing", slog.Any("error", err))
	case changed:
		m.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "this node announces itself again")
	}
}
