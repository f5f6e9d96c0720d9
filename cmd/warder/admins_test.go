package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// runIn runs a command line in this process and returns what it said.
func runIn(t *testing.T, stdin io.Reader, stderr io.Writer, args ...string) (code int, stdout string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), process{args: args, environ: []string{"USER=ada"}, stdin: stdin, stdout: &out, stderr: stderr})
	return code, out.String()
}

// accept sets up an owner by a link, with an authenticator of the test's own: the
// program tells the secret before it asks for a code. It returns the secret, the
// recovery codes, and everything that was said.
func accept(t *testing.T, db, link string) (shared secret.Text, codes []string, said string) {
	t.Helper()
	stdin, typed := io.Pipe()
	heard, stderr := io.Pipe()
	t.Cleanup(func() { _ = stdin.Close(); _ = heard.Close() })
	type end struct {
		code   int
		stdout string
	}
	ended := make(chan end, 1)
	go func() {
		code, stdout := runIn(t, stdin, stderr, "admins", "accept", "--db", db)
		_ = stderr.Close()
		ended <- end{code, stdout}
	}()
	go func() { _, _ = io.WriteString(typed, link+"\nseven quiet otters\n") }()
	var all strings.Builder
	for lines := bufio.NewScanner(heard); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		if text, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "secret  "); ok {
			shared = secret.New(text)
			code, err := account.Code(shared, time.Now())
			if err != nil {
				t.Error(err)
			}
			go func() { _, _ = io.WriteString(typed, code+"\n") }()
		}
	}
	done := <-ended
	if done.code != 0 {
		t.Fatalf("admins accept = %d: %s", done.code, all.String())
	}
	return shared, strings.Fields(done.stdout), all.String()
}

// An owner on the command line: from the first link to the rule that the last one
// stays.
func TestAnOwnerSetsItselfUp(t *testing.T) {
	db := filepath.Join(t.TempDir(), "warder.db")
	var stderr bytes.Buffer
	code, link := runIn(t, strings.NewReader(""), &stderr, "admins", "setup", "--db", db, "--output", "secret")
	if code != 0 {
		t.Fatalf("admins setup = %d: %s", code, stderr.String())
	}
	shared, codes, said := accept(t, db, strings.TrimSpace(link))
	if len(codes) != 10 || !strings.Contains(said, `"ada" can log in`) || !strings.Contains(said, "otpauth://totp/warder:ada?") {
		t.Errorf("%d recovery codes, and said:\n%s", len(codes), strings.ReplaceAll(said, shared.Reveal(), "..."))
	}
	if strings.Contains(said, "otters") || strings.Contains(said, strings.TrimSpace(link)) {
		t.Error("a password or a link was repeated")
	}
	attack.Case(t, "ADMIN-12", attack.CLI, func(t *testing.T) {
		stderr.Reset()
		code, _ := runIn(t, strings.NewReader(link), &stderr, "admins", "accept", "--db", db)
		if code != exitUsage || !strings.Contains(stderr.String(), "was used") {
			t.Errorf("a link again = %d: %s", code, stderr.String())
		}
		stderr.Reset()
		code, elsewhere := runIn(t, strings.NewReader(""), &stderr, "admins", "add", "eve", "--role", "auditor", "--from", "192.0.2.7", "--db", db, "--output", "secret")
		if code != 0 {
			t.Fatal(stderr.String())
		}
		if code, _ := runIn(t, strings.NewReader(elsewhere), &stderr, "admins", "accept", "--db", db); code != exitDenied {
			t.Errorf("a link for elsewhere = %d: %s", code, stderr.String())
		}
	})
	attack.Case(t, "ADMIN-08", attack.CLI, func(t *testing.T) {
		for _, args := range [][]string{{"remove", "ada"}, {"disable", "ada"}, {"role", "ada", "admin"}} {
			stderr.Reset()
			code, _ := runIn(t, strings.NewReader(""), &stderr, append(append([]string{"admins"}, args...), "--db", db)...)
			if code != exitUsage || !strings.Contains(stderr.String(), "the last owner stays") {
				t.Errorf("%v = %d: %s", args, code, stderr.String())
			}
		}
	})
	stderr.Reset()
	if code, _ := runIn(t, strings.NewReader(""), &stderr, "admins", "setup", "--name", "eve", "--db", db); code != exitUsage || !strings.Contains(stderr.String(), "there is an owner already") {
		t.Errorf("setup again = %d: %s", code, stderr.String())
	}
	// Who lost everything is helped by the command line.
	for _, what := range []string{"reset-password", "reset-factor"} {
		stderr.Reset()
		code, link := runIn(t, strings.NewReader(""), &stderr, "admins", what, "ada", "--db", db, "--output", "secret")
		if code != 0 {
			t.Fatalf("%s = %d: %s", what, code, stderr.String())
		}
		if what == "reset-factor" { // both are set by the last link
			if again, _, _ := accept(t, db, strings.TrimSpace(link)); again.Equal(shared) || again.IsZero() {
				t.Error("the authenticator is the one of before")
			}
		}
	}
}

