package browser_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/interop/browser"
	"github.com/warder-dev/warder/secret"
)

const adminPassword = "seven quiet otters"

// An office is warder as a program, with its admin page and a link for its first
// owner.
type office struct {
	origin string
	public string // the gateway's address
	folder string
	link   string
	shared secret.Text // of the owner's authenticator
	codes  []string    // of recovery
}

func openOffice(t *testing.T) *office {
	t.Helper()
	folder, listen, admin := t.TempDir(), wire.FreeAddress(t), wire.FreeAddress(t)
	yaml := "listen: " + listen + "\nadmin_listen: " + admin + "\ndb: ./warder.db\nlog: {file: ./warder.log}\nupstream: http://127.0.0.1:9\n"
	if err := os.WriteFile(filepath.Join(folder, "warder.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	build(t, folder)
	new(whole).serve(t, folder, admin)
	o := &office{folder: folder, public: listen}
	o.link = o.run(t, "admins", "setup", "--name", "ada", "--output", "secret")
	_, port, err := net.SplitHostPort(admin)
	if err != nil {
		t.Fatal(err)
	}
	o.origin = "http://localhost:" + port
	return o
}

// run runs a command of the program beside the server.
func (o *office) run(t *testing.T, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "./warder", append(arguments, "--db", "./warder.db")...)
	command.Dir = o.folder
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v", arguments, err)
	}
	return strings.TrimSpace(string(out))
}

