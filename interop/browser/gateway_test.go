package browser_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/interop/browser"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
)

// reader is a sibling whose pages may read, and not write.
const reader = "reader.site.test"

// A whole is warder itself, as a program of its own, in front of an API that says
// whose request it got; and pages of other hosts.
type whole struct {
	*browser.Site // the gateway
	pages         *browser.Site
	key           string

	mu   sync.Mutex
	seen []string // by the API: "POST /orders"; guarded by mu
}

// ServeHTTP is the API.
func (g *whole) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/favicon.ico": // on the browser's own account
		w.WriteHeader(http.StatusNotFound)
		return
	case r.URL.Path == "/page", r.URL.Path == "/page/hidden":
		if r.URL.Path != "/page" {
			w.Header().Set("Referrer-Policy", "no-referrer")
		}
		browser.Page("the site's own").ServeHTTP(w, r)
		return
	case r.Header.Get("Upgrade") != "":
		webSocket(w, r)
	default:
		w.Header().Set("X-Shown", "shown")
		w.Header().Set("Access-Control-Allow-Origin", "*") // on its own account
		_, _ = io.WriteString(w, r.Method+" by "+r.Header.Get("X-Warder-Owner"))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = append(g.seen, r.Method+" "+r.URL.Path)
}

// reached returns what the API saw since it was last asked.
func (g *whole) reached() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := strings.Join(g.seen, ", ")
	g.seen = nil
	return all
}

const wholeYAML = `
listen: {LISTEN}
admin_listen: "off"
db: ./warder.db
log: {file: ./warder.log}
tls: {certificates: [{cert_file: ./site.crt, key_file: ./site.key}]}
hosts: [app.site.test]
users: {file: ./users}
session: {password: true}
schemes: {login: {session: {}}}
security: [{login: []}, {apiKey: []}]
cors:
  default:
    origins: [{ORIGINS}]
    credentials: true
    methods: [PUT]
    request_headers: [X-API-Key, Content-Type]
    exposed_headers: [X-Shown]
    max_age: 0s
upstreams: {api: {url: "{API}"}}
rate_limits: {few: {count: 1, per: 366d, by: [key]}}
routes:
  - {match: "GET /few", upstream: api, rate_limits: [few]}
  - {match: "GET /page", upstream: api, public: true, cors: "off"}
  - {match: "GET /page/hidden", upstream: api, public: true, cors: "off"}
  - {match: "/", upstream: api}
  - {match: "GET /open", upstream: api, public: true}
`

// startWhole builds and starts the program, and makes a key.
func startWhole(t *testing.T) *whole {
	t.Helper()
	g := &whole{pages: browser.ServeTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.FormValue("to"); to != "" { // for a page of any origin
			w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		browser.Page(r.Host).ServeHTTP(w, r)
	}))}
	api := httptest.NewServer(g)
	t.Cleanup(api.Close)
	folder, listen := t.TempDir(), wire.FreeAddress(t)
	cert, key := browser.CertificatePEM(t)
	hash, err := password.Hash(secret.New("correct horse"), password.Params{Memory: 7168, Time: 5, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	yaml := strings.NewReplacer("{LISTEN}", listen, "{API}", api.URL, "{ORIGINS}", g.pages.Origin(reader)+", "+g.pages.Origin(other)).Replace(wholeYAML)
	for name, text := range map[string]string{
		"site.crt": string(cert), "site.key": string(key), "warder.yaml": yaml, "users": "alice:" + hash + "\nmallory:" + hash + "\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build(t, folder)
	g.serve(t, folder, listen)
	create := exec.CommandContext(t.Context(), "./warder", "keys", "create", "--db", "./warder.db", "--owner", "acme", "--output", "secret")
	create.Dir = folder
	out, err := create.Output()
	if err != nil {
		t.Fatalf("keys create: %v", err)
	}
	g.key = strings.TrimSpace(string(out))
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	g.Site = browser.At("https", port)
	return g
}

// build builds the program into folder.
func build(t *testing.T, folder string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(folder, "warder"), "./cmd/warder")
	command.Dir = "../.."
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
}

// serve runs the program until the test ends, and waits until it listens.
func (*whole) serve(t *testing.T, folder, listen string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	program := exec.CommandContext(ctx, "./warder", "serve", "--config", "warder.yaml")
	program.Dir = folder
	var output strings.Builder
	program.Stderr = &output
	if err := program.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = program.Wait(); close(ended) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Log(output.String())
		}
	})
	tick, deadline := time.NewTicker(10*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for {
		if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listen); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatal("warder serve ended")
		case <-deadline:
			t.Fatal("warder serve does not listen after a minute")
		}
	}
}

