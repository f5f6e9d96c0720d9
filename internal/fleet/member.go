package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// DefaultInterval is how often a [Member] announces itself.
const DefaultInterval = time.Second

// DefaultLease is how long after an announcement a node believes what it
// remembers, unless it is told otherwise.
const DefaultLease = 5 * time.Second

// announceTimeout bounds one announcement: a store that hangs must not keep
// Close from ending.
const announceTimeout = 2 * time.Second

// MemberConfig configures a [Member].
type MemberConfig struct {
	_ [0]func() // no unkeyed literals

	Registry Registry      // required
	Version  string        // of the program
	Config   string        // as in [Node]
	Peppers  string        // as in [Node]
	Lease    time.Duration // see [Node]; 0 is [DefaultLease]
	Interval time.Duration // between announcements when nothing changes; 0 is [DefaultInterval] or a quarter of Lease, whichever is less; at most Lease / 3
	Log      *slog.Logger  // told when an announcement fails, and when they work again. Required.
}

// A Member announces this process to the others for as long as it runs. It is
// safe for concurrent use.
type Member struct {
	cfg  MemberConfig
	stop context.CancelFunc
	done chan struct{}
	news chan struct{} // holds one token: node.Applied is newer than what was announced

	announced atomic.Pointer[time.Time]

	mu      sync.Mutex
	node    Node
	failing bool
}

// Join announces this process and goes on announcing it until Close. The first
// announcement is made before Join returns, so that whoever revokes a key from
// then on waits for this node; ctx bounds that one only.
func Join(ctx context.Context, cfg MemberConfig) (*Member, error) {
	if cfg.Lease == 0 {
		cfg.Lease = DefaultLease
	}
	if cfg.Interval == 0 {
		cfg.Interval = min(DefaultInterval, cfg.Lease/4)
	}
	switch {
	case cfg.Registry == nil, cfg.Log == nil:
		return nil, errors.New("fleet: no registry or no logger")
	case cfg.Lease < 0, cfg.Interval < 0, cfg.Interval > cfg.Lease/3:
		return nil, fmt.Errorf("fleet: interval %v is not between 0 and a third of the lease, %v", cfg.Interval, cfg.Lease)
	}
	m := &Member{cfg: cfg, node: newNode(cfg), done: make(chan struct{}), news: make(chan struct{}, 1)}
	began := time.Now()
	if err := cfg.Registry.Announce(ctx, m.node); err != nil {
		return nil, fmt.Errorf("fleet: join: %w", err)
	}
	m.announced.Store(&began)
	var running context.Context
	running, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	go m.run(running)
	return m, nil
}

// newNode describes this process.
func newNode(cfg MemberConfig) Node {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // a name for people; nothing depends on it
	}
	return Node{ID: rand.Text(), Version: cfg.Version, Host: host, PID: os.Getpid(), Started: time.Now(), Lease: cfg.Lease, Config: cfg.Config, Peppers: cfg.Peppers}
}

// Applied says that every change up to rev holds on this node. It never blocks:
// the announcement follows at once, on another goroutine. An earlier revision than
// the last one is announced as well: the store went back, and what was applied
// before says nothing of its new changes.
func (m *Member) Applied(rev apikey.Revision) {
	m.mu.Lock()
	changed := rev != m.node.Applied
	m.node.Applied = rev
	m.mu.Unlock()
	if !changed {
		return
	}
	select {
	case m.news <- struct{}{}:
	default: // one is due already, and will read the newest
	}
}

// Configured says that another configuration is in force, with this digest. It is
// announced at once, as by Applied.
func (m *Member) Configured(digest string) {
	m.mu.Lock()
	m.node.Config = digest
	m.mu.Unlock()
	select {
	case m.news <- struct{}{}:
	default:
	}
}

// Node returns what is announced of this process; its ID is "" after Close.
func (m *Member) Node() Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node
}

// ID returns the id under which this process is announced, until Close.
func (m *Member) ID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node.ID
}

// Announced returns when the newest announcement that succeeded began. From then
// on this node counts as running for its Lease, so for no longer than that may it
// believe what it remembers.
func (m *Member) Announced() time.Time { return *m.announced.Load() }

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
	began := time.Now()
	err := m.cfg.Registry.Announce(within, node)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		m.announced.Store(&began)
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
		m.cfg.Log.LogAttrs(ctx, slog.LevelError, "this node cannot announce itself; it stops believing what it remembers, and revocations report it as missing until then", slog.Any("error", err))
	case changed:
		m.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "this node announces itself again")
	}
}
