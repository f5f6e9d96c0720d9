package browser_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/interop/browser"
	"github.com/warder-dev/warder/secret"
)

// anywhere makes the attacks possible at all: SameSite=None, so that the cookie
// goes along from other sites too.
const anywhere = "; Path=/; Secure; SameSite=None"

func proof(t *testing.T, cfg csrf.Config) *csrf.Stage {
	t.Helper()
	cfg.Keys = []secret.Text{secret.New(strings.Repeat("browser ", 5))}
	s, err := csrf.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// written is the guarded API: it says who wrote, and shows a form's token.
func written(s *csrf.Stage) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		if r.Header.Get("Upgrade") != "" {
			webSocket(w, r)
			return
		}
		if r.URL.Path == "/token" {
			_, _ = w.Write([]byte(s.Token(x)))
			return
		}
		_, _ = w.Write([]byte("written by " + x.Principal.Subject))
	})
}

// guardedBy serves the API behind s, and opens a browser that alice is logged in with.
func guardedBy(t *testing.T, tls bool, s *csrf.Stage) (*guarded, *browser.Browser) {
	t.Helper()
	g := serve(t, tls, &warder.Stack{Edge: edge(), Policy: &warder.Policy{Authn: require(t, "sid"), CSRF: s}}, written(s))
	b := browser.Start(t)
	b.Open(g.URL(app, "/page"))
	if tls {
		b.Eval(`document.cookie = "sid=alice`+anywhere+`"`, nil)
	} else {
		b.Eval(`document.cookie = "sid=alice; Path=/"`, nil)
	}
	return g, b
}

// only returns what came to the guarded host, which has to be one request.
func only(t *testing.T, g *guarded) arrival {
	t.Helper()
	all := g.seen()
	if len(all) != 1 {
		t.Fatalf("%d requests came: %+v", len(all), all)
	}
	return all[0]
}

func TestCSRF01FormsAndScripts(t *testing.T) {
	attack.Case(t, "CSRF-01", attack.Browser, func(t *testing.T) {
		g, b := guardedBy(t, true, proof(t, csrf.Config{}))
		for _, tt := range []struct {
			name, from, path string
			status           int
		}{
			{"the site itself", app, "/page", 200},
			{"a sibling", sibling, "/", 403},
			{"another site", other, "/", 403},
			{"another site that hides itself", other, "/hidden", 403},
			{"the site itself, hidden: needs a token", app, "/hidden", 403},
		} {
			b.Open(g.URL(tt.from, tt.path))
			page := b.Submit(browser.Form{Action: g.URL(app, "/write"), Fields: map[string]string{"a": "1"}})
			if a := only(t, g); page.Status != tt.status || a.reached != (tt.status == 200) || a.cookie != "sid=alice" {
				t.Errorf("a form of %s: %d, reached %v with %q; want %d, and the cookie in any case: the attack is real", tt.name, page.Status, a.reached, a.cookie, tt.status)
			}
		}
		for from, reached := range map[string]bool{app: true, sibling: false, other: false} {
			b.Open(g.URL(from, "/page"))
			b.Fetch(g.URL(app, "/write"), `{method: "POST", credentials: "include", mode: "no-cors"}`)
			if a := only(t, g); a.reached != reached {
				t.Errorf("a script of %s: reached %v, want %v: %v", from, a.reached, reached, a.header)
			}
		}
	})
}

// Where the browser tells nothing but Origin, that decides.
func TestPlainHTTP(t *testing.T) {
	g, b := guardedBy(t, false, proof(t, csrf.Config{}))
	for from, status := range map[string]int{app: 200, sibling: 403} {
		b.Open(g.URL(from, "/page"))
		page := b.Submit(browser.Form{Action: g.URL(app, "/write")})
		if a := only(t, g); page.Status != status || a.cookie != "sid=alice" || a.header.Get("Sec-Fetch-Site") != "" {
			t.Errorf("from %s: %d with %q and %v, want %d without Sec-Fetch-Site", from, page.Status, a.cookie, a.header, status)
		}
	}
}

func TestATokenStandsInForAHiddenOrigin(t *testing.T) {
	g, b := guardedBy(t, true, proof(t, csrf.Config{Cookie: true}))
	b.Open(g.URL(app, "/hidden"))
	token := b.Fetch(g.URL(app, "/token"), "").Body
	for _, enctype := range []string{"application/x-www-form-urlencoded", "multipart/form-data"} {
		b.Open(g.URL(app, "/hidden"))
		g.seen()
		page := b.Submit(browser.Form{Action: g.URL(app, "/write"), Enctype: enctype, Fields: map[string]string{"a": "1", "csrf_token": token}})
		if a := only(t, g); page.Text != "written by alice" || a.header.Get("Origin") != "null" {
			t.Errorf("%s: %+v, Origin %q", enctype, page, a.header.Get("Origin"))
		}
	}
	// The cookie is there for a script, which sends it back in the field.
	b.Open(g.URL(app, "/page"))
	var value string
	b.Eval(`document.cookie.split("; ").find(c => c.startsWith("__Host-csrf=")).slice(12)`, &value)
	for field, status := range map[string]int{value: 200, "x": 403, value[1:]: 403} {
		got := b.Fetch(g.URL(app, "/bare"), `{method: "POST", headers: {"X-CSRF-Token": "`+field+`"}}`)
		if got.Status != status {
			t.Errorf("token %q: %+v, want %d", field, got, status)
		}
	}
}

