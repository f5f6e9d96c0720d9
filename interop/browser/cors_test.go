package browser_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/interop/browser"
)

// key is the scheme of a key in X-API-Key: "good" proves somebody, "away" is a
// store that gives no answer.
type key struct{}

func (key) Name() string            { return "apiKey" }
func (key) Challenge(string) string { return "ApiKey" }
func (key) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	switch x.Request.Header.Get("X-API-Key") {
	case "":
		return exchange.Principal{}, authn.ErrNoCredential
	case "good":
		return exchange.Principal{Issuer: "warder", Subject: "k1"}, nil
	case "away":
		return exchange.Principal{}, errors.New("connection refused")
	default:
		return exchange.Principal{}, authn.Wrong("unknown")
	}
}

// shared serves an API that pages of listed read, by keys or by the cookie sid.
func shared(t *testing.T, listed func(*guarded) []string, cfg cors.Config) *guarded {
	t.Helper()
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Shown", "shown")
		w.Header().Set("X-Kept", "kept")
		w.Header().Set("Access-Control-Allow-Origin", "*") // an upstream that does it on its own account, and worse
		switch r.URL.Path {
		case "/busy":
			w.WriteHeader(http.StatusTooManyRequests)
		}
		_, _ = fmt.Fprintf(w, "%s %s", r.Method, exchange.From(r.Context()).Principal.Subject)
	})
	requirement := authn.Requirement{{{Scheme: key{}}}, {{Scheme: session{"sid"}}}}
	guard, err := authn.New(authn.Config{Requirement: requirement})
	if err != nil {
		t.Fatal(err)
	}
	stage := nobody(t)
	g := serve(t, true, &warder.Stack{Edge: edge(), Policy: &warder.Policy{CORS: stage, Authn: guard}}, api)
	cfg.Origins = listed(g) // the port is known only now
	if err := stage.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	return g
}