// login opens a browser that somebody is logged in with, by the site's own form.
func (g *whole) login(t *testing.T, name string) *browser.Browser {
	t.Helper()
	b := browser.Start(t)
	b.Open(g.URL(app, "/page"))
	b.Submit(browser.Form{Action: g.URL(app, "/auth/login"), Fields: map[string]string{"username": name, "password": "correct horse", "return": "/page"}})
	if b.Cookies(g.URL(app, "/"))["__Host-session"] == "" {
		t.Fatal("nobody is logged in")
	}
	g.reached()
	return b
}

func TestPagesThroughTheWholeGateway(t *testing.T) {
	g := startWhole(t)
	attack.Case(t, "CORS-01", attack.Browser, g.reads)
	attack.Case(t, "CORS-02", attack.Browser, g.readsFromElsewhere)
	attack.Case(t, "CORS-03", attack.Browser, g.readsFromNowhere)
	attack.Case(t, "CORS-09", attack.Browser, g.readsRefusals)
	attack.Case(t, "CSRF-01", attack.Browser, g.writesOfOthers)
	attack.Case(t, "CSRF-04", attack.Browser, g.tosses)
	attack.Case(t, "CSRF-07", attack.Browser, g.logins)
	attack.Case(t, "CSRF-08", attack.Browser, g.sockets)
	attack.Case(t, "CSRF-11", attack.Browser, g.readerWrites)
	attack.Case(t, "SESS-05", attack.Browser, g.tossedSessions)
	t.Run("the script of the guide", g.guide)
}

// reads: simple, preflighted and credentialed, of listed origins.
func (g *whole) reads(t *testing.T) {
	t.Helper()
	b := g.login(t, "alice")
	withKey := `{headers: {"X-API-Key": "` + g.key + `"}}`
	put := `{method: "PUT", body: "{}", headers: {"X-API-Key": "` + g.key + `", "Content-Type": "application/json"}}`
	for _, tt := range []struct{ name, from, path, options, body, reached string }{
		{"simple", other, "/open", "", "GET by ", "GET /open"},
		{"with a key, which is preflighted", other, "/orders", withKey, "GET by acme", "GET /orders"},
		{"a method that is preflighted", other, "/orders", put, "PUT by acme", "PUT /orders"},
		{"with the cookie", reader, "/orders", `{credentials: "include"}`, "GET by ", "GET /orders"},
	} {
		b.Open(g.pages.URL(tt.from, "/"))
		got := b.Fetch(g.URL(app, tt.path), tt.options)
		if reached := g.reached(); got.Status != 200 || got.Body != tt.body || reached != tt.reached || got.Headers["x-shown"] != "shown" {
			t.Errorf("%s: %+v, and %q reached the API; want %q, %q", tt.name, got, reached, tt.body, tt.reached)
		}
	}
}

// readsFromElsewhere: the wrong origin.
func (g *whole) readsFromElsewhere(t *testing.T) {
	t.Helper()
	b := g.login(t, "alice")
	for _, from := range []string{sibling, "evil.test"} {
		for options, reached := range map[string]string{
			"":                         "GET /open",
			`{credentials: "include"}`: "GET /open", // it is answered; the page does not read it
			`{headers: {"X-API-Key": "` + g.key + `"}}`: "", // the preflight is not permitted
			`{method: "PUT"}`: "",
		} {
			b.Open(g.pages.URL(from, "/"))
			got := b.Fetch(g.URL(app, "/open"), options)
			if seen := g.reached(); got.Failed == "" || got.Body != "" || seen != reached {
				t.Errorf("%s from %s: %+v, and %q reached the API; want nothing to read, and %q", options, from, got, seen, reached)
			}
		}
	}
}