// code is the authenticator's, of now or a little later.
func (o *office) code(t *testing.T, later time.Duration) string {
	t.Helper()
	text, err := account.Code(o.shared, time.Now().Add(later))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// settle sets the owner's account up, and logs in.
func (o *office) settle(t *testing.T, b *browser.Browser) {
	t.Helper()
	if page := b.Open(o.origin + "/ui/keys"); page.URL != o.origin+"/ui/login?next=%2Fui%2Fkeys" {
		t.Fatalf("without a login one is led to %s", page.URL)
	}
	b.Open(o.origin + "/ui/setup")
	b.Fill("/ui/setup", map[string]string{"link": o.link})
	o.want(t, b.Send("/ui/setup"), 200, "This sets up ada, whose role is owner.")
	var shared string
	b.Eval(`document.querySelector("input[name=secret]").value`, &shared)
	o.shared = secret.New(shared)
	var address string
	b.Eval(`document.querySelector("input[name=address]").value`, &address)
	if got := scanned(t, b); got != address || !strings.HasPrefix(got, "otpauth://totp/warder:ada?") || !strings.Contains(got, "secret="+shared) {
		t.Errorf("a phone reads %q, want %q", got, address)
	}
	b.Fill("/ui/setup/finish", map[string]string{"password": adminPassword, "again": adminPassword, "code": o.code(t, 0)})
	o.want(t, b.Send("/ui/setup/finish"), 200, "Recovery codes.")
	o.codes = strings.Fields(o.told(b))
	o.login(t, b, o.code(t, 30*time.Second)) // each is taken once
}

func (o *office) login(t *testing.T, b *browser.Browser, code string) {
	t.Helper()
	b.Open(o.origin + "/ui/login")
	b.Fill("/ui/login", map[string]string{"name": "ada", "password": adminPassword})
	o.want(t, b.Send("/ui/login"), 200, "Second factor")
	b.Fill("/ui/login/code", map[string]string{"code": code})
	o.want(t, b.Send("/ui/login/code"), 303, "New key")
}

func (*office) want(t *testing.T, page browser.Loaded, status int, text string) {
	t.Helper()
	if page.Status != status && (status != 303 || page.Status != 200) || !strings.Contains(page.Text, text) {
		t.Fatalf("%s: %d, want %d with %q:\n%s", page.URL, page.Status, status, text, page.Text)
	}
}

// clean wants nothing in the console, and no request to another host.
func (o *office) clean(t *testing.T, b *browser.Browser) {
	t.Helper()
	for _, line := range b.Console() {
		t.Errorf("the console says: %s", line)
	}
	requests := b.Requests()
	if len(requests) == 0 {
		t.Error("no request was seen")
	}
	for _, address := range requests {
		if !strings.HasPrefix(address, o.origin+"/ui/") && !strings.HasPrefix(address, "data:") { // the browser draws its own controls by data
			t.Errorf("a page asks for %s", address)
		}
	}
}

// TestTheAdminPage goes through the life of a key as a person does, and attacks the
// page as others would.
func TestTheAdminPage(t *testing.T) {
	o := openOffice(t)
	b := browser.Start(t)
	b.Watch()
	o.settle(t, b)
	attack.Case(t, "UI-11", attack.Browser, func(t *testing.T) {
		o.life(t, b, true)
		o.clean(t, b)
	})
	attack.Case(t, "UI-10", attack.Browser, func(t *testing.T) { o.watches(t, b) })
	attack.Case(t, "UI-07", attack.Browser, func(t *testing.T) { o.shownOnce(t, b) })
	o.phone(t, b)
	attack.Case(t, "UI-01", attack.Browser, func(t *testing.T) { o.markup(t, b) })
	attack.Case(t, "UI-03", attack.Browser, func(t *testing.T) { o.others(t, b) })
	attack.Case(t, "UI-02", attack.Browser, func(t *testing.T) { o.frames(t, b) })

	o.origin = strings.Replace(o.origin, "localhost", "127.0.0.1", 1) // either name keeps a Secure cookie without TLS
	plain := browser.Start(t)
	plain.Watch()
	plain.WithoutScripts()
	o.login(t, plain, o.codes[0])
	o.life(t, plain, false)
	o.clean(t, plain)
}

// life makes, reveals, rolls and revokes a key.
func (o *office) life(t *testing.T, b *browser.Browser, scripts bool) {
	t.Helper()
	b.Open(o.origin + "/ui/keys/new")
	b.Fill("/ui/keys/new", map[string]string{"name": "ci", "owner": "acme", "scopes": "orders:read\norders:write", "lifetime": "90"})
	o.want(t, b.Send("/ui/keys/new"), 200, "This is the only time that the key is shown.")
	key, copies := o.told(b), 0
	b.Eval(`[...document.querySelectorAll("button[data-copy]")].filter(b => !b.hidden).length`, &copies)
	if !strings.HasPrefix(key, "wrd_live_") || copies != map[bool]int{true: 2, false: 0}[scripts] {
		t.Fatalf("the key is %q, with %d buttons to copy", key, copies)
	}
	id := strings.Split(key, "_")[2][:12]
	page := b.Open(o.origin + "/ui/keys/" + id)
	o.want(t, page, 200, "wrd_live_"+id+"...")

	action := "/ui/keys/" + id + "/roll"
	b.Open(o.origin + action)
	b.Fill(action, map[string]string{"overlap": "24h"})
	o.want(t, b.Send(action), 200, "Key rolled")
	if again := o.told(b); again == key || again == "" {
		t.Errorf("after the roll the key is %q", again)
	}
	o.want(t, b.Open(o.origin+"/ui/keys/"+id), 200, "retiring")

	action = "/ui/keys/" + id + "/revoke"
	b.Open(o.origin + action)
	b.Fill(action, map[string]string{"reason": "superseded", "typed": "ci"})
	o.want(t, b.Send(action), 200, "It holds on 1 of 1 nodes")
	o.want(t, b.Open(o.origin+"/ui/audit?subject="+id), 200, "revoke")
	o.want(t, b.Open(o.origin+"/ui/health"), 200, "Health")
	o.want(t, b.Open(o.origin+"/ui/people"), 200, "Add somebody")
	o.want(t, b.Open(o.origin+"/ui/me"), 200, "recovery codes left")
	o.want(t, b.Open(o.origin+"/ui/keys"), 200, "ci")
}

// watches has the page Live show a request, as text, and nothing secret of it.
func (o *office) watches(t *testing.T, b *browser.Browser) {
	t.Helper()
	o.want(t, b.Open(o.origin+"/ui/live?outcome=refused"), 200, "Of several gateways, each shows its own.")
	var said string
	b.Eval(`new Promise(done => {
		const live = document.getElementById("live");
		const look = () => live.textContent === "Watching." ? done(live.textContent) : setTimeout(look, 20);
		look();
	})`, &said)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.public+"/%3Cb%3E?token=canary7", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if _ = answer.Body.Close(); answer.StatusCode != http.StatusUnauthorized {
		t.Fatalf("the gateway answers %d", answer.StatusCode)
	}
	var row string
	b.Eval(`new Promise(done => {
		const look = () => {
			const row = document.querySelector("#decisions tr");
			row ? done(row.innerText + (row.querySelector("b") ? " as HTML" : "")) : setTimeout(look, 20);
		};
		look();
	})`, &row)
	if !strings.Contains(row, "/%3Cb%3E") || !strings.Contains(row, "authn: no-credential") || strings.Contains(row, "canary7") || strings.Contains(row, "as HTML") {
		t.Errorf("the page shows %q", row)
	}
	o.clean(t, b)
}

// told is the text of the key that the page shows.
func (*office) told(b *browser.Browser) (text string) {
	b.Eval(`document.getElementById("told").textContent`, &text)
	return text
}

// shownOnce makes a key, and looks for its text where a browser could still have it.
func (o *office) shownOnce(t *testing.T, b *browser.Browser) {
	t.Helper()
	b.Open(o.origin + "/ui/keys/new")
	b.Fill("/ui/keys/new", map[string]string{"name": "once"})
	o.want(t, b.Send("/ui/keys/new"), 200, "This is the only time that the key is shown.")
	key := o.told(b)
	id := strings.Split(key, "_")[2][:12]
	b.Open(o.origin + "/ui/keys/" + id)
	if html := b.Back(); strings.Contains(html, key) {
		t.Errorf("back shows the key:\n%s", html)
	}

	b.Open(o.origin + "/ui/keys/new")
	b.Fill("/ui/keys/new", map[string]string{"name": "twice"})
	o.want(t, b.Send("/ui/keys/new"), 200, "This is the only time that the key is shown.")
	key = o.told(b)
	if page := b.Reload(); strings.Contains(page.Text, key) || !strings.Contains(page.Text, "It is shown once: here it is gone.") {
		t.Errorf("a reload shows:\n%s", page.Text)
	}
	var kept []string
	b.Eval(`(async () => [...Object.keys(localStorage), ...Object.keys(sessionStorage), ...await caches.keys(), document.cookie].filter(s => s !== ""))()`, &kept)
	if len(kept) > 0 {
		t.Errorf("the browser keeps %q", kept)
	}
}

// markup makes keys of names and notes that are more than text, and shows them on
// every screen.
func (o *office) markup(t *testing.T, b *browser.Browser) {
	t.Helper()
	for i, text := range attack.Markup() {
		page := b.Submit(browser.Form{Action: o.origin + "/ui/keys/new", Fields: map[string]string{
			"name": text, "owner": text, "metadata": "note=" + text, "environment": "live", "once": "markup-" + strconv.Itoa(i),
		}})
		o.want(t, page, 200, "This is the only time that the key is shown.")
		of := "/ui/keys/" + strings.Split(o.told(b), "_")[2][:12]
		screens := []string{of}
		if i%10 == 0 {
			screens = append(screens, of+"/edit", of+"/revoke", of+"/roll")
		}
		for _, path := range screens {
			if page := b.Open(o.origin + path); page.Status != 200 {
				t.Errorf("%s with %s: %d", path, text, page.Status)
			}
			o.harmless(t, b, path+" with "+text)
		}
	}
	for _, path := range []string{"/ui/keys", "/ui/audit", "/ui/health"} { // with all of them
		o.want(t, b.Open(o.origin+path), 200, "javascript:pwned=1//")
		o.harmless(t, b, path)
	}
	for _, line := range b.Console() {
		t.Errorf("the console says: %s", line)
	}
	for _, address := range b.Requests() {
		if strings.Contains(address, "evil.test") {
			t.Errorf("a page asks for %s", address)
		}
	}
}

// harmless wants that nothing of the page ran: not even what waits for a click.
func (*office) harmless(t *testing.T, b *browser.Browser, where string) {
	t.Helper()
	var pwned bool
	b.Eval(`(() => {
		for (const element of document.querySelectorAll("main *")) {
			element.dispatchEvent(new Event("mouseover"));
			if (element.matches("input, textarea")) { element.focus(); element.blur(); }
		}
		return "pwned" in window;
	})()`, &pwned)
	if pwned {
		t.Errorf("%s runs a script", where)
	}
}

// others send the site's forms from pages of their own.
func (o *office) others(t *testing.T, b *browser.Browser) {
	t.Helper()
	elsewhere := browser.Serve(t, browser.Page("elsewhere"))
	list := b.Open(o.origin + "/ui/keys").Text
	for _, from := range []string{elsewhere.URL("evil.test", "/"), elsewhere.URL("localhost", "/")} {
		for _, path := range []string{"/ui/login", "/ui/logout", "/ui/keys/new", "/ui/keys/search", "/ui/setup"} {
			b.Open(from)
			page := b.Submit(browser.Form{Action: o.origin + path, Fields: map[string]string{"name": "forged", "environment": "live", "once": "forged", "password": adminPassword}})
			if page.Status != 403 {
				t.Errorf("a form of %s to %s: %d, want 403", from, path, page.Status)
			}
		}
		b.Open(from)
		if got := b.Fetch(o.origin+"/ui/keys", `{credentials: "include"}`); got.Failed == "" {
			t.Errorf("%s reads the list: %+v", from, got)
		}
	}
	if after := b.Open(o.origin + "/ui/keys").Text; after != list {
		t.Errorf("the list became\n%s", after)
	}
}

// frames puts the pages into frames of another site, and of the site itself.
func (o *office) frames(t *testing.T, b *browser.Browser) {
	t.Helper()
	site := browser.Serve(t, browser.Page(`<iframe id=f src="`+o.origin+`/ui/login"></iframe><object id=o data="`+o.origin+`/ui/keys"></object>`))
	before := len(b.Console())
	b.Open(site.URL("evil.test", "/"))
	b.Open(site.URL("localhost", "/")) // the cookie would come along
	refused := 0
	for _, line := range b.Console()[before:] {
		if strings.Contains(line, "frame") {
			refused++
		}
	}
	if refused < 4 {
		t.Errorf("%d frames of 4 were refused: %q", refused, b.Console()[before:])
	}
}
