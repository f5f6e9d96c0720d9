package adminui_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
	"github.com/warder-dev/warder/sqlite"
)

const goodPassword = "seven quiet otters"

// A journal is what was logged.
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

// A house is a whole warder with a database in a file, as it answers on its admin
// listener.
type house struct {
	admin   string // host:port
	gateway string
	file    string // of the database
	db      *sqlite.DB
	people  *account.Manager
	issuer  *apikey.Issuer
	log     *journal
}

// start runs it. yaml is more of its configuration, line by line.
func start(t *testing.T, yaml ...string) *house {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	folder := t.TempDir()
	flags := map[string]string{
		"listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0", "db": filepath.Join(folder, "warder.db"), "upstream": "http://127.0.0.1:9",
	}
	file := filepath.Join(folder, "warder.yaml")
	must(os.WriteFile(file, []byte(strings.Join(yaml, "\n")+"\n"), 0o600))
	cfg, err := config.Load(config.Source{Flags: flags, File: file})
	must(err)
	listeners, err := server.Listen(t.Context(), cfg)
	must(err)
	h := &house{admin: listeners.Admin.Addr().String(), gateway: listeners.Public.Addr().String(), file: cfg.DB, log: new(journal)}
	log := slog.New(slog.NewJSONHandler(h.log, nil))
	h.db, err = sqlite.Open(t.Context(), sqlite.Config{Path: cfg.DB, Log: log})
	must(err)
	line, err := apikey.NewPepper(rand.Reader)
	must(err)
	peppers, err := apikey.ParsePeppers(line)
	must(err)
	signer, err := audit.NewSigner()
	must(err)
	h.issuer, err = apikey.NewIssuer(apikey.IssuerConfig{Store: h.db.APIKeys(), Peppers: peppers, Prefix: "wrd"})
	must(err)
	hash := func(text secret.Text) (string, error) {
		return password.Hash(text, password.Params{Memory: 7 << 10, Time: 2, Threads: 1})
	}
	h.people, err = account.New(account.Config{Store: h.db.Accounts(), Hash: hash, Sealer: peppers, Ended: func(context.Context, account.ID) {}})
	must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- server.Run(ctx, server.Options{
			Config: cfg, Listeners: listeners, Store: h.db.APIKeys(), Registry: h.db.Nodes(), Sessions: h.db.Sessions(), Credits: h.db.Credits(),
			Outbox: h.db.Outbox(), Peppers: peppers, Audit: &server.AuditOptions{Store: h.db.Audit(), Signer: signer}, Usage: h.db.Usage(),
			Accounts: h.db.Accounts(), AccessLog: log, Log: log, Dropped: func() uint64 { return 0 }, Version: "test",
			AdminToken: secret.New("an admin token of the test"), LimitStoreUp: func() bool { return false }, Ready: func() { close(ready) },
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
		must(h.db.Close())
	})
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		t.Fatalf("the program did not start: %v", err)
	}
	return h
}

// A person is somebody at a browser.
type person struct {
	h      *house
	id     account.ID
	name   string
	shared secret.Text
	codes  []secret.Text
	cookie string
	proofs int // that were given
}

// settle makes an account of the role and sets it up.
func (h *house) settle(t *testing.T, name string, role account.Role) *person {
	t.Helper()
	operator := account.Actor{By: "user:root", Source: "cli", Operator: true}
	a, link, err := h.people.Create(t.Context(), operator, account.Spec{Name: name, Role: role}, account.Link{Anywhere: true})
	if err != nil {
		t.Fatal(err)
	}
	from := netip.MustParseAddr("127.0.0.1")
	offer, err := h.people.Offer(t.Context(), link, from)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{h: h, id: a.ID, name: name, shared: offer.Secret}
	f := account.Finish{Password: secret.New(goodPassword), Offer: offer.Sealed}
	if offer.Factor {
		f.Code = p.code(t, 0)
	}
	if _, p.codes, err = h.people.Finish(t.Context(), link, from, f); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *person) code(t *testing.T, after time.Duration) string {
	t.Helper()
	text, err := account.Code(p.shared, time.Now().Add(after))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// proof is a second factor that was not used yet: the next code of the authenticator,
// and then recovery codes.
func (p *person) proof(t *testing.T) string {
	t.Helper()
	p.proofs++
	if p.proofs == 1 {
		return p.code(t, 30*time.Second)
	}
	return p.codes[p.proofs-2].Reveal()
}

// A shown page is what came back.
type shown struct {
	status int
	header http.Header
	body   string
}

// raw is a request as it is sent: no field of a browser is added.
func (p *person) raw(t *testing.T, method, path string, form url.Values, header http.Header) shown {
	t.Helper()
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.h.admin+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header.Clone()
	}
	if form != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if p.cookie != "" {
		r.Header.Set("Cookie", login.Cookie+"="+p.cookie)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		if p.cookie = c.Value; c.MaxAge < 0 {
			p.cookie = ""
		}
	}
	return shown{response.StatusCode, response.Header, string(text)}
}

// browser are the fields that a browser adds on a page of the site itself.
func (p *person) browser() http.Header {
	return http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://" + p.h.admin}, "User-Agent": {"a browser"}, "Accept": {"text/html"}}
}

// get opens a page.
func (p *person) get(t *testing.T, path string) shown {
	t.Helper()
	header := p.browser()
	header.Del("Origin")
	return p.raw(t, http.MethodGet, path, nil, header)
}

