package introspection_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/introspection"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
)

func TestAnswersAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{answers: map[string]members{
			"t": active(nil), "short": active(members{"exp": time.Now().Unix() + 10}), "forever": active(members{"exp": nil}),
		}}
		s := o.scheme(t, config())
		revoke := func(token string) { o.set(func(o *oracle) { delete(o.answers, token) }) }
		want(t, s, "at first", "t", 200, "")
		revoke("t")
		pass(30*time.Second - 1)
		want(t, s, "revoked, within CacheTTL", "t", 200, "")
		pass(1)
		want(t, s, "revoked, after CacheTTL", "t", 401, "inactive")

		asked := o.count()
		o.set(func(o *oracle) { o.answers["t"] = active(nil) })
		pass(5*time.Second - 1)
		want(t, s, "active anew, within NegativeTTL", "t", 401, "inactive")
		if o.count() != asked {
			t.Error("an inactive token was asked for again")
		}
		pass(1)
		want(t, s, "active anew, after NegativeTTL", "t", 200, "")

		o.set(func(o *oracle) { o.answers["short"] = active(members{"exp": time.Now().Unix() + 10}) })
		want(t, s, "a token of 10 s", "short", 200, "")
		o.set(func(o *oracle) { o.answers["short"] = active(members{"exp": time.Now().Unix() + 3600}) })
		asked = o.count()
		pass(10*time.Second - 1)
		want(t, s, "before its exp", "short", 200, "")
		if o.count() != asked {
			t.Error("an active token was asked for again")
		}
		pass(1)
		want(t, s, "at its exp: asked anew", "short", 200, "")
		if o.count() != asked+1 {
			t.Error("an answer was remembered beyond exp")
		}
		want(t, s, "without exp", "forever", 200, "")
	})
}

func TestNothingIsRememberedWhereThatIsSaid(t *testing.T) {
	cfg := config()
	cfg.CacheTTL, cfg.NegativeTTL = -1, -1
	o := &oracle{answers: map[string]members{"t": active(nil)}}
	s := o.scheme(t, cfg)
	for range 3 {
		want(t, s, "active", "t", 200, "")
		want(t, s, "inactive", "x", 401, "inactive")
	}
	if a, i := s.Remembered(); a+i > 0 || o.count() != 6 {
		t.Errorf("%d and %d are remembered, asked %d times", a, i, o.count())
	}
	dry := (&oracle{answers: map[string]members{"t": active(nil)}}).scheme(t, config())
	x := exchange.New(request("t"))
	x.Dry = true
	if got := ask(t, dry, x); got.status != 200 {
		t.Errorf("dry: got %d", got.status)
	}
	if a, i := dry.Remembered(); a+i > 0 {
		t.Error("a dry request left a trace")
	}
}

func TestOneQuestionForAHundredRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{answers: map[string]members{"t": active(nil), "u": active(members{"sub": "bob"})}, delay: time.Second}
		s := o.scheme(t, config())
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				if got := present(t, s, "t"); got.principal.Subject != "alice" {
					t.Errorf("t: got %+v", got)
				}
			})
			wait.Go(func() {
				if got := present(t, s, "u"); got.principal.Subject != "bob" {
					t.Errorf("u: got %+v", got)
				}
			})
		}
		wait.Wait()
		if o.count() != 2 {
			t.Errorf("asked %d times, want once for each token", o.count())
		}
	})
}

// Who asks first and leaves does not take the answer along; who waits and leaves
// does not wait on.
func TestClientsThatLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{answers: map[string]members{"t": active(nil)}, delay: 2 * time.Second}
		s := o.scheme(t, config())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wait sync.WaitGroup
		wait.Go(func() { want(t, s, "who stays", "t", 200, "") })
		synctest.Wait()
		begun := time.Now()
		if got := ask(t, s, exchange.New(request("t").WithContext(ctx))); got.status != 503 || time.Since(begun) != time.Second {
			t.Errorf("who leaves: got %d after %v", got.status, time.Since(begun))
		}
		wait.Wait()
		want(t, s, "later", "t", 200, "")
		if o.count() != 1 {
			t.Errorf("asked %d times", o.count())
		}
	})
}

func TestNoAnswerIsNotRemembered(t *testing.T) {
	o := &oracle{answers: map[string]members{"t": active(nil)}, err: errors.New("connection refused")}
	s := o.scheme(t, config())
	want(t, s, "down", "t", 503, "unavailable")
	o.set(func(o *oracle) { o.err = nil })
	want(t, s, "up", "t", 200, "")
	o.set(func(o *oracle) { o.err = errors.New("connection refused") })
	want(t, s, "down, remembered", "t", 200, "")
	want(t, s, "down, another", "u", 503, "unavailable")

	broken, err := introspection.NewWithAsk(config(), func(context.Context, string) ([]byte, error) { panic("broken") })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one would wait forever if the first had left its question behind
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = broken.Authenticate(exchange.New(request("t")))
		}()
	}
}

