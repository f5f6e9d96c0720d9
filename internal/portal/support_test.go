package portal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/portal"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/sqlite"
)

const adminToken = "the-admin-token-of-the-test"

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

// A brittle store gives no answer when it is told so.
type brittle struct {
	portallink.Store

	broken atomic.Bool
}

func (b *brittle) Lookup(ctx context.Context, id portallink.ID) (portallink.Pass, error) {
	if b.broken.Load() {
		return portallink.Pass{}, errors.New("no answer")
	}
	return b.Store.Lookup(ctx, id)
}

// A house is a whole warder with a database in a file and a portal.
type house struct {
	portal  string // host:port
	admin   string
	gateway string
	file    string // of the database
	peppers *apikey.Peppers
	db      *sqlite.DB
	issuer  *apikey.Issuer
	log     *journal
	passes  *brittle
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start runs it. yaml is more of its configuration, line by line.
func start(t *testing.T, yaml ...string) *house { t.Helper(); return startBeside(t, nil, yaml...) }

// startBeside is start with the database of another one; nil for its own.
func startBeside(t *testing.T, other *house, yaml ...string) *house {
	t.Helper()
	folder := t.TempDir()
	h := &house{log: new(journal), file: filepath.Join(folder, "warder.db")}
	if other != nil {
		h.file = other.file
	}
	flags := map[string]string{"listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0", "db": h.file, "upstream": "http://127.0.0.1:9"}
	file := filepath.Join(folder, "warder.yaml")
	if !slices.ContainsFunc(yaml, func(line string) bool { return strings.HasPrefix(line, "portal:") }) {
		yaml = append(yaml, "portal: {listen: 127.0.0.1:0, url: 'http://localhost:8084', return_urls: ['https://app.test/settings'], requests_per_minute: 100000}")
	}
	must(t, os.WriteFile(file, []byte(strings.Join(yaml, "\n")+"\n"), 0o600))
	cfg, err := config.Load(config.Source{Flags: flags, File: file})
	must(t, err)
	listeners, err := server.Listen(t.Context(), cfg)
	must(t, err)
	h.portal, h.admin, h.gateway = listeners.Portal.Addr().String(), listeners.Admin.Addr().String(), listeners.Public.Addr().String()
	log := slog.New(slog.NewJSONHandler(h.log, nil))
	h.db, err = sqlite.Open(t.Context(), sqlite.Config{Path: h.file, Log: log})
	must(t, err)
	h.passes = &brittle{Store: h.db.Portal()}
	if other != nil {
		h.peppers = other.peppers
	} else {
		line, err := apikey.NewPepper(rand.Reader)
		must(t, err)
		h.peppers, err = apikey.ParsePeppers(line)
		must(t, err)
	}
	signer, err := audit.NewSigner()
	must(t, err)
	h.issuer, err = apikey.NewIssuer(apikey.IssuerConfig{Store: h.db.APIKeys(), Peppers: h.peppers, Prefix: "wrd"})
	must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- server.Run(ctx, server.Options{
			Config: cfg, Listeners: listeners, Store: h.db.APIKeys(), Registry: h.db.Nodes(), Sessions: h.db.Sessions(), Credits: h.db.Credits(),
			Outbox: h.db.Outbox(), Peppers: h.peppers, Audit: &server.AuditOptions{Store: h.db.Audit(), Signer: signer}, Usage: h.db.Usage(),
			Accounts: h.db.Accounts(), Attempts: h.db.Attempts(0), Portal: h.passes, AccessLog: log, Log: log, Dropped: func() uint64 { return 0 }, Version: "test",
			AdminToken: secret.New(adminToken), LimitStoreUp: func() bool { return false }, Ready: func() { close(ready) },
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
		must(t, h.db.Close())
	})
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		t.Fatalf("the program did not start: %v", err)
	}
	return h
}

// exec writes to the database behind the program's back.
func (h *house) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", h.file+"?_pragma=busy_timeout(30000)")
	must(t, err)
	defer db.Close()
	result, err := db.ExecContext(t.Context(), query, args...)
	must(t, err)
	if n, err := result.RowsAffected(); n == 0 || err != nil {
		t.Fatalf("%d rows were changed, %v", n, err)
	}
}

// api asks the admin API, with the token.
func (h *house) api(t *testing.T, path string, body any, wantStatus int) (answer map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	must(t, err)
	if body == nil {
		text = nil
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.admin+path, bytes.NewReader(text))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+adminToken)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	must(t, err)
	defer response.Body.Close()
	must(t, json.NewDecoder(response.Body).Decode(&answer))
	if response.StatusCode != wantStatus {
		t.Fatalf("%s: %d, want %d: %v", path, response.StatusCode, wantStatus, answer)
	}
	return answer
}

type object = map[string]any

// everything is a link that allows all there is.
func everything(owner string) object {
	return object{
		"owner": owner, "may": []string{"roll", "revoke", "usage"}, "return": "https://app.test/settings",
		"create": object{"keys": 2, "environment": "live", "scopes": []string{"orders:read", "orders:write"}, "max_ttl": "90d"},
	}
}

