package browser_test

import (
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/portal"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/interop/browser"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/target"
)

// The hosts of the portal's tests: it is another site than the page that frames it.
const (
	portalHost = "keys.other.test"
	parentHost = "app.site.test"
)

// A lobby is a portal at its host, and pages that frame it at every other one.
type lobby struct {
	*browser.Site

	db      *sqlite.DB
	handler http.Handler // behind its edge; set once its address is known

	mu   sync.Mutex
	seen []string // "POST /open 303 cookie": guarded by mu
}

// openLobby serves a portal that pages of parentHost may frame.
func openLobby(t *testing.T) *lobby {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "warder.db"), Log: log})
	must(err)
	t.Cleanup(func() { must(db.Close()) })
	line, err := apikey.NewPepper(rand.Reader)
	must(err)
	peppers, err := apikey.ParsePeppers(line)
	must(err)
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: db.APIKeys(), Peppers: peppers})
	must(err)
	l := &lobby{db: db}
	l.Site = browser.ServeTLS(t, l)
	site, err := portal.New(portal.Config{
		Passes: db.Portal(), Keys: db.APIKeys(), Issuer: issuer, Registry: db.Nodes(), Attempts: db.Attempts(0), Log: log,
		URL: l.Origin(portalHost), Parents: []string{l.Origin(parentHost)}, PerMinute: 10_000, Uses: db.Usage(),
	})
	must(err)
	canonical, err := target.New(target.Config{})
	must(err)
	l.handler, err = site.Wrap(warder.Edge{Forwarded: forwarded.Direct(), Target: canonical})
	must(err)
	return l
}

// ServeHTTP is the portal, or a page that frames what its address says behind "?".
func (l *lobby) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if host, _, _ := net.SplitHostPort(r.Host); host != portalHost {
		browser.Page("<iframe name=f id=f></iframe>").ServeHTTP(w, r)
		return
	}
	answer := &statusWriter{ResponseWriter: w}
	cookie := ""
	if len(r.CookiesNamed(portal.Cookie)) == 1 {
		cookie = " cookie"
	}
	l.handler.ServeHTTP(answer, r)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, r.Method+" "+r.URL.Path+" "+http.StatusText(answer.status)+cookie)
}

type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// forget forgets what came so far.
func (l *lobby) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = nil
}

func (l *lobby) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.seen)
}

// await waits until a request was answered.
func (l *lobby) await(t *testing.T, what string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); ; <-tick.C {
		if slices.Contains(l.all(), what) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%q did not come; these did: %q", what, l.all())
		}
	}
}