func TestMemoryIsBounded(t *testing.T) {
	cfg := config()
	cfg.CacheSize = 10
	o := &oracle{answers: map[string]members{"t": active(nil)}}
	s := o.scheme(t, cfg)
	want(t, s, "a good token", "t", 200, "")
	for n := range 1000 {
		want(t, s, "a made-up token", fmt.Sprint("x", n), 401, "inactive")
	}
	if a, i := s.Remembered(); a != 1 || i != 10 {
		t.Errorf("%d and %d answers are remembered, want 1 and 10", a, i)
	}
	asked := o.count()
	want(t, s, "a good token after the flood", "t", 200, "")
	if o.count() != asked {
		t.Error("made-up tokens evicted a good one")
	}
	want(t, s, "a long token", strings.Repeat("a", 5000), 401, "too-large")
	if o.count() != asked {
		t.Error("a long token was asked for")
	}
	x := exchange.New(request("t"))
	if got := testing.AllocsPerRun(100, func() { _, _ = s.Authenticate(x) }); got != 0 {
		t.Errorf("%v allocations for an answer that is remembered, want none", got)
	}
	bad := exchange.New(request("x999"))
	if got := testing.AllocsPerRun(100, func() { _, _ = s.Authenticate(bad) }); got != 0 {
		t.Errorf("%v allocations for an inactive one, want none", got)
	}
}

// A server is an endpoint over a real connection.
func server(t *testing.T, change func(*introspection.Config), h http.HandlerFunc) *introspection.Scheme {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	cfg := config()
	cfg.URL, cfg.InsecureHTTP, cfg.Timeout = web.URL, true, 30*time.Second
	if change != nil {
		change(&cfg)
	}
	s, err := introspection.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func answer(tb testing.TB, body []byte) http.HandlerFunc {
	tb.Helper()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(body)
	}
}

func TestTheQuestion(t *testing.T) {
	for name, change := range map[string]func(*introspection.Config){
		"Basic d2FyZGVyOmh1bnRlcjI=": nil,
		"Basic dyUzQWEreCVDMyVBNDpwJTNBcA==": func(c *introspection.Config) {
			c.ClientID, c.ClientSecret = "w:a xä", secret.New("p:p")
		},
		"Bearer hunter3": func(c *introspection.Config) {
			c.ClientID, c.ClientSecret, c.BearerToken = "", secret.Text{}, secret.New("hunter3")
		},
	} {
		s := server(t, change, func(w http.ResponseWriter, r *http.Request) {
			form, err := io.ReadAll(r.Body)
			values, err2 := url.ParseQuery(string(form))
			if err != nil || err2 != nil || r.Method != http.MethodPost || values.Get("token") != "a+b/c=" || values.Get("token_type_hint") != "access_token" || len(values) != 2 {
				t.Errorf("%s %q, %v, %v", r.Method, form, err, err2)
			}
			if got := r.Header.Get("Authorization"); got != name {
				t.Errorf("Authorization %q, want %q", got, name)
			}
			if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.Header.Get("Accept") != "application/json" || r.Header.Get("Cookie") != "" {
				t.Errorf("header %v", r.Header)
			}
			answer(t, text(t, active(nil)))(w, r)
		})
		want(t, s, name, "a+b/c=", 200, "")
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	good := text(t, active(nil))
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	with := func(status int, media string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.WriteHeader(status)
			_, _ = w.Write(body)
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"500":          with(500, "application/json", good),
		"401":          with(401, "application/json", good),
		"201":          with(201, "application/json", good),
		"HTML":         with(200, "text/html", good),
		"a JWT":        with(200, "application/token-introspection+jwt", good),
		"two objects":  with(200, "application/json", append(good, good...)),
		"active twice": with(200, "application/json", []byte(`{"active":false,"active":true,"sub":"a","aud":"`+audience+`"}`)),
		"a list":       with(200, "application/json", []byte(`[{"active":true}]`)),
		"nothing":      with(200, "application/json", nil),
		"huge":         with(200, "application/json", text(t, active(members{"x": strings.Repeat("y", 64<<10)}))),
		"cut":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"sent elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
		"sent on": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/on" {
				elsewhere.Add(1)
			}
			http.Redirect(w, r, "/on", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) { want(t, server(t, nil, h), name, "t", 503, "unavailable") })
	}
	if n := elsewhere.Load(); n > 0 {
		t.Errorf("%d tokens went elsewhere", n)
	}
	release := make(chan struct{})
	slow := server(t, func(c *introspection.Config) { c.Timeout = 20 * time.Millisecond }, func(http.ResponseWriter, *http.Request) { <-release })
	want(t, slow, "too slow", "t", 503, "unavailable")
	close(release)
	link := server(t, func(c *introspection.Config) { c.URL = "http://169.254.169.254/" }, func(http.ResponseWriter, *http.Request) {})
	want(t, link, "link-local", "t", 503, "unavailable")
}