// nobody is a stage that waits for its configuration.
func nobody(t *testing.T) *cors.Stage {
	t.Helper()
	s, err := cors.New(cors.Config{Origins: []string{"https://nobody.invalid"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// methods lists what came to the guarded host, and which of it reached the API.
func methods(g *guarded) string {
	var all []string
	for _, a := range g.seen() {
		text := a.method
		if a.reached {
			text += "+"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func listOther(g *guarded) []string { return []string{g.Origin(other)} }

func TestCORS01ReadingFromAnotherOrigin(t *testing.T) {
	attack.Case(t, "CORS-01", attack.Browser, func(t *testing.T) {
		g := shared(t, listOther, cors.Config{
			Methods: []string{"PUT"}, RequestHeaders: []string{"X-API-Key", "Content-Type"}, ExposedHeaders: []string{"X-Shown"}, MaxAge: -1,
		})
		b := browser.Start(t)
		const put = `{method: "PUT", body: "{}", headers: {"X-API-Key": "good", "Content-Type": "application/json"}}`
		for _, tt := range []struct {
			name, from, options string
			status              int // 0 for nothing that a script may read
			seen                string
		}{
			{"a key", other, `{headers: {"X-API-Key": "good"}}`, 200, "OPTIONS GET+"},
			{"a method that needs asking", other, put, 200, "OPTIONS PUT+"},
			{"simple, without a credential", other, ``, 401, "GET"},
			{"a method that is not listed", other, `{method: "DELETE", headers: {"X-API-Key": "good"}}`, 0, "OPTIONS"},
			{"a field that is not listed", other, `{headers: {"X-API-Key": "good", "X-Other": "1"}}`, 0, "OPTIONS"},
			{"credentials that are not allowed", other, `{credentials: "include"}`, 0, "GET"},
			{"a sibling that is not listed", sibling, `{headers: {"X-API-Key": "good"}}`, 0, "OPTIONS"},
			{"a sibling that asks simply", sibling, ``, 0, "GET"},
			{"the site itself", app, put, 200, "PUT+"},
		} {
			b.Open(g.URL(tt.from, "/page"))
			g.seen()
			got := b.Fetch(g.URL(app, "/orders"), tt.options)
			if seen := methods(g); got.Status != tt.status || (got.Failed == "") != (tt.status != 0) || seen != tt.seen {
				t.Errorf("%s: %+v, and %q came; want %d, %q", tt.name, got, seen, tt.status, tt.seen)
			}
			if got.Status == 200 && got.Type == "cors" && (got.Headers["x-shown"] != "shown" || got.Headers["x-kept"] != "") {
				t.Errorf("%s: the script reads %v", tt.name, got.Headers)
			}
		}
	})
}

func TestCORS01Credentials(t *testing.T) {
	attack.Case(t, "CORS-01", attack.Browser, func(t *testing.T) {
		// A sibling: of another site, a browser may hold cookies back altogether.
		g := shared(t, func(g *guarded) []string { return []string{g.Origin("www.site.test")} }, cors.Config{Credentials: true, MaxAge: time.Hour, Methods: []string{"PUT"}})
		b := browser.Start(t)
		b.Open(g.URL(app, "/page"))
		b.Eval(`document.cookie = "sid=alice`+anywhere+`"`, nil)
		for from, readable := range map[string]bool{"www.site.test": true, sibling: false} {
			b.Open(g.URL(from, "/page"))
			g.seen()
			got := b.Fetch(g.URL(app, "/orders"), `{credentials: "include"}`)
			if a := only(t, g); got.Body == "GET alice" != readable || a.cookie != "sid=alice" {
				t.Errorf("from %s: %+v with %q; readable: %v", from, got, a.cookie, readable)
			}
		}
		// A preflight never has the cookie, and its answer is kept for the hour.
		b.Open(g.URL("www.site.test", "/page"))
		for i, want := range []string{"OPTIONS PUT+", "PUT+"} {
			got := b.Fetch(g.URL(app, "/orders"), `{method: "PUT", credentials: "include"}`)
			all := g.seen()
			if i == 0 && (len(all) != 2 || all[0].cookie != "") {
				t.Errorf("the preflight came as %+v", all)
			}
			var seen []string
			for _, a := range all {
				seen = append(seen, a.method+map[bool]string{true: "+"}[a.reached])
			}
			if s := strings.Join(seen, " "); got.Body != "PUT alice" || s != want {
				t.Errorf("time %d: %+v, and %q came; want %q", i+1, got, s, want)
			}
		}
	})
}

func TestCORS03NullOrigins(t *testing.T) {
	attack.Case(t, "CORS-03", attack.Browser, func(t *testing.T) {
		g := shared(t, func(g *guarded) []string { return []string{g.Origin(app), g.Origin(other)} }, cors.Config{RequestHeaders: []string{"X-API-Key"}, MaxAge: -1})
		b := browser.Start(t)
		for name, frame := range map[string]string{
			"a sandboxed frame of a listed page": `f.sandbox = "allow-scripts"; f.srcdoc = html`,
			"a data URL":                         `f.src = "data:text/html," + encodeURIComponent(html)`,
		} {
			for _, options := range []string{``, `{headers: {"X-API-Key": "good"}}`} {
				b.Open(g.URL(other, "/page"))
				g.seen()
				if options == "" {
					options = "{}"
				}
				var got browser.Fetched
				b.Eval(`new Promise(done => {
					addEventListener("message", e => done(e.data), {once: true});
					const html = "<script>"+`+fmt.Sprintf("%q", browser.FetchScript(g.URL(app, "/orders"), options)+`.then(f => parent.postMessage(f, "*"))`)+`+"<"+"/script>";
					const f = document.createElement("iframe");
					`+frame+`;
					document.body.append(f);
				})`, &got)
				if a := only(t, g); got.Failed == "" || a.header.Get("Origin") != "null" {
					t.Errorf("%s, %s: %+v, with Origin %q; want null, and nothing to read", name, options, got, a.header.Get("Origin"))
				}
			}
		}
		// A redirect through another origin makes null of a listed one.
		b.Open(g.URL(other, "/page"))
		g.seen()
		got := b.Fetch(g.URL(sibling, "/hop?to="+g.URL(app, "/orders")), "")
		if a := only(t, g); got.Failed == "" || a.header.Get("Origin") != "null" {
			t.Errorf("a redirect: %+v, with Origin %q; want null, and nothing to read", got, a.header.Get("Origin"))
		}
	})
}

func TestCORS09RefusalsAreReadable(t *testing.T) {
	attack.Case(t, "CORS-09", attack.Browser, func(t *testing.T) {
		g := shared(t, listOther, cors.Config{RequestHeaders: []string{"X-API-Key"}, MaxAge: -1})
		b := browser.Start(t)
		for from, readable := range map[string]bool{other: true, sibling: false} {
			b.Open(g.URL(from, "/page"))
			for _, tt := range []struct {
				path, key string
				status    int
			}{{"/orders", "bad", 401}, {"/busy", "good", 429}, {"/orders", "away", 503}} {
				got := b.Fetch(g.URL(app, tt.path), `{headers: {"X-API-Key": "`+tt.key+`"}}`)
				if readable && (got.Status != tt.status || tt.status != 429 && !strings.Contains(got.Body, fmt.Sprintf(`"status":%d`, tt.status))) || !readable && got.Failed == "" {
					t.Errorf("from %s: %+v, want %d, readable: %v", from, got, tt.status, readable)
				}
			}
		}
	})
}

// A page that may read may still not write, unless csrf is told so too.
func TestCSRF11ReadingIsNotWriting(t *testing.T) {
	attack.Case(t, "CSRF-11", attack.Browser, func(t *testing.T) {
		stage, protection := nobody(t), proof(t, csrf.Config{})
		policy := &warder.Policy{CORS: stage, Authn: require(t, "sid"), CSRF: protection}
		g := serve(t, true, &warder.Stack{Edge: edge(), Policy: policy}, written(protection))
		if err := stage.Reconfigure(cors.Config{Origins: []string{g.Origin(sibling)}, Credentials: true}); err != nil {
			t.Fatal(err)
		}
		b := browser.Start(t)
		b.Open(g.URL(app, "/page"))
		b.Eval(`document.cookie = "sid=alice`+anywhere+`"`, nil)
		b.Open(g.URL(sibling, "/page"))
		if got := b.Fetch(g.URL(app, "/orders"), `{credentials: "include"}`); got.Body != "written by alice" {
			t.Errorf("reading: %+v", got)
		}
		if got := b.Fetch(g.URL(app, "/orders"), `{method: "POST", credentials: "include"}`); got.Status != http.StatusForbidden {
			t.Errorf("writing: %+v, want a 403 that it may read", got)
		}
	})
}