// readsFromNowhere: a sandboxed frame, a data URL, a file and a redirect through
// another origin have the origin null.
func (g *whole) readsFromNowhere(t *testing.T) {
	t.Helper()
	b := browser.Start(t)
	for name, frame := range map[string]string{
		"a sandboxed frame of a listed page": `f.sandbox = "allow-scripts"; f.srcdoc = html`,
		"a data URL":                         `f.src = "data:text/html," + encodeURIComponent(html)`,
	} {
		for _, options := range []string{"{}", `{headers: {"X-API-Key": "` + g.key + `"}}`} {
			b.Open(g.pages.URL(other, "/"))
			var got browser.Fetched
			b.Eval(inFrame(g.URL(app, "/open"), options, frame), &got)
			if g.reached(); got.Failed == "" {
				t.Errorf("%s, %s: %+v, want nothing to read", name, options, got)
			}
		}
	}
	b.Open(g.pages.URL(other, "/"))
	got := b.Fetch(g.pages.URL(sibling, "/?to="+g.URL(app, "/open")), "")
	if reached := g.reached(); got.Failed == "" || reached != "GET /open" {
		t.Errorf("a redirect through another origin: %+v, and %q reached the API; want nothing to read", got, reached)
	}
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte("<!doctype html><title>page</title>"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Open("file://" + file)
	for options, want := range map[string]string{"": "GET /open", `{headers: {"X-API-Key": "` + g.key + `"}}`: ""} {
		got := b.Fetch(g.URL(app, "/open"), options)
		if reached := g.reached(); got.Failed == "" || reached != want {
			t.Errorf("a file, %s: %+v, and %q reached the API; want nothing to read, and %q", options, got, reached, want)
		}
	}
}

// inFrame is a script that fetches in a frame, and gives what that got.
func inFrame(url, options, frame string) string {
	return `new Promise(done => {
		addEventListener("message", e => done(e.data), {once: true});
		const html = "<script>" + ` + fmt.Sprintf("%q", browser.FetchScript(url, options)+`.then(f => parent.postMessage(f, "*"))`) + ` + "<" + "/script>";
		const f = document.createElement("iframe");
		` + frame + `;
		document.body.append(f);
	})`
}

func (g *whole) readsRefusals(t *testing.T) {
	t.Helper()
	b := browser.Start(t)
	for from, readable := range map[string]bool{other: true, sibling: false} {
		b.Open(g.pages.URL(from, "/"))
		for path, status := range map[string]int{"/orders": 401, "/page/none": 401} {
			got := b.Fetch(g.URL(app, path), `{headers: {"X-API-Key": "bad"}}`)
			if readable && got.Status != status || !readable && got.Failed == "" {
				t.Errorf("%s from %s: %+v, want %d, readable: %v", path, from, got, status, readable)
			}
		}
	}
	b.Open(g.pages.URL(other, "/"))
	for _, status := range []int{http.StatusOK, http.StatusTooManyRequests} {
		if got := b.Fetch(g.URL(app, "/few"), `{headers: {"X-API-Key": "`+g.key+`"}}`); got.Status != status {
			t.Errorf("within and beyond a limit: %+v, want %d", got, status)
		}
	}
}

// writesOfOthers: forms and scripts, cross-site and cross-origin.
func (g *whole) writesOfOthers(t *testing.T) {
	t.Helper()
	b := g.login(t, "alice")
	for _, tt := range []struct {
		name    string
		site    *browser.Site
		from    string
		status  int
		reached string
	}{
		{"the site itself", g.Site, app, 200, "POST /orders"},
		{"a sibling, whose request has the cookie", g.pages, sibling, 403, ""},
		{"another port of the host", g.pages, app, 403, ""},
		{"another site, whose request has none: SameSite=Lax", g.pages, other, 401, ""},
	} {
		page := tt.site.URL(tt.from, "/")
		if tt.site == g.Site {
			page = tt.site.URL(tt.from, "/page")
		}
		b.Open(page)
		got := b.Submit(browser.Form{Action: g.URL(app, "/orders"), Fields: map[string]string{"a": "1"}})
		if reached := g.reached(); got.Status != tt.status || reached != tt.reached {
			t.Errorf("a form of %s: %d, and %q reached the API; want %d, %q", tt.name, got.Status, reached, tt.status, tt.reached)
		}
		for _, options := range []string{
			`{method: "POST", credentials: "include", mode: "no-cors"}`,
			`{method: "POST", credentials: "include", mode: "no-cors", body: new URLSearchParams("a=1")}`,
			`{method: "POST", credentials: "include", mode: "no-cors", body: '{"a":1}'}`,
		} {
			b.Open(page)
			b.Fetch(g.URL(app, "/orders"), options)
			if reached := g.reached(); reached != tt.reached {
				t.Errorf("a script of %s, %s: %q reached the API, want %q", tt.name, options, reached, tt.reached)
			}
		}
	}
}

// tosses: a sibling sets cookies for the whole site, with a token of its own.
func (g *whole) tosses(t *testing.T) {
	t.Helper()
	theirs := g.login(t, "mallory")
	var token string
	theirs.Eval(`fetch("/auth/csrf").then(r => r.json()).then(j => j.csrf_token)`, &token)
	b := g.login(t, "alice")
	b.Open(g.pages.URL(sibling, "/"))
	for _, name := range []string{"__Host-csrf", "csrf_token", "XSRF-TOKEN"} {
		b.Eval(`document.cookie = "`+name+`=`+token+`; Domain=site.test; Path=/; Secure"`, nil)
	}
	page := b.Submit(browser.Form{Action: g.URL(app, "/orders"), Fields: map[string]string{"csrf_token": token}})
	if reached := g.reached(); token == "" || page.Status != http.StatusForbidden || reached != "" {
		t.Errorf("mallory's token %q in a sibling's form: %d, and %q reached the API; want 403 and nothing", token, page.Status, reached)
	}
}

// tossedSessions: a sibling cannot set the session, and makes no other one count.
func (g *whole) tossedSessions(t *testing.T) {
	t.Helper()
	theirs := g.login(t, "mallory").Cookies(g.URL(app, "/"))["__Host-session"]
	b := g.login(t, "alice")
	mine := b.Cookies(g.URL(app, "/"))["__Host-session"]
	b.Open(g.pages.URL(sibling, "/"))
	for _, attributes := range []string{"Domain=site.test; Path=/; Secure", "Domain=site.test; Path=/orders; Secure", "Domain=app.site.test; Path=/; Secure"} {
		b.Eval(`document.cookie = "__Host-session=`+theirs+`; `+attributes+`"`, nil)
	}
	if got := b.Cookies(g.URL(app, "/orders"))["__Host-session"]; theirs == "" || got != mine {
		t.Errorf("the session became %q, want it to stay", got)
	}
	// Of a browser that is logged in nowhere, it makes no one.
	b = browser.Start(t)
	b.Open(g.pages.URL(sibling, "/"))
	b.Eval(`document.cookie = "__Host-session=`+theirs+`; Domain=site.test; Path=/; Secure"`, nil)
	if page := b.Open(g.URL(app, "/orders")); page.Status != http.StatusUnauthorized {
		t.Errorf("somebody without a session: %d, want 401", page.Status)
	}
}

// logins: another site logs its visitor in as somebody else.
func (g *whole) logins(t *testing.T) {
	t.Helper()
	for _, from := range []string{sibling, other} {
		b := browser.Start(t)
		b.Open(g.pages.URL(from, "/"))
		page := b.Submit(browser.Form{Action: g.URL(app, "/auth/login"), Fields: map[string]string{"username": "mallory", "password": "correct horse"}})
		if in := b.Cookies(g.URL(app, "/"))["__Host-session"]; page.Status != http.StatusForbidden || in != "" {
			t.Errorf("from %s: %d, logged in: %v; want 403", from, page.Status, in != "")
		}
	}
}

// sockets: a handshake has the cookie of whoever visits.
func (g *whole) sockets(t *testing.T) {
	t.Helper()
	b := g.login(t, "alice")
	for page, open := range map[string]bool{g.URL(app, "/page"): true, g.pages.URL(sibling, "/"): false, g.pages.URL(reader, "/"): false, g.pages.URL(other, "/"): false} {
		b.Open(page)
		var opened bool
		b.Eval(`new Promise(done => {
			const s = new WebSocket("`+g.WebSocket(app, "/live")+`");
			s.onopen = () => done(true);
			s.onerror = () => done(false);
		})`, &opened)
		if reached := g.reached(); opened != open || (reached != "") != open {
			t.Errorf("from %s: opened %v, and %q reached the API; want %v", page, opened, reached, open)
		}
	}
}

// readerWrites: a page that may read may not write.
func (g *whole) readerWrites(t *testing.T) {
	t.Helper()
	b := g.login(t, "alice")
	b.Open(g.pages.URL(reader, "/"))
	for options, status := range map[string]int{`{credentials: "include"}`: 200, `{method: "POST", credentials: "include"}`: 403, `{method: "PUT", credentials: "include"}`: 403} {
		got := b.Fetch(g.URL(app, "/orders"), options)
		if reached := g.reached(); got.Status != status || (reached != "") != (status == 200) {
			t.Errorf("%s: %+v, and %q reached the API; want %d", options, got, reached, status)
		}
	}
	// Nor does it read the token with which it could.
	if got := b.Fetch(g.URL(app, "/auth/csrf"), `{credentials: "include"}`); got.Failed == "" {
		t.Errorf("the token: %+v, want nothing to read", got)
	}
}

// guide runs the script of the guide's page, in a page that hides where it is.
func (g *whole) guide(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../../docs/guide/csrf.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(text), "```js\n")
	script, _, found := strings.Cut(script, "```\n")
	if !found {
		t.Fatal("the page has no script")
	}
	b := g.login(t, "alice")
	b.Open(g.URL(app, "/page/hidden"))
	var answer struct {
		Status int
		Token  string
	}
	b.Eval("(async () => { "+script+" return {Status: answer.status, Token: csrf_token}; })()", &answer)
	if reached := g.reached(); answer.Status != http.StatusOK || reached != "POST /orders" {
		t.Errorf("the script of the guide: %+v, and %q reached the API; want 200", answer, reached)
	}
	for token, status := range map[string]int{"": 403, answer.Token: 200, answer.Token[1:]: 403} {
		b.Open(g.URL(app, "/page/hidden"))
		page := b.Submit(browser.Form{Action: g.URL(app, "/orders"), Fields: map[string]string{"csrf_token": token}})
		if reached := g.reached(); page.Status != status || (reached != "") != (status == 200) {
			t.Errorf("a form of a page that hides itself, with the token %q: %d, and %q reached the API; want %d", token, page.Status, reached, status)
		}
	}
}