// post sends a form of the site's.
func (p *person) post(t *testing.T, path string, form url.Values) shown {
	t.Helper()
	return p.raw(t, http.MethodPost, path, form, p.browser())
}

// fill opens a page, and returns its last form with what is in its fields, and these
// pairs in their place.
func (p *person) fill(t *testing.T, path string, pairs ...string) url.Values {
	t.Helper()
	page := p.get(t, path).want(t, "open "+path, http.StatusOK)
	form := page.form(t)
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

var (
	inputs   = regexp.MustCompile(`(?s)<input[^>]*?\sname="([^"]*)"[^>]*?>`)
	values   = regexp.MustCompile(`(?s)\svalue="([^"]*)"`)
	areas    = regexp.MustCompile(`(?s)<textarea[^>]*\sname="([^"]*)"[^>]*>(.*?)</textarea>`)
	selects  = regexp.MustCompile(`(?s)<select[^>]*\sname="([^"]*)"[^>]*>(.*?)</select>`)
	selected = regexp.MustCompile(`<option value="([^"]*)" selected>`)
	first    = regexp.MustCompile(`<option value="([^"]*)"`)
)

// form are the fields of the last form, as a browser would send them.
func (s shown) form(t *testing.T) url.Values {
	t.Helper()
	at := strings.LastIndex(s.body, "<form ")
	if at < 0 {
		t.Fatalf("there is no form:\n%s", s.body)
	}
	text, form := s.body[at:], url.Values{}
	for _, m := range inputs.FindAllStringSubmatch(text, -1) {
		value := ""
		if v := values.FindStringSubmatch(m[0]); v != nil {
			value = v[1]
		}
		form.Set(m[1], html.UnescapeString(value))
	}
	for _, m := range areas.FindAllStringSubmatch(text, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	for _, m := range selects.FindAllStringSubmatch(text, -1) {
		v := selected.FindStringSubmatch(m[2])
		if v == nil {
			v = first.FindStringSubmatch(m[2])
		}
		form.Set(m[1], html.UnescapeString(v[1]))
	}
	return form
}

func (s shown) want(t *testing.T, what string, status int) shown {
	t.Helper()
	if s.status != status {
		t.Fatalf("%s: %d, want %d\n%s", what, s.status, status, s.text())
	}
	return s
}

// leads wants a redirect to path.
func (s shown) leads(t *testing.T, what, path string) {
	t.Helper()
	if s.want(t, what, http.StatusSeeOther); s.header.Get("Location") != path {
		t.Errorf("%s leads to %q, want %q", what, s.header.Get("Location"), path)
	}
}

var tags = regexp.MustCompile(`(?s)<svg.*?</svg>|<tbody><tr><th scope="row">\d{4}-.*?</tbody>|<[^>]*>`)

// text is what people read of it.
func (s shown) text() string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(s.body, " "))), " ")
}

func (s shown) has(t *testing.T, what string, all ...string) {
	t.Helper()
	for _, one := range all {
		if !strings.Contains(s.text(), one) {
			t.Errorf("%s lacks %q:\n%s", what, one, s.text())
		}
	}
}

// login logs in through the pages.
func (p *person) login(t *testing.T) *person {
	t.Helper()
	page := p.post(t, "/ui/login", url.Values{"name": {p.name}, "password": {goodPassword}})
	if page.status == http.StatusOK {
		form := page.form(t)
		form.Set("code", p.proof(t))
		page = p.post(t, "/ui/login/code", form)
	}
	page.leads(t, "login", "/ui/keys")
	if p.cookie == "" {
		t.Fatal("there is no cookie after the login")
	}
	return p
}

var told = regexp.MustCompile(`(?s)<pre class="secret" id="told"[^>]*>([^<]*)</pre>`)

// secret is the text of a key that the page shows; "" for none.
func (s shown) secret() string {
	m := told.FindStringSubmatch(s.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// key makes a key behind the page's back.
func (h *house) key(t *testing.T, spec apikey.Spec) (apikey.Record, string) {
	t.Helper()
	if spec.Environment == "" {
		spec.Environment = "live"
	}
	r, text, err := h.issuer.Create(t.Context(), apikey.By{Actor: "system", Source: "test"}, spec)
	if err != nil {
		t.Fatal(err)
	}
	return r, text.Reveal()
}

// record is a key as it is stored.
func (h *house) record(t *testing.T, id string) apikey.Record {
	t.Helper()
	r, err := h.db.APIKeys().Lookup(t.Context(), apikey.ID(id))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ops are what the audit says of a subject, the oldest first, with who did it.
func (h *house) ops(t *testing.T, subject string) (all []string) {
	t.Helper()
	entries, err := h.db.Audit().List(t.Context(), audit.Query{Subject: subject, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Op+" by "+e.Actor+" from "+e.Source)
	}
	return all
}

func secretText(text string) secret.Text { return secret.New(text) }

// grow makes the person's session older than a fresh one, as time would.
func (p *person) grow(t *testing.T) {
	t.Helper()
	old := time.Now().Add(-account.FreshFor - time.Minute).Unix()
	db, err := sql.Open("sqlite", p.h.file+"?_pragma=busy_timeout(30000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result, err := db.ExecContext(t.Context(), "UPDATE sessions SET user = json_set(user, '$.claims.auth_time', ?) WHERE subject = ?", old, string(p.id))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); n == 0 || err != nil {
		t.Fatalf("%d sessions grew older, %v", n, err)
	}
}