// link makes one for an owner who may do everything.
func (l *lobby) link(t *testing.T) string {
	t.Helper()
	_, text, err := portallink.Make(t.Context(), l.db.Portal(), audit.By{Actor: "account:a", Source: "test"}, portallink.Spec{
		Owner: "acme", Maker: "account:a", Grant: portallink.Grant{Roll: true, Revoke: true, Usage: true, Create: &portallink.Create{Keys: 5, Environment: "live", Scopes: []string{"orders:read"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return l.URL(portalHost, portal.OpenPath+"#"+text.Reveal())
}

// frame shows an address in the frame of the open page.
func frame(b *browser.Browser, address string) {
	b.Eval(`document.getElementById("f").src = "`+address+`"`, nil)
}

func TestThePortal(t *testing.T) {
	l := openLobby(t)
	b := browser.Start(t)
	b.Watch()
	attack.Case(t, "UI-09", attack.Browser, func(t *testing.T) { l.opens(t, b) })
	attack.Case(t, "UI-11", attack.Browser, func(t *testing.T) { l.life(t, b) })
	attack.Case(t, "UI-07", attack.Browser, func(t *testing.T) { l.shownOnce(t, b) })
	attack.Case(t, "UI-03", attack.Browser, func(t *testing.T) { l.others(t, b) })
	attack.Case(t, "UI-02", attack.Browser, func(t *testing.T) { l.frames(t) })

	plain := browser.Start(t) // without scripts, the link is pasted
	plain.WithoutScripts()
	link := l.link(t)
	plain.Open(link)
	plain.Fill("/open", map[string]string{"link": link})
	l.want(t, plain.Send("/open"), "of acme")
	l.make(t, plain)
}

func (*lobby) want(t *testing.T, page browser.Loaded, text string) {
	t.Helper()
	if page.Status != 200 && page.Status != 303 || !strings.Contains(page.Text, text) {
		t.Fatalf("%s: %d, want %q:\n%s", page.URL, page.Status, text, page.Text)
	}
}

// opens opens a link by its button, and not before; then it is used up.
func (l *lobby) opens(t *testing.T, b *browser.Browser) {
	t.Helper()
	link := l.link(t)
	l.want(t, b.Open(link), "Open my keys")
	var address string
	b.Eval("location.href", &address)
	if address != l.URL(portalHost, "/open") {
		t.Errorf("the text of the link stays in the address: %s", address)
	}
	if slices.ContainsFunc(l.all(), func(one string) bool { return strings.HasPrefix(one, "POST") }) {
		t.Errorf("a look uses the link up: %q", l.all())
	}
	l.want(t, b.Send("/open"), "There are no keys.")
	b.Open(link)
	if page := b.Send("/open"); page.Status != 410 {
		t.Errorf("the link opens twice: %d %s", page.Status, page.Text)
	}
	l.want(t, b.Open(l.URL(portalHost, "/")), "of acme")
}

// make makes a key, and returns its text.
func (l *lobby) make(t *testing.T, b *browser.Browser) (text string) {
	t.Helper()
	b.Open(l.URL(portalHost, "/new"))
	b.Fill("/new", map[string]string{"name": "ci"})
	l.want(t, b.Send("/new"), "This is the only time that the key is shown.")
	b.Eval(`document.getElementById("told").textContent`, &text)
	if !strings.HasPrefix(text, "wrd_live_") {
		t.Fatalf("the key is %q", text)
	}
	return text
}

// life makes, rolls and revokes a key.
func (l *lobby) life(t *testing.T, b *browser.Browser) {
	t.Helper()
	before := len(b.Requests())
	of := "/keys/" + strings.Split(l.make(t, b), "_")[2][:12]
	l.want(t, b.Open(l.URL(portalHost, of)), "Last used")
	b.Open(l.URL(portalHost, of+"/roll"))
	l.want(t, b.Send(of+"/roll"), "This is the only time that the key is shown.")
	l.want(t, b.Open(l.URL(portalHost, of)), "retiring")
	b.Open(l.URL(portalHost, of+"/revoke"))
	b.Eval(`document.querySelector("input[name=sure]").click()`, nil)
	l.want(t, b.Send(of+"/revoke"), "The key is revoked")
	l.want(t, b.Open(l.URL(portalHost, "/")), "revoked")
	for _, address := range b.Requests()[before:] {
		if !strings.HasPrefix(address, l.URL(portalHost, "/")) && !strings.HasPrefix(address, "data:") {
			t.Errorf("a page asks for %s", address)
		}
		if strings.Contains(address, "wpl_") || strings.Contains(address, "wrd_live") {
			t.Errorf("an address has a secret: %s", address)
		}
	}
	for _, line := range b.Console() {
		if !strings.Contains(line, "410") { // the link that was used
			t.Errorf("the console says: %s", line)
		}
	}
	var wide bool
	b.Eval(`document.documentElement.scrollWidth > innerWidth`, &wide)
	if wide {
		t.Error("the list is wider than the window")
	}
}

// shownOnce looks for the text of a key where a browser could still have it.
func (l *lobby) shownOnce(t *testing.T, b *browser.Browser) {
	t.Helper()
	key := l.make(t, b)
	b.Open(l.URL(portalHost, "/"))
	if html := b.Back(); strings.Contains(html, key) {
		t.Errorf("back shows the key:\n%s", html)
	}
	key = l.make(t, b)
	if page := b.Reload(); strings.Contains(page.Text, key) || !strings.Contains(page.Text, "It is shown once: here it is gone.") {
		t.Errorf("a reload shows:\n%s", page.Text)
	}
	var kept []string
	b.Eval(`(async () => [...Object.keys(localStorage), ...Object.keys(sessionStorage), ...await caches.keys(), document.cookie].filter(s => s !== ""))()`, &kept)
	if len(kept) > 0 {
		t.Errorf("scripts can read %q", kept)
	}
}

// others send the site's forms from pages of their own.
func (l *lobby) others(t *testing.T, b *browser.Browser) {
	t.Helper()
	list := b.Open(l.URL(portalHost, "/")).Text
	for _, from := range []string{"evil.other.test", parentHost} {
		for _, path := range []string{"/open", "/new", "/end"} {
			b.Open(l.URL(from, "/"))
			if page := b.Submit(browser.Form{Action: l.URL(portalHost, path), Fields: map[string]string{"name": "forged", "expires": "720h", "once": "portal-ABCDEFGHIJKLMNOPQRSTUVWXYZ"}}); page.Status != 403 {
				t.Errorf("a form of %s to %s: %d, want 403", from, path, page.Status)
			}
		}
		b.Open(l.URL(from, "/"))
		if got := b.Fetch(l.URL(portalHost, "/"), `{credentials: "include"}`); got.Failed == "" {
			t.Errorf("%s reads the list: %+v", from, got)
		}
	}
	if after := b.Open(l.URL(portalHost, "/")).Text; after != list {
		t.Errorf("the list became\n%s", after)
	}
}

// frames puts the portal into frames of a listed page, and of others: there the link is
// not used up.
func (l *lobby) frames(t *testing.T) {
	t.Helper()
	b := browser.Start(t)
	link := l.link(t)
	for _, from := range []string{"evil.test", "www.site.test", portalHost[len("keys."):]} {
		l.forget()
		before := len(b.Console())
		b.Open(l.URL(from, "/"))
		frame(b, link)
		l.await(t, "GET /open OK")
		// A page that was let in asks for its script; one that was not tells the console.
		framed := func() bool {
			return slices.ContainsFunc(b.Console()[before:], func(line string) bool { return strings.Contains(line, "frame-ancestors") })
		}
		tick := time.NewTicker(20 * time.Millisecond)
		for end := time.Now().Add(time.Minute); !framed() && time.Now().Before(end); {
			<-tick.C
		}
		tick.Stop()
		if !framed() {
			t.Errorf("%s frames it: %q", from, b.Console()[before:])
		}
		if got := l.all(); !slices.Equal(got, []string{"GET /open OK"}) {
			t.Errorf("in a frame of %s these came: %q", from, got)
		}
	}
	l.forget()
	b.Open(l.URL(parentHost, "/"))
	frame(b, link) // which opens at once: somebody has asked for it there
	l.await(t, "POST /open See Other")
	l.await(t, "GET / OK cookie")
	// The cookie belongs to the frames of that page alone.
	if page := b.Open(l.URL(portalHost, "/")); page.Status != http.StatusUnauthorized {
		t.Errorf("outside of the frame: %d %s", page.Status, page.Text)
	}
}
