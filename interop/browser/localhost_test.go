package browser_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/interop/browser"
	"github.com/warder-dev/warder/secret"
	wardersession "github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
)

// people is a list of one.
func people(t *testing.T, name, word string) *password.Checker {
	t.Helper()
	hash, err := password.Hash(secret.New(word), password.Params{Memory: 7168, Time: 5, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(name+":"+hash+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := password.NewFile(password.FileConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	checker, err := password.New(password.Config{Users: list, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return checker
}

// The guide's first steps are over plain HTTP at localhost: the browser keeps the
// cookie of a session there, and nowhere else over plain HTTP.
func TestASessionAtLocalhost(t *testing.T) {
	store, err := wardersession.NewMemoryStore(0)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := wardersession.New(wardersession.Config{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	login, err := password.NewHandler(password.HandlerConfig{Checker: people(t, "alice", "correct horse"), Sessions: sessions, Realm: "test"})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := authn.New(authn.Config{Requirement: authn.Require(sessions.Scheme())})
	if err != nil {
		t.Fatal(err)
	}
	behind := (&warder.Stack{Edge: edge(), Policy: &warder.Policy{Authn: guard}}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("for " + exchange.From(r.Context()).Principal.Subject))
	}))
	public := (&warder.Stack{Edge: edge(), Policy: new(warder.Policy)}).Wrap(login)
	mux := http.NewServeMux()
	mux.Handle("/", browser.Page("welcome"))
	mux.Handle("POST /auth/login", public)
	mux.Handle("GET /profile", behind)
	site := browser.Serve(t, mux)
	for host, want := range map[string]int{"localhost": http.StatusOK, app: http.StatusUnauthorized} {
		b := browser.Start(t)
		b.Open(site.URL(host, "/"))
		b.Submit(browser.Form{Action: site.URL(host, "/auth/login"), Fields: map[string]string{"username": "alice", "password": "correct horse", "return": "/profile"}})
		page := b.Open(site.URL(host, "/profile"))
		if page.Status != want || want == http.StatusOK && page.Text != "for alice" {
			t.Errorf("http://%s: %d %q, want %d", host, page.Status, page.Text, want)
		}
		if kept := b.Cookies(site.URL(host, "/"))["__Host-session"] != ""; kept != (want == http.StatusOK) {
			t.Errorf("http://%s: the browser keeps the cookie: %v", host, kept)
		}
	}
}