// link makes a link, and returns its id and its text.
func (h *house) link(t *testing.T, spec object) (id, text string) {
	t.Helper()
	made := h.api(t, "/v1/portalLinks", spec, http.StatusCreated)
	address, _ := made["url"].(string)
	id, _ = made["id"].(string)
	page, text, found := strings.Cut(address, "#")
	if !found || page != "http://localhost:8084/open" || !strings.HasPrefix(text, "wpl_"+id+"_") {
		t.Fatalf("the link is %v", made)
	}
	return id, text
}

// A holder is somebody at a browser.
type holder struct {
	h      *house
	cookie string
}

// A shown page is what came back.
type shown struct {
	status int
	header http.Header
	body   string
}

// raw is a request as it is sent: no field of a browser is added.
func (p *holder) raw(t *testing.T, method, path string, form url.Values, header http.Header) shown {
	t.Helper()
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.h.portal+path, body)
	must(t, err)
	if header != nil {
		r.Header = header.Clone()
	}
	r.Host = "localhost:8084"
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	if form != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if p.cookie != "" {
		r.Header.Set("Cookie", portal.Cookie+"="+p.cookie)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	for _, c := range response.Cookies() {
		if p.cookie = c.Value; c.MaxAge < 0 {
			p.cookie = ""
		}
	}
	return shown{response.StatusCode, response.Header, string(text)}
}

// browser are the fields that a browser adds on a page of the site itself.
func browser() http.Header {
	return http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://localhost:8084"}, "User-Agent": {"a browser"}}
}

func (p *holder) get(t *testing.T, path string) shown {
	t.Helper()
	header := browser()
	header.Del("Origin")
	return p.raw(t, http.MethodGet, path, nil, header)
}

func (p *holder) post(t *testing.T, path string, form url.Values) shown {
	t.Helper()
	return p.raw(t, http.MethodPost, path, form, browser())
}

// enter opens a link.
func (h *house) enter(t *testing.T, text string) *holder {
	t.Helper()
	p := &holder{h: h}
	got := p.post(t, "/open", url.Values{"link": {text}}).want(t, "open the link", http.StatusSeeOther)
	if got.header.Get("Location") != "/" || p.cookie == "" {
		t.Fatalf("the link leads to %q with the cookie %q", got.header.Get("Location"), p.cookie)
	}
	return p
}

// visitor is a holder of everything of the owner.
func (h *house) visitor(t *testing.T, owner string) *holder {
	t.Helper()
	_, text := h.link(t, everything(owner))
	return h.enter(t, text)
}

func (s shown) want(t *testing.T, what string, status int) shown {
	t.Helper()
	if s.status != status {
		t.Fatalf("%s: %d, want %d\n%s", what, s.status, status, s.text())
	}
	return s
}

var (
	tags   = regexp.MustCompile(`(?s)<[^>]*>`)
	inputs = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	told   = regexp.MustCompile(`(?s)<pre class="secret" id="told"[^>]*>([^<]*)</pre>`)
)

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

// secret is the text of a key that the page shows; "" for none.
func (s shown) secret() string {
	m := told.FindStringSubmatch(s.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// fill opens a page, and returns what is hidden in its form, with these pairs.
func (p *holder) fill(t *testing.T, path string, pairs ...string) url.Values {
	t.Helper()
	form := url.Values{}
	for _, m := range inputs.FindAllStringSubmatch(p.get(t, path).want(t, "open "+path, http.StatusOK).body, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return form
}

// key makes a key behind the page's back.
func (h *house) key(t *testing.T, spec apikey.Spec) (apikey.Record, string) {
	t.Helper()
	if spec.Environment == "" {
		spec.Environment = "live"
	}
	r, text, err := h.issuer.Create(t.Context(), apikey.By{Actor: "system", Source: "test"}, spec)
	must(t, err)
	return r, text.Reveal()
}

// record is a key as it is stored.
func (h *house) record(t *testing.T, id apikey.ID) apikey.Record {
	t.Helper()
	r, err := h.db.APIKeys().Lookup(t.Context(), id)
	must(t, err)
	return r
}

// keys are all of an owner, by id.
func (h *house) keys(t *testing.T, owner string) []apikey.Record {
	t.Helper()
	page, err := h.db.APIKeys().Find(t.Context(), apikey.Filter{Owner: owner, Limit: 1000})
	must(t, err)
	return page.Records
}

// ops are what the audit says of a subject, the oldest first, with who did it.
func (h *house) ops(t *testing.T, subject string) (all []string) {
	t.Helper()
	entries, err := h.db.Audit().List(t.Context(), audit.Query{Subject: subject, Limit: 100})
	must(t, err)
	for _, e := range entries {
		all = append(all, e.Op+" by "+e.Actor+" from "+e.Source)
	}
	return all
}
