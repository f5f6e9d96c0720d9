package password_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/session/password"
)

func newBasic(tb testing.TB, p *people) *password.Basic {
	tb.Helper()
	b, err := password.NewBasic(password.BasicConfig{Checker: newChecker(tb, password.Config{Users: p})})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func basic(name, word string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+word))
}

// ask returns the principal of a request with the Authorization fields, and what
// came of it.
func ask(tb testing.TB, b *password.Basic, fields ...string) (exchange.Principal, string) {
	tb.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if fields != nil {
		r.Header["Authorization"] = fields
	}
	x := exchange.New(r)
	x.Client = home(1)
	p, err := b.Authenticate(x)
	if errors.Is(err, authn.ErrNoCredential) {
		return p, "absent"
	}
	return p, outcome(err)
}

func TestBasic(t *testing.T) {
	b := newBasic(t, newPeople(t, "ada", "ü"))
	encode := base64.StdEncoding.EncodeToString
	for _, tt := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"right", []string{basic("ada", right)}, ""},
		{"again, from the cache", []string{basic("ada", right)}, ""},
		{"other case of the scheme", []string{"bASIC " + encode([]byte("ada:"+right))}, ""},
		{"UTF-8", []string{basic("ü", right)}, ""},
		{"wrong", []string{basic("ada", wrong)}, "wrong-password"},
		{"a colon more", []string{basic("ada", ":"+right)}, "wrong-password"},
		{"unknown", []string{basic("eve", right)}, "unknown-user"},
		{"none", nil, "absent"},
		{"of another scheme", []string{"Bearer " + encode([]byte("ada:"+right))}, "absent"},
		{"twice", []string{basic("ada", right), basic("ada", right)}, "repeated"},
		{"beside another scheme", []string{basic("ada", right), "Bearer x"}, "repeated"},
		{"nothing behind it", []string{"Basic"}, "malformed"},
		{"no base64", []string{"Basic !"}, "malformed"},
		{"the other alphabet", []string{"Basic _-=="}, "malformed"},
		{"padding left out", []string{strings.TrimRight(basic("ada", right+"12"), "=")}, "malformed"},
		{"other padding bits", []string{"Basic YTpiYh=="}, "malformed"},
		{"a line end inside", []string{"Basic YTpi\nYg=="}, "malformed"},
		{"no colon", []string{"Basic " + encode([]byte("ada"))}, "malformed"},
		{"no name", []string{basic("", right)}, "empty"},
		{"no password", []string{basic("ada", "")}, "empty"},
		{"1 MiB", []string{basic("ada", strings.Repeat("a", 1<<20))}, "malformed"},
		{"a password of 1025 bytes", []string{basic("ada", strings.Repeat("a", 1025))}, "too-long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, got := ask(t, b, tt.fields...)
			if got != tt.want || (got == "") != (p.Subject != "") {
				t.Errorf("principal %q, %q, want %q", p.Subject, got, tt.want)
			}
			if got == "" && (p.Issuer != "password" || !p.Ambient || p.Scheme != "basic" || !p.Scopes.Allow("orders:read")) {
				t.Errorf("principal = %+v", p)
			}
		})
	}
	doc := new(openapi.Document)
	if _, err := authn.Require(b).Describe(doc); err != nil || doc.Components.SecuritySchemes["basic"].Scheme != "basic" {
		t.Errorf("described as %+v, %v", doc.Components.SecuritySchemes, err)
	}
	if got := b.Challenge("x"); got != `Basic realm="x", charset="UTF-8"` {
		t.Errorf("challenge = %s", got)
	}
	if _, err := password.NewBasic(password.BasicConfig{Scheme: "a b"}); err == nil || !strings.Contains(err.Error(), "Checker") || !strings.Contains(err.Error(), "Scheme") {
		t.Errorf("NewBasic = %v", err)
	}
}