// Neither the token nor the secret is in an error or in the scheme's own text.
func TestNothingSecretIsShown(t *testing.T) {
	s := server(t, nil, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no: "+r.Header.Get("Authorization"), http.StatusInternalServerError)
	})
	const token = "canarycanarycanary"
	_, err := s.Authenticate(exchange.New(request(token)))
	if err == nil {
		t.Fatal("no error")
	}
	down := server(t, func(c *introspection.Config) { c.URL += "/?hunter2" }, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err2 := down.Authenticate(exchange.New(request(token)))
	good := server(t, nil, answer(t, text(t, active(nil))))
	want(t, good, "good", token, 200, "")
	for _, text := range []string{err.Error(), fmt.Sprint(err2), fmt.Sprintf("%+v %#v", s, s), fmt.Sprintf("%+v", good)} {
		if strings.Contains(text, token) || strings.Contains(text, "hunter2") || strings.Contains(text, "d2FyZGVyOm") {
			t.Errorf("%.300q holds a secret", text)
		}
	}
}

func TestLeaveAndFind(t *testing.T) {
	cfg := config()
	cfg.Leave = func(token string) bool { return strings.Count(token, ".") == 2 }
	o := &oracle{answers: map[string]members{"t": active(nil), "a.b.c": active(nil)}}
	s := o.scheme(t, cfg)
	want(t, s, "a JWT", "a.b.c", 401, "no-credential")
	want(t, s, "malformed", "a b", 401, "malformed")
	r := request("t")
	r.Header.Add("Authorization", "Bearer t")
	if got := ask(t, s, exchange.New(r)); got.status != 400 {
		t.Errorf("two fields: got %d", got.status)
	}
	if o.count() > 0 {
		t.Errorf("asked %d times", o.count())
	}
}

func TestNewReportsEveryErrorAtOnce(t *testing.T) {
	_, err := introspection.New(introspection.Config{
		Name: "a b", URL: "http://user:hunter2@a.example", ClientID: "x", Issuer: "a\n", Audience: []string{""}, CacheTTL: time.Hour, CacheSize: -1,
		MaxBytes: 1 << 20, MaxAnswerBytes: 1 << 30, SubjectClaim: "a\x00", Flows: &openapi.OAuthFlows{},
	})
	for _, want := range []string{"name", "URL", "ClientID", "issuer", "audience", "CacheTTL", "CacheSize", "MaxBytes", "MaxAnswerBytes", "claim", "flows"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %q repeats a password", err)
	}
	for name, change := range map[string]func(*introspection.Config){
		"both kinds of proof": func(c *introspection.Config) { c.BearerToken = secret.New("x") },
		"none":                func(c *introspection.Config) { c.ClientID, c.ClientSecret = "", secret.Text{} },
		"a secret alone":      func(c *introspection.Config) { c.ClientID = "" },
		"half and a token":    func(c *introspection.Config) { c.ClientID, c.BearerToken = "", secret.New("x") },
		"audience and any":    func(c *introspection.Config) { c.InsecureAnyAudience = true },
		"no audience":         func(c *introspection.Config) { c.Audience = nil },
		"time-out":            func(c *introspection.Config) { c.Timeout = time.Hour },
		"plain http":          func(c *introspection.Config) { c.URL = "http://a.example" },
	} {
		cfg := config()
		change(&cfg)
		if _, err := introspection.New(cfg); err == nil {
			t.Errorf("%s: New accepted it", name)
		}
	}
	anybody := config()
	anybody.Audience, anybody.InsecureAnyAudience = nil, true
	o := &oracle{answers: map[string]members{"t": active(members{"aud": nil})}}
	want(t, o.scheme(t, anybody), "any audience where that is said", "t", 200, "")
}

func TestDescribe(t *testing.T) {
	s := new(oracle).scheme(t, config())
	doc := openapi.Document{OpenAPI: openapi.Version, Info: openapi.Info{Title: "a", Version: "1"}}
	if _, err := authn.Require(s, "a").Describe(&doc); err != nil {
		t.Fatal(err)
	}
	if got := doc.Components.SecuritySchemes["opaqueToken"]; got.Type != "http" || got.Scheme != "bearer" || got.BearerFormat != "opaque" {
		t.Errorf("got %+v", got)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	o := &oracle{answers: map[string]members{"t": active(nil)}}
	s := o.scheme(b, config())
	x := exchange.New(request("t"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(x); err != nil {
			b.Fatal(err)
		}
	}
}
