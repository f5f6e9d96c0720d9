package login_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
)

const goodPassword = "seven quiet otters"

// cheap are the lowest costs that password takes.
func cheap() password.Params { return password.Params{Memory: 7 << 10, Time: 2, Threads: 1} }

// A log is what was logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
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

// A broken store is away when it is told to be.
type broken struct {
	account.Store
	mu     sync.Mutex
	err    error
	writes error
}

func (b *broken) failWrites(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes = err
}

func (b *broken) Apply(ctx context.Context, c account.Change) (account.Revision, error) {
	b.mu.Lock()
	err := b.writes
	b.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return b.Store.Apply(ctx, c)
}

func (b *broken) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *broken) away() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *broken) Lookup(ctx context.Context, id account.ID) (account.Account, error) {
	if err := b.away(); err != nil {
		return account.Account{}, err
	}
	return b.Store.Lookup(ctx, id)
}

func (b *broken) Find(ctx context.Context, name string) (account.Account, error) {
	if err := b.away(); err != nil {
		return account.Account{}, err
	}
	return b.Store.Find(ctx, name)
}

func (b *broken) LookupKey(ctx context.Context, id string) (account.Key, error) {
	if err := b.away(); err != nil {
		return account.Key{}, err
	}
	return b.Store.LookupKey(ctx, id)
}

// A house is everything that lets administrators in.
type house struct {
	store    *broken
	sessions session.Store
	peppers  *apikey.Peppers
	people   *account.Manager
	door     *login.Door
	keys     *login.Keys
	handler  http.Handler
	log      *journal
	told     []secret.Text // every secret of the test
}

func newHouse(tb testing.TB) *house {
	tb.Helper()
	text, err := apikey.NewPepper(nil)
	if err != nil {
		tb.Fatal(err)
	}
	h := &house{store: &broken{Store: new(account.MemoryStore)}, log: new(journal)}
	if h.sessions, err = session.NewMemoryStore(0); err != nil {
		tb.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(h.log, nil))
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	h.peppers, err = apikey.ParsePeppers(text)
	must(err)
	hash := func(text secret.Text) (string, error) { return password.Hash(text, cheap()) }
	sessions, err := login.NewSessions(h.sessions, log)
	must(err)
	h.people, err = account.New(account.Config{Store: h.store, Hash: hash, Sealer: h.peppers, Ended: login.End(sessions, log)})
	must(err)
	h.keys, err = login.NewKeys(login.KeysConfig{Store: h.store, Peppers: h.peppers, Log: log})
	must(err)
	tb.Cleanup(func() { must(h.keys.Close()) })
	h.door, err = login.New(login.Config{People: h.people, Sessions: sessions, Log: log, Params: cheap()})
	must(err)
	h.handler, err = login.NewRoutes(h.door, h.keys, "/v1/account")
	must(err)
	return h
}

func operator() account.Actor { return account.Actor{By: "user:root", Source: "cli", Operator: true} }

func home() netip.Addr { return netip.MustParseAddr("192.0.2.1") }

// A person is somebody at a browser.
type person struct {
	h      *house
	id     account.ID
	name   string
	shared secret.Text
	codes  []secret.Text
	cookie string
	from   string
}

// settle makes an account of the role and sets it up.
func (h *house) settle(tb testing.TB, name string, role account.Role) *person {
	tb.Helper()
	a, link, err := h.people.Create(tb.Context(), operator(), account.Spec{Name: name, Role: role}, account.Link{Anywhere: true})
	if err != nil {
		tb.Fatal(err)
	}
	offer, err := h.people.Offer(tb.Context(), link, home())
	if err != nil {
		tb.Fatal(err)
	}
	p := &person{h: h, id: a.ID, name: name, shared: offer.Secret, from: "192.0.2.1:1234"}
	f := account.Finish{Password: secret.New(goodPassword), Offer: offer.Sealed}
	if offer.Factor {
		f.Code = p.code(tb, -30*time.Second) // so that those of now and of the next step are left
	}
	if _, p.codes, err = h.people.Finish(tb.Context(), link, home(), f); err != nil {
		tb.Fatal(err)
	}
	h.told = append(h.told, link, offer.Secret, offer.URI, offer.Sealed, secret.New(goodPassword))
	h.told = append(h.told, p.codes...)
	return p
}

func (p *person) code(tb testing.TB, after time.Duration) string {
	tb.Helper()
	text, err := account.Code(p.shared, time.Now().Add(after))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// An answered is what came back.
type answered struct {
	status int
	header http.Header
	body   map[string]any
}

// post sends members, with the person's cookie, and keeps the one that comes back.
func (p *person) post(tb testing.TB, path string, members any, header ...string) answered {
	tb.Helper()
	return p.send(tb, http.MethodPost, path, members, header...)
}

func (p *person) send(tb testing.TB, method, path string, members any, header ...string) answered {
	tb.Helper()
	var body io.Reader = http.NoBody
	switch m := members.(type) {
	case nil:
	case string:
		body = strings.NewReader(m)
	default:
		text, err := json.Marshal(m)
		if err != nil {
			tb.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	r := httptest.NewRequestWithContext(tb.Context(), method, "/v1/account"+path, body)
	r.RemoteAddr = p.from
	r.Header.Set("Content-Type", "application/json")
	if p.cookie != "" {
		r.Header.Set("Cookie", login.Cookie+"="+p.cookie)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.h.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if p.cookie = c.Value; c.MaxAge < 0 {
			p.cookie = ""
		}
		if c.Value != "" {
			p.h.told = append(p.h.told, secret.New(c.Value))
		}
	}
	a := answered{status: w.Code, header: w.Header()}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
			tb.Fatalf("%s %s: the body is no JSON: %v", method, path, err)
		}
	}
	if a.header.Get("Cache-Control") != "no-store" {
		tb.Errorf("%s %s may be stored by a cache", method, path)
	}
	return a
}

func (a answered) text(member string) string { s, _ := a.body[member].(string); return s }

// want reports another status.
func (a answered) want(tb testing.TB, what string, status int) answered {
	tb.Helper()
	if a.status != status {
		tb.Errorf("%s: %d %v, want %d", what, a.status, a.body["detail"], status)
	}
	return a
}

// login logs in with both steps, by the code of after.
func (p *person) login(tb testing.TB, after time.Duration) answered {
	tb.Helper()
	a := p.post(tb, "/login", map[string]string{"name": p.name, "password": goodPassword}).want(tb, "login", http.StatusOK)
	if a.body["factor"] != true {
		return a
	}
	p.h.told = append(p.h.told, secret.New(a.text("ticket")))
	return p.post(tb, "/login/factor", map[string]string{"ticket": a.text("ticket"), "code": p.code(tb, after)})
}

func (p *person) me(tb testing.TB, header ...string) answered {
	tb.Helper()
	return p.send(tb, http.MethodGet, "/me", nil, header...)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// pause lets d pass on a bubble's clock.
func pause(d time.Duration) { <-time.After(d) }

// list returns a member that is one.
func (a answered) list(member string) []any { all, _ := a.body[member].([]any); return all }