// An administrator logs in to the admin listener of a running server, and what the
// command line changes holds there with the next request.
func TestAnOwnerLogsIn(t *testing.T) {
	s := startServed(t, "http://127.0.0.1:1")
	db := filepath.Join(s.folder, "warder.db")
	var stderr bytes.Buffer
	code, link := runIn(t, strings.NewReader(""), &stderr, "admins", "setup", "--db", db, "--output", "secret")
	if code != 0 {
		t.Fatalf("admins setup = %d: %s", code, stderr.String())
	}
	shared, recovery, _ := accept(t, db, strings.TrimSpace(link))
	b := &browser{t: t, admin: s.admin}
	b.ask(http.MethodGet, "/me", "", http.StatusUnauthorized)
	b.ask(http.MethodPost, "/login", `{"name":"ada","password":"wrong password"}`, http.StatusUnauthorized)
	first := b.ask(http.MethodPost, "/login", `{"name":"ada","password":"seven quiet otters"}`, http.StatusOK)
	ticket, _ := first["ticket"].(string)
	b.ask(http.MethodPost, "/login/factor", `{"ticket":"`+ticket+`","recovery_code":"`+recovery[0]+`"}`, http.StatusOK)
	if me := b.ask(http.MethodGet, "/me", "", http.StatusOK); me["role"] != "owner" {
		t.Errorf("me = %v", me)
	}
	// With a cookie the browser has to say that the page is of this server.
	b.askAt(http.MethodPost, "/v1/people", `{"name":"bob","role":"owner"}`, http.StatusForbidden)
	b.header = [2]string{"Sec-Fetch-Site", "same-origin"}
	made := b.askAt(http.MethodPost, "/v1/people", `{"name":"bob","role":"owner"}`, http.StatusCreated)
	b.header = [2]string{}
	if all := b.askAt(http.MethodGet, "/v1/people?name=bob", "", http.StatusOK); all["people"] == nil {
		t.Errorf("people = %v", all)
	}
	invited, _ := made["link"].(string)
	if bob, codes, _ := accept(t, db, invited); bob.IsZero() || len(codes) != 10 {
		t.Error("a link of the server is not good on the command line")
	}
	for header, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		b.header = [2]string{header, value}
		b.ask(http.MethodPost, "/logout", "", http.StatusForbidden)
	}
	b.header = [2]string{"Host", "evil.example"}
	b.ask(http.MethodGet, "/me", "", http.StatusMisdirectedRequest)
	b.header = [2]string{}
	b.ask(http.MethodGet, "/nothing", "", http.StatusNotFound)
	b.ask(http.MethodGet, "/login", "", http.StatusMethodNotAllowed)
	if status, _ := s.get(t, "/v1/account/me"); status != http.StatusBadGateway { // the upstream's path, and it is down
		t.Errorf("the public listener answers %d, want what the upstream would", status)
	}
	if code, _ := runIn(t, strings.NewReader(""), &stderr, "admins", "disable", "ada", "--db", db); code != 0 {
		t.Fatalf("admins disable: %s", stderr.String())
	}
	b.ask(http.MethodGet, "/me", "", http.StatusUnauthorized)
	log, err := os.ReadFile(filepath.Join(s.folder, "warder.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range append(recovery, ticket, shared.Reveal(), invited, strings.TrimSpace(link), "otters", b.cookie) {
		if secret == "" || bytes.Contains(log, []byte(secret)) {
			t.Errorf("the log holds a secret of %d characters", len(secret))
		}
	}
}

// While nobody administers, serve says how the first owner is made; not afterwards.
func TestTheGreetingOfAdministrators(t *testing.T) {
	folder := t.TempDir()
	cfg := &config.Config{DB: filepath.Join(folder, "warder.db"), Peppers: config.Peppers{File: filepath.Join(folder, "warder.db.peppers")}}
	said := func(admin string) string {
		store, err := openStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer store.db.Close()
		var text strings.Builder
		greetAdmins(t.Context(), cfg, running{admin: admin, store: store}, func(format string, args ...any) { _, _ = fmt.Fprintf(&text, format, args...) })
		return text.String()
	}
	if got := said(""); got != "" {
		t.Errorf("without an admin listener it says %q", got)
	}
	if got := said("127.0.0.1:1"); !strings.Contains(got, "admins setup --db "+cfg.DB+" --output secret | ") {
		t.Errorf("it says %q", got)
	}
	var stderr bytes.Buffer
	_, link := runIn(t, strings.NewReader(""), &stderr, "admins", "setup", "--db", cfg.DB, "--output", "secret")
	if got := said("127.0.0.1:1"); got == "" {
		t.Error("a link that was not used is no owner")
	}
	accept(t, cfg.DB, strings.TrimSpace(link))
	if got := said("127.0.0.1:1"); got != "" {
		t.Errorf("with an owner it says %q", got)
	}
}

// A browser keeps its cookie.
type browser struct {
	t      *testing.T
	admin  string
	cookie string
	header [2]string
}

// ask wants a status of the admin listener, and returns the members of the answer.
func (b *browser) ask(method, path, body string, want int) map[string]any {
	b.t.Helper()
	return b.askAt(method, "/v1/account"+path, body, want)
}

// askAt is ask of any path.
func (b *browser) askAt(method, path, body string, want int) map[string]any {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, "http://"+b.admin+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if b.cookie != "" {
		r.Header.Set("Cookie", login.Cookie+"="+b.cookie)
	}
	if b.header[0] == "Host" {
		r.Host = b.header[1]
	} else if b.header[0] != "" {
		r.Header.Set(b.header[0], b.header[1])
	}
	response, err := new(http.Transport).RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	for _, c := range response.Cookies() {
		if c.Value != "" {
			b.cookie = c.Value
		}
	}
	var members map[string]any
	_ = json.NewDecoder(response.Body).Decode(&members) // an answer without a body has none
	if response.StatusCode != want {
		b.t.Errorf("%s %s = %d %v, want %d", method, path, response.StatusCode, members["detail"], want)
	}
	return members
}