// What was verified dies with the user as it was.
func TestBasicFollowsTheUser(t *testing.T) {
	for name, change := range map[string]struct {
		do   func(p *people)
		want string
	}{
		"another hash": {func(p *people) {
			u := p.users["ada"]
			u.Hash = hashOf(t, "another", password.Quick())
			p.set(u)
		}, "wrong-password"},
		"disabled": {func(p *people) {
			u := p.users["ada"]
			u.Disabled = true
			p.set(u)
		}, "disabled"},
		"gone":           {func(p *people) { delete(p.users, "ada") }, "unknown-user"},
		"away":           {func(p *people) { p.fail(errDown) }, "error"},
		"fewer scopes":   {func(p *people) { p.set(password.User{Name: "ada", Hash: p.users["ada"].Hash}) }, ""},
		"nothing at all": {func(*people) {}, ""},
	} {
		p := newPeople(t, "ada")
		b := newBasic(t, p)
		if _, got := ask(t, b, basic("ada", right)); got != "" {
			t.Fatal(got)
		}
		change.do(p)
		who, got := ask(t, b, basic("ada", right))
		if got != change.want {
			t.Errorf("%s: %q, want %q", name, got, change.want)
		}
		if name == "fewer scopes" && who.Scopes.Allow("orders:read") {
			t.Errorf("%s: the scopes of before", name)
		}
	}
}

func TestBasicComparesOnce(t *testing.T) {
	p := newPeople(t, "ada")
	b := newBasic(t, p)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, got := ask(t, b, basic("ada", right)); got != "" {
				t.Errorf("one of many at once: %q", got)
			}
		})
	}
	wg.Wait()
	for range 4 {
		if _, got := ask(t, b, basic("ada", wrong)); got != "wrong-password" {
			t.Errorf("wrong: %q", got)
		}
	}
	if _, got := ask(t, b, basic("ada", wrong)); got != "wrong-password" {
		t.Errorf("wrong: %q", got)
	}
	if _, got := ask(t, b, basic("ada", wrong)); got != "throttled" {
		t.Errorf("after five failures: %q, want throttled", got)
	}
	if _, got := ask(t, b, basic("ada", right)); got != "" {
		t.Errorf("the user, who is known by now: %q", got)
	}
}

// counting returns a scheme that remembers so many, and how often it compared: each
// time a password holds, its hash is found to be outdated, and cannot be renewed.
func counting(tb testing.TB, p *people, remembered int) (*password.Basic, *atomic.Int64) {
	tb.Helper()
	compared := new(atomic.Int64)
	c := newChecker(tb, password.Config{
		Users: p, Params: costly(),
		Rehash: func(context.Context, password.User, string) error { compared.Add(1); return errDown },
	})
	b, err := password.NewBasic(password.BasicConfig{Checker: c, Remembered: remembered})
	if err != nil {
		tb.Fatal(err)
	}
	return b, compared
}

func TestBasicForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, compared := counting(t, newPeople(t, "ada"), 0)
		for _, step := range []struct {
			pause time.Duration
			want  int64
		}{{0, 1}, {5*time.Minute - time.Nanosecond, 1}, {time.Nanosecond, 2}, {time.Minute, 2}, {4 * time.Minute, 3}} {
			pause(step.pause)
			if _, got := ask(t, b, basic("ada", right)); got != "" || compared.Load() != step.want {
				t.Errorf("%v later: %q, compared %d times, want %d", step.pause, got, compared.Load(), step.want)
			}
		}
	})
}

func TestBasicRemembersSoMany(t *testing.T) {
	b, compared := counting(t, newPeople(t, names(6)...), 2)
	for i, name := range names(6) {
		if _, got := ask(t, b, basic(name, right)); got != "" || compared.Load() != int64(i+1) {
			t.Fatalf("%s: %q, compared %d times, want %d", name, got, compared.Load(), i+1)
		}
	}
	for _, name := range names(6) {
		if _, got := ask(t, b, basic(name, right)); got != "" {
			t.Fatal(got)
		}
	}
	if got := compared.Load(); got < 10 || got > 12 {
		t.Errorf("compared %d times, want 10 to 12: of six, two are remembered", got)
	}
	if _, err := password.NewBasic(password.BasicConfig{Checker: newChecker(t, password.Config{Users: newPeople(t)}), Remembered: -1}); err == nil {
		t.Error("a scheme that remembers -1 was made")
	}
}

func BenchmarkBasic(b *testing.B) {
	s := newBasic(b, newPeople(b, "ada"))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", basic("ada", right))
	x := exchange.New(r)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(x); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	p := newPeople(b)
	p.set(password.User{Name: "ada", Hash: hashOf(b, right, password.Params{Memory: 19 << 10, Time: 2, Threads: 1})})
	c := newChecker(b, password.Config{Users: p, Params: password.Params{Memory: 19 << 10, Time: 2, Threads: 1}})
	b.ReportAllocs()
	for b.Loop() {
		if got := try(b, c, home(1), "ada", right); got != "" {
			b.Fatal(got)
		}
	}
}
