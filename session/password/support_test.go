package password_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
)

// cheap are the lowest costs that there are.
func cheap() password.Params { return password.Params{Memory: 7 << 10, Time: 2, Threads: 1} }

// costly are other costs than those of [password.Quick], and nearly as low.
func costly() password.Params { return password.Params{Memory: 1 << 10, Time: 1, Threads: 1} }

const right, wrong = "correct horse", "battery staple"

func hashOf(tb testing.TB, text string, p password.Params) string {
	tb.Helper()
	h, err := password.HashQuick(secret.New(text), p)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// people are users of a test, which may change.
type people struct {
	mu    sync.Mutex
	users map[string]password.User
	err   error
	asked int
	hook  func(name string)
}

func (p *people) Lookup(_ context.Context, name string) (password.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.hook != nil {
		p.hook(name)
	}
	u, ok := p.users[name]
	switch {
	case p.err != nil:
		return password.User{}, p.err
	case !ok:
		return password.User{}, password.ErrNoUser
	}
	return u, nil
}

func (p *people) set(u password.User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users[u.Name] = u
}

func (p *people) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

var errDown = errors.New("users are away")

// newPeople returns users called by the names, whose password is right.
func newPeople(tb testing.TB, names ...string) *people {
	tb.Helper()
	hash := hashOf(tb, right, password.Quick())
	p := &people{users: make(map[string]password.User)}
	for _, name := range names {
		p.set(password.User{Name: name, Hash: hash, Scopes: exchange.PatternScopes("orders:*")})
	}
	return p
}

// newChecker returns a checker whose hashes cost next to nothing.
func newChecker(tb testing.TB, cfg password.Config) *password.Checker {
	tb.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Params == (password.Params{}) {
		cfg.Params = password.Quick()
	}
	c, err := password.NewQuick(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func newSessions(tb testing.TB) *session.Manager {
	tb.Helper()
	store, err := session.NewMemoryStore(0)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := session.New(session.Config{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// home is the nth address of a test.
func home(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)})
}

// try returns what came of a login: "" for a pass, the reason of a refusal,
// "throttled", "busy" or "error".
func try(tb testing.TB, c *password.Checker, from netip.Addr, name, word string) string {
	tb.Helper()
	u, err := c.Check(tb.Context(), from, name, secret.New(word))
	if err == nil && u.Name != name {
		tb.Errorf("Check(%q) = %q", name, u.Name)
	}
	return outcome(err)
}

func outcome(err error) string {
	var refusal *authn.Refusal
	var throttled *password.ThrottledError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Reason()
	case errors.As(err, &throttled):
		return "throttled"
	case errors.Is(err, password.ErrBusy):
		return "busy"
	default:
		return "error"
	}
}

func wantTry(tb testing.TB, when string, c *password.Checker, from netip.Addr, name, word, want string) {
	tb.Helper()
	if got := try(tb, c, from, name, word); got != want {
		tb.Errorf("%s: %q, want %q", when, got, want)
	}
}

func pause(d time.Duration) { <-time.After(d) }

// journal is where a logger of a test writes.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) log() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("user%d", i)
	}
	return all
}
