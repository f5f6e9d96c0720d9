package session_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/session"
)

const cookieName = "__Host-session"

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newManager(tb testing.TB, cfg session.Config) *session.Manager {
	tb.Helper()
	if cfg.Log == nil {
		cfg.Log = discard()
	}
	if cfg.Store == nil {
		cfg.Store = newStore(tb)
	}
	m, err := session.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func ada() session.User {
	return session.User{Issuer: "password", Subject: "ada", Name: "Ada", Scopes: exchange.PatternScopes("orders:*"), Claims: map[string]any{"team": "a"}}
}

// request is one that carries the cookies.
func request(cookies ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://own.example/", nil)
	for _, c := range cookies {
		r.Header.Add("Cookie", cookieName+"="+c)
	}
	return r
}

// sent returns the value of the session cookie that h sets; "" when it sets none.
func sent(tb testing.TB, h http.Header) string {
	tb.Helper()
	lines := h.Values("Set-Cookie")
	if len(lines) == 0 {
		return ""
	}
	c, err := http.ParseSetCookie(lines[0])
	if err != nil || len(lines) != 1 {
		tb.Fatalf("Set-Cookie = %q, %v, want one", lines, err)
	}
	return c.Value
}

// login returns the id that a login of u makes; the request carries the cookies.
func login(tb testing.TB, m *session.Manager, u session.User, cookies ...string) string {
	tb.Helper()
	w := httptest.NewRecorder()
	if err := m.Login(w, request(cookies...), u); err != nil {
		tb.Fatal(err)
	}
	id := sent(tb, w.Header())
	if id == "" {
		tb.Fatal("Login set no cookie")
	}
	return id
}

// rotate returns the id that a rotation makes.
func rotate(tb testing.TB, m *session.Manager, id string, edit func(*session.User)) string {
	tb.Helper()
	w := httptest.NewRecorder()
	if err := m.Rotate(w, request(id), edit); err != nil {
		tb.Fatal(err)
	}
	return sent(tb, w.Header())
}

// ask returns the principal of a request with the cookies, and why it has none:
// "absent", the reason of a refusal, or "error" for a store without an answer.
func ask(tb testing.TB, m *session.Manager, cookies ...string) (exchange.Principal, string) {
	tb.Helper()
	p, err := m.Scheme().Authenticate(exchange.New(request(cookies...)))
	var refusal *authn.Refusal
	switch {
	case err == nil:
		return p, ""
	case errors.Is(err, authn.ErrNoCredential):
		return p, "absent"
	case errors.As(err, &refusal):
		return p, refusal.Reason()
	default:
		return p, "error"
	}
}

// wantReason reports that a request with the id does not end for the reason; ""
// for one that passes.
func wantReason(tb testing.TB, m *session.Manager, when, id, want string) {
	tb.Helper()
	if p, got := ask(tb, m, id); got != want || (want == "") != (p.Subject != "") {
		tb.Errorf("%s: principal %q, reason %q, want reason %q", when, p.Subject, got, want)
	}
}

// status returns the answer of a stage that requires a session.
func status(tb testing.TB, m *session.Manager, r *http.Request) int {
	tb.Helper()
	stage, err := authn.New(authn.Config{Requirement: authn.Require(m.Scheme())})
	if err != nil {
		tb.Fatal(err)
	}
	w := httptest.NewRecorder()
	exchange.Wrap(stage, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
	return w.Code
}

// pause lets the time of a synctest bubble pass.
func pause(d time.Duration) { <-time.After(d) }

var errDown = errors.New("store is down")

// A store whose calls a test counts, fails and hangs.
type hooked struct {
	session.Store
	before  atomic.Pointer[func(ctx context.Context, call string) error]
	lookups atomic.Int64
	writes  atomic.Int64
}

func (h *hooked) hook(ctx context.Context, call string) error {
	if f := h.before.Load(); f != nil {
		return (*f)(ctx, call)
	}
	return nil
}

func (h *hooked) fail(f func(ctx context.Context, call string) error) { h.before.Store(&f) }

func (h *hooked) Lookup(ctx context.Context, d session.Digest) (session.Record, error) {
	h.lookups.Add(1)
	if err := h.hook(ctx, "Lookup"); err != nil {
		return session.Record{}, err
	}
	return h.Store.Lookup(ctx, d)
}

func (h *hooked) Create(ctx context.Context, r session.Record) error {
	h.writes.Add(1)
	if err := h.hook(ctx, "Create"); err != nil {
		return err
	}
	return h.Store.Create(ctx, r)
}

func (h *hooked) Replace(ctx context.Context, before, after session.Record) error {
	h.writes.Add(1)
	if err := h.hook(ctx, "Replace"); err != nil {
		return err
	}
	return h.Store.Replace(ctx, before, after)
}

func (h *hooked) Delete(ctx context.Context, d session.Digest) error {
	if err := h.hook(ctx, "Delete"); err != nil {
		return err
	}
	return h.Store.Delete(ctx, d)
}

func (h *hooked) List(ctx context.Context, issuer, subject string) ([]session.Record, error) {
	if err := h.hook(ctx, "List"); err != nil {
		return nil, err
	}
	return h.Store.List(ctx, issuer, subject)
}

func (h *hooked) DeleteUser(ctx context.Context, issuer, subject string) (int, error) {
	if err := h.hook(ctx, "DeleteUser"); err != nil {
		return 0, err
	}
	return h.Store.DeleteUser(ctx, issuer, subject)
}

func newHooked(tb testing.TB) *hooked {
	tb.Helper()
	return &hooked{Store: newStore(tb)}
}

// journal is where a logger of a test writes.
type journal struct{ strings.Builder }

func (j *journal) log() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }
