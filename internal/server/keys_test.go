package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// A watchedStore counts look-ups and answers as a test tells it to.
type watchedStore struct {
	apikey.Store
	apikey.Feed
	apikey.Lister
	lookups atomic.Int64
	fault   atomic.Pointer[func(ctx context.Context) error]
}

func watch(s apikey.Store) *watchedStore {
	feed, _ := s.(apikey.Feed)
	lister, _ := s.(apikey.Lister)
	return &watchedStore{Store: s, Feed: feed, Lister: lister}
}

func (s *watchedStore) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	s.lookups.Add(1)
	if fault := s.fault.Load(); fault != nil {
		if err := (*fault)(ctx); err != nil {
			return apikey.Record{}, err
		}
	}
	return s.Store.Lookup(ctx, id)
}

// A keyCase is a way to present a key, or none, and what comes of it.
type keyCase struct {
	id, name string
	fields   string // header lines; {K} is a good key
	status   int
}

func keyCases() []keyCase {
	return []keyCase{
		{"KEY-01", "no credential", "", 401},
		{"KEY-02", "empty", "X-API-Key:\r\n", 401},
		{"KEY-02", "blanks only", "X-API-Key: \t  \r\n", 401},
		{"KEY-03", "wrong prefix", "X-API-Key: wrong{K}\r\n", 401},
		{"KEY-03", "one character more", "X-API-Key: {K}a\r\n", 401},
		{"KEY-04", "8 KiB", "X-API-Key: " + strings.Repeat("a", 8<<10) + "\r\n", 401},
		{"KEY-04", "1 MiB", "X-API-Key: " + strings.Repeat("a", 1<<20) + "\r\n", 431},
		{"KEY-05", "good, bad", "X-API-Key: {K}\r\nX-API-Key: bad\r\n", 400},
		{"KEY-05", "bad, good", "X-API-Key: bad\r\nx-api-key: {K}\r\n", 400},
		{"KEY-05", "good, good", "X-API-Key: {K}\r\nX-API-Key: {K}\r\n", 400},
		{"KEY-05", "a list in one line", "X-API-Key: {K}, bad\r\n", 401},
		{"KEY-06", "non-ASCII", "X-API-Key: {K}\xc3\xa4\r\n", 401},
		{"KEY-06", "NUL", "X-API-Key: {K}\x00\r\n", 400},
		{"KEY-06", "inner blank", "X-API-Key: wrd live {K}\r\n", 401},
		{"KEY-06", "quotes", "X-API-Key: \"{K}\"\r\n", 401},
		{"KEY-06", "Bearer", "X-API-Key: Bearer {K}\r\n", 401},
	}
}

func TestKeysInAHeaderThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	var store *watchedStore
	p := start(t, upstream.URL(), settings{store: func(s apikey.Store) apikey.Store { store = watch(s); return store }})
	for _, c := range keyCases() {
		attack.Case(t, c.id, attack.Gateway, func(t *testing.T) {
			before, lookups := len(requestLines(upstream)), store.lookups.Load()
			client := wire.Dial(t, p.gateway)
			client.Send("GET /a HTTP/1.1\r\nHost: localhost\r\n" + strings.ReplaceAll(c.fields, "{K}", p.key) + "\r\n")
			response, body := client.Response("GET")
			if response == nil || response.StatusCode != c.status {
				t.Fatalf("%s: response = %v, want %d", c.name, response, c.status)
			}
			if answer := fmt.Sprint(response.Header, body); strings.Contains(answer, p.key[21:53]) || strings.Contains(answer, "aaaaaaaa") {
				t.Errorf("%s: the refusal repeats the key: %s", c.name, answer)
			}
			if got := store.lookups.Load(); got != lookups {
				t.Errorf("%s: %d look-ups, want none", c.name, got-lookups)
			}
			if len(requestLines(upstream)) != before {
				t.Errorf("%s: the upstream was asked", c.name)
			}
			if c.status == 401 {
				wantRefusal(t, response)
			}
		})
	}
}

// wantRefusal checks what every 401 carries.
func wantRefusal(t *testing.T, w *http.Response) {
	t.Helper()
	if got := w.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "ApiKey realm=") {
		t.Errorf("WWW-Authenticate = %q", got)
	}
	if got := w.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q, want no-store", got)
	}
	if got := w.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q", got)
	}
}