func TestCSRF04CookieTossing(t *testing.T) {
	attack.Case(t, "CSRF-04", attack.Browser, func(t *testing.T) {
		s := proof(t, csrf.Config{Cookie: true})
		g, b := guardedBy(t, true, s)
		b.Open(g.URL(app, "/token"))
		mine := b.Cookies(g.URL(app, "/"))[csrf.CookieName]
		b.Open(g.URL(sibling, "/"))
		for _, attributes := range []string{"; Domain=site.test; Path=/; Secure", "; Domain=app.site.test; Path=/; Secure", "; Domain=site.test; Path=/write; Secure"} {
			b.Eval(`document.cookie = "`+csrf.CookieName+`=tossed`+attributes+`"`, nil)
		}
		if got := b.Cookies(g.URL(app, "/write"))[csrf.CookieName]; mine == "" || got != mine {
			t.Errorf("the cookie became %q, want the site's own", got)
		}
		// Another name for it, as without the prefix: the value is mallory's own, and
		// the page sends it in the field too.
		stolen := s.Token(&exchange.Exchange{Principal: exchange.Principal{Issuer: "warder", Subject: "mallory", Session: "of mallory", Ambient: true}})
		b.Open(g.URL(app, "/page"))
		got := b.Fetch(g.URL(app, "/bare"), `{method: "POST", headers: {"X-CSRF-Token": "`+stolen+`"}}`)
		if stolen == "" || got.Status != http.StatusForbidden {
			t.Errorf("mallory's token in alice's session: %+v, want 403", got)
		}
	})
}

// A sibling can set a cookie for the whole site: of a name with the prefix the
// browser refuses it, of another there are two, and neither is used.
func TestKEY25ACookieFromASibling(t *testing.T) {
	attack.Case(t, "KEY-25", attack.Browser, func(t *testing.T) {
		for cookie, want := range map[string]struct {
			sent   string
			status int
		}{
			"__Host-sid": {"__Host-sid=alice", 200},
			"sid":        {"sid=mallory; sid=alice", 400},
		} {
			s := proof(t, csrf.Config{})
			g := serve(t, true, &warder.Stack{Edge: edge(), Policy: &warder.Policy{Authn: require(t, cookie), CSRF: s}}, written(s))
			b := browser.Start(t)
			b.Open(g.URL(app, "/page"))
			b.Eval(`document.cookie = "`+cookie+`=alice; Path=/; Secure"`, nil)
			b.Open(g.URL(sibling, "/"))
			b.Eval(`document.cookie = "`+cookie+`=mallory; Path=/write; Secure; Domain=site.test"`, nil)
			page := b.Open(g.URL(app, "/write"))
			if a := only(t, g); page.Status != want.status || a.cookie != want.sent {
				t.Errorf("%s: %d with %q, want %d with %q", cookie, page.Status, a.cookie, want.status, want.sent)
			}
		}
	})
}

func TestCSRF06JSONInDisguise(t *testing.T) {
	attack.Case(t, "CSRF-06", attack.Browser, func(t *testing.T) {
		g, b := guardedBy(t, true, proof(t, csrf.Config{}))
		b.Open(g.URL(other, "/"))
		page := b.Submit(browser.Form{Action: g.URL(app, "/write"), Enctype: "text/plain", Fields: map[string]string{`{"a":"`: `"}`}})
		if a := only(t, g); page.Status != 403 || a.header.Get("Content-Type") != "text/plain" || a.cookie != "sid=alice" {
			t.Errorf("a form of text/plain: %d, %v", page.Status, a.header)
		}
		for _, body := range []string{`'{"a":1}'`, `new Blob(['{"a":1}'])`, `new URLSearchParams("a=1")`, `new FormData()`} {
			b.Open(g.URL(sibling, "/"))
			b.Fetch(g.URL(app, "/write"), `{method: "POST", mode: "no-cors", credentials: "include", body: `+body+`}`)
			if a := only(t, g); a.reached || a.cookie != "sid=alice" {
				t.Errorf("%s: reached %v with %q", body, a.reached, a.cookie)
			}
		}
	})
}

func TestCSRF07LoginForms(t *testing.T) {
	attack.Case(t, "CSRF-07", attack.Browser, func(t *testing.T) {
		s := proof(t, csrf.Config{Login: true})
		login := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: r.FormValue("user"), Secure: true})
		})
		g := serve(t, true, &warder.Stack{Edge: edge(), Policy: &warder.Policy{CSRF: s}}, login)
		for from, status := range map[string]int{app: 200, sibling: 403, other: 403} {
			b := browser.Start(t)
			b.Open(g.URL(from, "/page"))
			page := b.Submit(browser.Form{Action: g.URL(app, "/login"), Fields: map[string]string{"user": "mallory"}})
			if in := b.Cookies(g.URL(app, "/"))["sid"] != ""; page.Status != status || in != (status == 200) {
				t.Errorf("from %s: %d, logged in %v; want %d", from, page.Status, in, status)
			}
		}
	})
}

func TestCSRF08WebSocketsFromElsewhere(t *testing.T) {
	attack.Case(t, "CSRF-08", attack.Browser, func(t *testing.T) {
		attack.Case(t, "PROXY-10", attack.Browser, func(t *testing.T) { webSockets(t) })
	})
}

func webSockets(t *testing.T) {
	t.Helper()
	g, b := guardedBy(t, true, proof(t, csrf.Config{}))
	for from, open := range map[string]bool{app: true, sibling: false, other: false} {
		b.Open(g.URL(from, "/page"))
		var opened bool
		b.Eval(`new Promise(done => {
			const s = new WebSocket("`+g.WebSocket(app, "/live")+`");
			s.onopen = () => done(true);
			s.onerror = () => done(false);
		})`, &opened)
		if a := only(t, g); opened != open || a.reached != open || from != other && a.cookie != "sid=alice" {
			t.Errorf("from %s: opened %v, reached %v with %q; want %v", from, opened, a.reached, a.cookie, open)
		}
	}
}
