package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
)

// ownPage and its friends are what browsers say of where a request comes from.
const (
	ownPage     = "Sec-Fetch-Site: same-origin\r\nOrigin: http://app.example.com\r\n"
	siblingPage = "Sec-Fetch-Site: same-site\r\nOrigin: http://evil.example.com\r\n"
	otherPage   = "Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\n"
)

// withLogin starts a program with the settings of [loginSettings].
func withLogin(t *testing.T, session string, more ...string) shootingRange {
	t.Helper()
	return newRange(t, loginSettings(t, session, more...), wire.OK)
}

// loginSettings has sessions, and two people who may log in. session is more of the
// session's settings, with a comma before each; more is the rest of the
// configuration.
func loginSettings(t *testing.T, session string, more ...string) string {
	t.Helper()
	hash, err := password.Hash(secret.New("correct horse"), password.Params{Memory: 7168, Time: 5, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, fmt.Appendf(nil, "ada:%s\nbob:%[1]s\n", hash), 0o600); err != nil {
		t.Fatal(err)
	}
	return `
users: {file: ` + users + `}
session: {password: true` + session + `}
schemes: {login: {session: {}}}
security: [{login: []}, {apiKey: []}]
csrf: {trusted_origins: ["https://admin.example.com"]}
cors: {default: {origins: ["https://reader.example.com"], credentials: true, request_headers: [X-CSRF-Token]}}
routes:
  - {match: "/", upstream: api}
` + strings.Join(more, "")
}

// send sends a request to app.example.com and returns the answer.
func (r shootingRange) send(t *testing.T, line, head, body string) (*http.Response, string) {
	t.Helper()
	return r.sendTo(t, "app.example.com", line, head, body)
}

// sendTo is send to another host.
func (r shootingRange) sendTo(t *testing.T, host, line, head, body string) (*http.Response, string) {
	t.Helper()
	c := dialFrom(t, "127.0.0.1", r.gateway)
	c.Send(fmt.Sprintf("%s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n%s", line, host, head, len(body), body))
	method, _, _ := strings.Cut(line, " ")
	w, text := c.Response(method)
	if w == nil {
		t.Fatalf("%s: no answer", line)
	}
	return w, text
}

// login logs somebody in, from a page, and returns the cookie's field.
func (r shootingRange) login(t *testing.T, name, from string) (cookie string, status int) {
	t.Helper()
	form := url.Values{"username": {name}, "password": {"correct horse"}}.Encode()
	w, _ := r.send(t, "POST /auth/login", from+"Content-Type: application/x-www-form-urlencoded\r\n", form)
	for _, c := range w.Cookies() {
		if c.Name == "__Host-session" {
			cookie = "Cookie: " + c.Name + "=" + c.Value + "\r\n"
		}
	}
	return cookie, w.StatusCode
}

// token asks for a token, as a script of the site does.
func (r shootingRange) token(t *testing.T, cookie string) string {
	t.Helper()
	w, body := r.send(t, "GET /auth/csrf", cookie, "")
	var answer struct {
		Token string `json:"csrf_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Token == "" || w.StatusCode != http.StatusOK {
		t.Fatalf("the token: %d %s %v", w.StatusCode, body, err)
	}
	return answer.Token
}

// A write is a POST with a session, and what comes of it.
type write struct {
	name, fields string
	want         int
}

// writes sends each write with the cookie.
func (r shootingRange) writes(t *testing.T, id, cookie string, all []write) {
	t.Helper()
	attack.Case(t, id, attack.Gateway, func(t *testing.T) {
		for _, w := range all {
			if got, _ := r.send(t, "POST /orders", cookie+w.fields, "x=1"); got.StatusCode != w.want {
				t.Errorf("%s: %d, want %d", w.name, got.StatusCode, w.want)
			}
		}
	})
}

func TestCSRFAtTheGateway(t *testing.T) {
	r := withLogin(t, "")
	attack.Case(t, "CSRF-07", attack.Gateway, func(t *testing.T) {
		for name, tt := range map[string]struct {
			from string
			want int
		}{
			"a sibling": {siblingPage, 403}, "another site": {otherPage, 403}, "an old browser on another site": {"Origin: https://evil.example\r\n", 403},
			"nobody says": {"", 403}, "hidden": {"Origin: null\r\n", 403},
		} {
			if cookie, status := r.login(t, "bob", tt.from); status != tt.want || cookie != "" {
				t.Errorf("a login form of %s: %d with %q, want %d and no cookie", name, status, cookie, tt.want)
			}
		}
	})
	first, _ := r.login(t, "ada", ownPage)
	early := r.token(t, first)
	ada, status := r.login(t, "ada", ownPage+first)
	bob, _ := r.login(t, "bob", ownPage)
	if status != http.StatusSeeOther || ada == "" || bob == "" {
		t.Fatalf("logging in: %d, %q, %q", status, ada, bob)
	}
	mine, theirs := r.token(t, ada), r.token(t, bob)
	const field = "X-CSRF-Token: "
	r.writes(t, "CSRF-01", ada, []write{
		{"the site itself", ownPage, 200},
		{"a sibling", siblingPage, 403},
		{"another site", otherPage, 403},
		{"another site, by an old browser", "Origin: https://evil.example\r\n", 403},
		{"nothing tells", "", 403},
		{"nothing tells, with a token", field + mine + "\r\n", 200},
		{"a token does not outweigh another site", otherPage + field + mine + "\r\n", 403},
	})
	var origins []write
	for _, origin := range []string{
		"null", "https://app.example.com", "http://app.example.com:8080", "http://app.example.com.evil.example", "http://app.example.community", "http://evil-app.example.com",
		"http://app.example.com@evil.example", "HTTP://app.example.com", "http://APP.example.com", "",
	} {
		origins = append(origins, write{"Origin " + origin, "Origin: " + origin + "\r\n", 403})
	}
	r.writes(t, "CSRF-02", ada, append(
		origins,
		write{"Referer only", "Referer: http://app.example.com/\r\n", 403},
		write{"two", "Origin: http://app.example.com\r\nOrigin: http://app.example.com\r\n", 403},
		write{"the own one", "Origin: http://app.example.com\r\n", 200},
	))
	r.send(t, "POST /auth/logout", bob+ownPage, "")
	r.writes(t, "CSRF-03", ada, []write{
		{"cut", field + mine[:len(mine)-1] + "\r\n", 403},
		{"longer", field + mine + "a\r\n", 403},
		{"empty", field + "\r\n", 403},
		{"of another session", field + theirs + "\r\n", 403},
		{"two", field + mine + "\r\n" + field + mine + "\r\n", 403},
		{"another text", field + strings.Repeat("A", len(mine)) + "\r\n", 403},
		{"of another session, after its logout", field + theirs + "\r\n", 403},
		{"of a session before this login", field + early + "\r\n", 403},
		{"of this session", field + mine + "\r\n", 200},
	})
	r.writes(t, "CSRF-03", bob, []write{{"after logout", field + theirs + "\r\n", 401}})
	r.tossed(t, ada, mine, theirs)
}

// tossed tries what does not count as proof.
func (r shootingRange) tossed(t *testing.T, ada, mine, theirs string) {
	t.Helper()
	const field = "X-CSRF-Token: "
	twice := strings.TrimSuffix(ada, "\r\n") + "; __Host-csrf=" + theirs + "\r\n"
	r.writes(t, "CSRF-04", twice, []write{{"a sibling's token, in a cookie and in the field", field + theirs + "\r\n", 403}, {"the cookie alone", "", 403}})
	var overrides, types, paths []write
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		overrides = append(overrides, write{name, otherPage + name + ": GET\r\n", 403})
	}
	r.writes(t, "CSRF-05", ada, overrides)
	r.overrides(t, ada)
	for _, content := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/csp-report"} {
		types = append(
			types,
			write{content + " from elsewhere", otherPage + "Content-Type: " + content + "\r\n", 403},
			write{content + " from nowhere", "Content-Type: " + content + "\r\n", 403},
			write{content + " from the site", ownPage + "Content-Type: " + content + "\r\n", 200},
		)
	}
	r.writes(t, "CSRF-06", ada, types)
	attack.Case(t, "CSRF-10", attack.Gateway, func(t *testing.T) {
		for _, line := range []string{"POST /orders?csrf_token=" + mine, "POST /orders?X-CSRF-Token=" + mine, "POST /" + mine} {
			for _, referer := range []string{"", "Referer: http://app.example.com/?csrf_token=" + mine + "\r\n"} {
				if w, _ := r.send(t, line, ada+referer, ""); w.StatusCode != http.StatusForbidden {
					t.Errorf("%.30s: %d, want 403", line, w.StatusCode)
				}
			}
		}
	})
	r.writes(t, "CSRF-11", ada, []write{
		{"an origin that may read", "Sec-Fetch-Site: cross-site\r\nOrigin: https://reader.example.com\r\n", 403},
		{"an origin that is trusted to write", "Sec-Fetch-Site: cross-site\r\nOrigin: https://admin.example.com\r\n", 200},
		{"one that looks like it", "Sec-Fetch-Site: cross-site\r\nOrigin: https://admin.example.com.evil.example\r\n", 403},
	})
	attack.Case(t, "CSRF-12", attack.Gateway, func(t *testing.T) {
		texts := map[string]bool{}
		for range 8 {
			token := r.token(t, ada)
			texts[token] = true
			if w, _ := r.send(t, "POST /orders", ada+field+token+"\r\n", ""); w.StatusCode != http.StatusOK {
				t.Errorf("a token of eight: %d, want 200", w.StatusCode)
			}
		}
		if len(texts) != 8 {
			t.Errorf("%d texts of 8 tokens", len(texts))
		}
	})
	for _, f := range []string{"X-Requested-With: XMLHttpRequest", "User-Agent: curl/8", "X-CSRF-Exempt: 1", "Sec-Fetch-Mode: navigate", "X-Forwarded-Host: evil.example", "X-Original-URL: /auth/login"} {
		paths = append(paths, write{f, otherPage + f + "\r\n", 403})
	}
	r.writes(t, "CSRF-13", ada, paths)
	attack.Case(t, "CSRF-13", attack.Gateway, func(t *testing.T) {
		for _, path := range []string{"/", "/auth", "/auth/csrf/", "/webhook", "/static/a.css", "/auth/%6cogin/x"} {
			if w, _ := r.send(t, "POST "+path, ada+otherPage, ""); w.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %d, want 403", path, w.StatusCode)
			}
		}
	})
}

// overrides says by a form, a query and a field that the method is another.
func (r shootingRange) overrides(t *testing.T, cookie string) {
	t.Helper()
	attack.Case(t, "CSRF-05", attack.Gateway, func(t *testing.T) {
		const form = "Content-Type: application/x-www-form-urlencoded\r\n"
		for _, tt := range []struct {
			line, fields, body string
			want               int
			upstream           string // what it is asked; "" for nothing
		}{
			{"POST /orders", otherPage + form, "_method=GET", 403, ""},
			{"POST /orders?_method=GET", otherPage + form, "", 403, ""},
			{"POST /orders?_method=GET", ownPage + form, "_method=DELETE", 200, "POST /orders?_method=GET HTTP/1.1\r\n"},
			{"GET /orders?_method=DELETE", otherPage + "X-HTTP-Method-Override: DELETE\r\n", "", 200, "GET /orders?_method=DELETE HTTP/1.1\r\n"},
		} {
			before := r.upstream.Received()
			w, _ := r.send(t, tt.line, cookie+tt.fields, tt.body)
			if sent := news(before, r.upstream.Received()); w.StatusCode != tt.want || !strings.Contains(sent, tt.upstream) || tt.upstream == "" && sent != "" {
				t.Errorf("%s with %q: %d, want %d; the upstream was sent %q", tt.line, tt.body, w.StatusCode, tt.want, sent)
			}
		}
	})
}

// The page's own configuration starts, and trusts whom it names.
func TestTheConfigurationOfThePage(t *testing.T) {
	blocks := onPage(t, "../../docs/guide/csrf.md", "What is proof", "yaml")
	if len(blocks) != 2 {
		t.Fatalf("the page has %d blocks of YAML, want 2", len(blocks))
	}
	keys := filepath.Join(t.TempDir(), "csrf")
	if err := os.WriteFile(keys, []byte(strings.Repeat("new", 20)+"\n"+strings.Repeat("old", 20)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRange(t, strings.ReplaceAll(withoutUpstream(t, blocks[1]), "${CSRF_KEYS}", "file:"+keys)+`
schemes: {cookieKey: {key: {in: cookie}}}
routes:
  - {match: "/", upstream: api, security: [{cookieKey: []}]}
`, wire.OK)
	for from, want := range map[string]int{"https://admin.example.com": 200, "https://other.example.com": 403} {
		if w, _ := r.send(t, "POST /", "Cookie: __Host-api_key="+r.key+"\r\nOrigin: "+from+"\r\n", ""); w.StatusCode != want {
			t.Errorf("from %s: %d, want %d", from, w.StatusCode, want)
		}
	}
}