func TestMethodsAreAuthenticatedAlike(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 204 No Content\r\n\r\n"))
	p := start(t, upstream.URL(), settings{})
	attack.Case(t, "KEY-32", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			line   string
			passes int // with a good key
		}{
			{"GET /a", 204},
			{"HEAD /a", 204},
			{"POST /a", 204},
			{"OPTIONS /a", 204},
			{"OPTIONS *", 204},
			{"get /a", 204},
			{"FOO /a", 204},
			{"TRACE /a", 405},
			{"TRACE *", 405},
			{"CONNECT /a", 405},
			{"CONNECT localhost:443", 405},
			{"CONNECT localhost", 405},
			{"CONNECT [::1]:80", 405},
			{"PRI *", 405},
		} {
			method, _, _ := strings.Cut(tt.line, " ")
			for key, want := range map[string]int{"": 401, "X-API-Key:\r\n": 401, "X-API-Key: " + guessed(p.key) + "\r\n": 401, "X-API-Key: " + p.key + "\r\n": tt.passes} {
				if tt.passes != http.StatusNoContent {
					want = tt.passes
				}
				before := len(requestLines(upstream))
				client := wire.Dial(t, p.gateway)
				client.Send(tt.line + " HTTP/1.1\r\nHost: localhost\r\n" + key + "\r\n")
				response, _ := client.Response(method)
				if response == nil || response.StatusCode != want {
					t.Errorf("%s with %q: response = %v, want %d", tt.line, key, response, want)
				}
				if asked := len(requestLines(upstream)) - before; asked > 0 && want != http.StatusNoContent {
					t.Errorf("%s with %q: the upstream was asked", tt.line, key)
				}
			}
		}
	})
}

func TestAKeyInABodyIsNotRead(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{})
	attack.Case(t, "KEY-30", attack.Gateway, func(t *testing.T) {
		for mediaType, body := range map[string]string{
			"application/x-www-form-urlencoded": "X-API-Key=" + p.key + "&api_key=" + p.key,
			"application/json":                  `{"X-API-Key":"` + p.key + `","api_key":"` + p.key + `"}`,
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.gateway+"/a", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", mediaType)
			if got := do(t, r).StatusCode; got != 401 {
				t.Errorf("%s: status %d, want 401", mediaType, got)
			}
		}
	})
}

func TestRefusalsLookAlikeThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{})
	by := apikey.By{Actor: "system", Source: "test"}
	attack.Case(t, "KEY-10", attack.Gateway, func(t *testing.T) {
		revoked, revokedKey := p.create(t, apikey.Spec{Environment: "live", Name: "revoked"})
		if _, err := p.issuer.Revoke(t.Context(), by, revoked.ID, "superseded"); err != nil {
			t.Fatal(err)
		}
		_, expiredKey := p.create(t, apikey.Spec{Environment: "live", Name: "expired", Expires: time.Now().Add(50 * time.Millisecond)})
		disabled, disabledKey := p.create(t, apikey.Spec{Environment: "live", Name: "disabled"})
		p.disable(t, disabled)
		other := start(t, upstream.URL(), settings{})
		<-time.After(60 * time.Millisecond) // until the expiry
		var first string
		for name, key := range map[string]string{"revoked": revokedKey, "expired": expiredKey, "disabled": disabledKey, "unknown": other.key, "wrong-secret": guessed(p.key)} {
			response := p.get(t, "/a", key)
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			id := response.Header.Get("X-Request-Id")
			response.Header.Del("Date")
			seen := strings.ReplaceAll(fmt.Sprint(response.StatusCode, response.Header, string(body)), id, "ID")
			if first == "" {
				first = seen
			}
			if seen != first || response.StatusCode != 401 {
				t.Errorf("%s: %s, want %s", name, seen, first)
			}
		}
	})
}

// disable changes the record as a later command will.
func (p *program) disable(t *testing.T, r apikey.Record) {
	t.Helper()
	after := r
	after.Disabled = true
	_, err := p.keys.Apply(t.Context(), apikey.Change{
		Actor: "system", Source: "test", Op: apikey.OpDisable, At: time.Now(), Before: &r, After: &after,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAStoreWithoutAnAnswerIs503(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	var store *watchedStore
	p := start(t, upstream.URL(), settings{
		yaml:  "timeouts: {store: 200ms}\nroutes: [{match: \"/\", upstream: api}]",
		store: func(s apikey.Store) apikey.Store { store = watch(s); return store },
	})
	_, fresh := p.create(t, apikey.Spec{Environment: "live", Name: "never seen"})
	if got := p.get(t, "/a", p.key).StatusCode; got != 200 {
		t.Fatalf("status %d before the fault, want 200", got)
	}
	release := make(chan struct{}) // what is deaf: closed when all answers are there, or after the patience of a test that fails
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	defer time.AfterFunc(patience, free).Stop()
	faults := map[string]func(ctx context.Context) error{
		"error":   func(context.Context) error { return errors.New("disk I/O error") },
		"closed":  func(context.Context) error { return sql.ErrConnDone },
		"timeout": func(context.Context) error { return context.DeadlineExceeded },
		"panic":   func(context.Context) error { panic("interface conversion: a row of another type") },
		"hang":    func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"deaf":    func(context.Context) error { <-release; return errors.New("late") },
	}
	for name, fault := range faults {
		attack.Case(t, "KEY-20", attack.Gateway, func(t *testing.T) {
			store.fault.Store(&fault)
			defer store.fault.Store(nil)
			begin := time.Now()
			response := p.get(t, "/a", fresh)
			if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
				t.Errorf("%s: status %d, Retry-After %q, want 503 with one", name, response.StatusCode, response.Header.Get("Retry-After"))
			}
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("%s: the answer took %v", name, took)
			}
			select {
			case <-release:
				t.Errorf("%s: the answer waited for the store", name)
			default:
			}
			if got := p.get(t, "/a", p.key).StatusCode; got != 200 {
				t.Errorf("%s: a fresh cached key got %d, want 200", name, got)
			}
		})
	}
}

func TestNothingPassesAfterTheReceipt(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	// A hundred clients at one address are no guesser here.
	p := start(t, upstream.URL(), settings{flags: map[string]string{"brute-force-failures": "1000000", "brute-force-key-failures": "1000000"}})
	attack.Case(t, "KEY-35", attack.Gateway, func(t *testing.T) {
		const clients = 100
		var receipt atomic.Bool
		passed, ended := make(chan struct{}, clients), make(chan string, clients)
		for range clients {
			go func() { ended <- p.hammer(passed, &receipt) }()
		}
		for range clients { // each has passed: all have the key in use when it goes
			select {
			case <-passed:
			case complaint := <-ended:
				t.Fatal(complaint)
			}
		}
		record, err := p.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, p.record.ID, "key-compromise")
		if err != nil {
			t.Fatal(err)
		}
		p.awaitNodes(t, record.Revision)
		receipt.Store(true)
		for range clients {
			if complaint := <-ended; complaint != "" {
				t.Error(complaint)
			}
		}
	})
}

// hammer asks without a pause, until some requests that began after the receipt are
// refused. It complains about one that is not, and about every answer that is
// neither a pass nor the refusal of a wrong key.
func (p *program) hammer(passed chan<- struct{}, receipt *atomic.Bool) string {
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	for asked, refused := 0, 0; refused < 3; asked++ {
		after := receipt.Load()
		r, err := http.NewRequest(http.MethodGet, "http://"+p.gateway+"/a", http.NoBody)
		if err != nil {
			return err.Error()
		}
		r.Header.Set("X-API-Key", p.key)
		response, err := transport.RoundTrip(r)
		if err != nil {
			return err.Error()
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		status := response.StatusCode
		switch {
		case after && status != http.StatusUnauthorized:
			return fmt.Sprintf("a request that began after the receipt got %d, want 401", status)
		case status != http.StatusOK && status != http.StatusUnauthorized, asked == 0 && status != http.StatusOK:
			return fmt.Sprintf("request %d of a client got %d before the receipt", asked+1, status)
		case after:
			refused++
		case asked == 0:
			passed <- struct{}{}
		}
	}
	return ""
}

// TestAKeyWorksAfterItWasUnknown asks with the text of a key before the key is
// made: by an import, or by a restored backup.
func TestAKeyWorksAfterItWasUnknown(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	// It asks far more often than a client that keeps to delays.
	p := start(t, upstream.URL(), settings{flags: map[string]string{"brute-force-failures": "1000000", "brute-force-key-failures": "1000000"}})
	drawn := make([]byte, 4096)
	if _, err := rand.Read(drawn); err != nil {
		t.Fatal(err)
	}
	draw := func(store apikey.Store) string {
		issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: p.peppers, Random: bytes.NewReader(drawn)})
		if err != nil {
			t.Fatal(err)
		}
		_, text, err := issuer.Create(t.Context(), apikey.By{Actor: "system", Source: "test"}, apikey.Spec{Environment: "live"})
		if err != nil {
			t.Fatal(err)
		}
		return text.Reveal()
	}
	for _, id := range []string{"KEY-08", "KEY-36"} {
		attack.Case(t, id, attack.Gateway, func(t *testing.T) {
			drawn = drawn[8:] // another key each time
			key := draw(new(apikey.MemoryStore))
			for range 3 {
				if got := p.get(t, "/a", key).StatusCode; got != 401 {
					t.Fatalf("status %d before the key was made, want 401", got)
				}
			}
			if made := draw(p.keys); made != key {
				t.Fatal("the same bytes make another key")
			}
			begin := time.Now()
			eventually(t, func() (struct{}, bool) { return struct{}{}, p.get(t, "/a", key).StatusCode == 200 })
			if took := time.Since(begin); took > time.Second {
				t.Errorf("the key worked after %v, want a second at most", took)
			}
		})
	}
}
