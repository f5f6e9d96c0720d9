package browser_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/interop/browser"
	wardersession "github.com/warder-dev/warder/session"
)

// tossed is how a sibling tries to set a cookie of that name for the whole site:
// as a script, with each of them by itself, and by its answers.
func tossed(name, value string) []string {
	const whole = "; Path=/; Secure; Domain=site.test"
	return []string{
		name + "=" + value + whole,
		name + "=" + value + "; Path=/write; Secure; Domain=site.test",
		name + "=" + value + "; Path=/; Secure; Domain=app.site.test",
		name + "=" + value + "; Path=/; Secure",                        // its own, which goes nowhere else
		name + " =" + value + whole,                                    // blanks around names are cut
		"\t" + name + "=" + value + whole,                              //
		"=" + name + "=" + value + whole,                               // no name, and a value that reads like a pair
		strings.ToLower(name) + "=" + value + whole,                    // another case of the prefix
		strings.ToUpper(name) + "=" + value + whole,                    //
		name + "=" + value + "; Path=/; Domain=site.test",              // not even Secure
		name + "\x00=" + value + whole,                                 // a name that is cut somewhere
		"a=b; " + name + "=" + value + whole,                           // a pair as an attribute
		strings.Replace(name, "__", "%5F%5F", 1) + "=" + value + whole, // encoded
	}
}

// toss has the sibling try all of them, in the browser's open profile.
func toss(b *browser.Browser, g *guarded, name, value string) {
	b.Open(g.URL(sibling, "/"))
	for _, line := range tossed(name, value) {
		b.Eval(fmt.Sprintf("document.cookie = %q", line), nil)
	}
	b.Open(g.URL(sibling, "/toss"))
}

// tossing is g's pages, where /toss of the sibling sets the cookies in its answer.
func tossing(t *testing.T, stack *warder.Stack, h http.Handler, name, value string) *guarded {
	t.Helper()
	g := serve(t, true, stack, h)
	g.answer = func(w http.ResponseWriter) {
		for _, line := range tossed(name, value) {
			if !strings.ContainsAny(line, "\x00\t") { // no field has them
				w.Header().Add("Set-Cookie", line)
			}
		}
	}
	return g
}

// A sibling domain cannot give a browser a session, neither of its own before a
// login nor beside one, and cannot keep anybody from logging in.
func TestSESS05ASessionFromASibling(t *testing.T) {
	attack.Case(t, "SESS-05", attack.Browser, func(t *testing.T) {
		store, err := wardersession.NewMemoryStore(0)
		if err != nil {
			t.Fatal(err)
		}
		sessions, err := wardersession.New(wardersession.Config{Store: store, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		optional, err := authn.New(authn.Config{Requirement: append(authn.Require(sessions.Scheme()), authn.Alternative{})})
		if err != nil {
			t.Fatal(err)
		}
		begin := func(w http.ResponseWriter, r *http.Request, who string) {
			if err := sessions.Login(w, r, wardersession.User{Issuer: "test", Subject: who}); err != nil {
				t.Error(err)
			}
		}
		w := httptest.NewRecorder()
		begin(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), "mallory")
		planted, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
		if err != nil {
			t.Fatal(err)
		}
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/login" {
				begin(w, r, "alice")
			}
			_, _ = w.Write([]byte("for [" + exchange.From(r.Context()).Principal.Subject + "]"))
		})
		g := tossing(t, &warder.Stack{Edge: edge(), Policy: &warder.Policy{Authn: optional}}, h, planted.Name, planted.Value)
		b := browser.Start(t)
		look := func(when, path, want string) {
			t.Helper()
			page := b.Open(g.URL(app, path))
			a := only(t, g)
			if page.Status != http.StatusOK || page.Text != want || strings.Contains(a.cookie, planted.Value) && strings.Contains(a.cookie, planted.Name+"="+planted.Value) {
				t.Errorf("%s: %d %q with %q, want %q", when, page.Status, page.Text, a.cookie, want)
			}
		}
		toss(b, g, planted.Name, planted.Value)
		look("before a login", "/write", "for []")
		look("the login", "/login", "for []")
		look("logged in", "/write", "for [alice]")
		toss(b, g, planted.Name, planted.Value)
		look("logged in, and tossed again", "/write", "for [alice]")
		if got := b.Cookies(g.URL(app, "/write"))[planted.Name]; got == "" || strings.Contains(got, planted.Value) {
			t.Errorf("the browser sends %q", got)
		}
	})
}

// The same for a key in a cookie: the sibling's key is not used, and the site's own
// stays usable.
func TestKEY25AKeyFromASibling(t *testing.T) {
	attack.Case(t, "KEY-25", attack.Browser, func(t *testing.T) {
		scheme, mine, theirs := cookieKeys(t)
		stage, err := authn.New(authn.Config{Requirement: authn.Require(scheme)})
		if err != nil {
			t.Fatal(err)
		}
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("for " + exchange.From(r.Context()).Principal.Owner))
		})
		const name = "__Host-api_key"
		g := tossing(t, &warder.Stack{Edge: edge(), Policy: &warder.Policy{Authn: stage}}, h, name, theirs)
		b := browser.Start(t)
		toss(b, g, name, theirs)
		if page := b.Open(g.URL(app, "/write")); page.Status != http.StatusUnauthorized {
			t.Errorf("a key that the sibling set: %+v, want 401", page)
		}
		b.Open(g.URL(app, "/page"))
		b.Eval(fmt.Sprintf("document.cookie = %q", name+"="+mine+"; Path=/; Secure"), nil)
		toss(b, g, name, theirs)
		if page := b.Open(g.URL(app, "/write")); page.Status != http.StatusOK || page.Text != "for mine" {
			t.Errorf("the site's own key, beside: %+v, want it to be used", page)
		}
	})
}

// cookieKeys returns a scheme of keys in a cookie, and two keys.
func cookieKeys(t *testing.T) (scheme authn.Scheme, mine, theirs string) {
	t.Helper()
	line, err := apikey.NewPepper(nil)
	if err != nil {
		t.Fatal(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		t.Fatal(err)
	}
	store := new(apikey.MemoryStore)
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { verifier.Close() })
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Prefix: "wrd", Random: rand.Reader, Changed: verifier.Invalidate})
	if err != nil {
		t.Fatal(err)
	}
	key := func(owner string) string {
		_, text, err := issuer.Create(t.Context(), apikey.By{Actor: "user:ada", Source: "test"}, apikey.Spec{Environment: "live", Name: owner, Owner: owner})
		if err != nil {
			t.Fatal(err)
		}
		return text.Reveal()
	}
	scheme, err = apikey.NewCookie(apikey.CookieConfig{Verifier: verifier})
	if err != nil {
		t.Fatal(err)
	}
	return scheme, key("mine"), key("theirs")
}
