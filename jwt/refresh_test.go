package jwt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/jwt"
)

// An endpoint publishes keys without a connection, and counts.
type endpoint struct {
	mu     sync.Mutex
	keys   []members
	maxAge time.Duration
	err    error
	delay  time.Duration
	asked  int
}

var errDown = errors.New("connection refused")

func (e *endpoint) load(ctx context.Context) ([]byte, time.Duration, error) {
	e.mu.Lock()
	e.asked++
	delay, set, age, err := e.delay, jwks(e.keys...), e.maxAge, e.err
	e.mu.Unlock()
	select {
	case <-time.After(delay):
		return set, age, err
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

func (e *endpoint) set(change func(*endpoint)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e)
}

func (e *endpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

func (e *endpoint) publish(keys ...members) { e.set(func(e *endpoint) { e.keys = keys }) }

func (e *endpoint) fail(err error) { e.set(func(e *endpoint) { e.err = err }) }

// remote returns a scheme whose keys are those of e. The bubble's goroutines end
// with Close: one that did not would be a deadlock.
func remote(t *testing.T, e *endpoint, fetch jwt.Fetch) *jwt.Scheme {
	t.Helper()
	s, err := jwt.NewWithLoader(jwt.Config{Fetch: fetch, Issuers: []jwt.Issuer{{
		Issuer: issuerName, Audience: []string{audience}, KeySetURL: "https://login.example.com/keys",
	}}}, e.load)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func day() members { return members{"exp": time.Now().Add(24 * time.Hour).Unix()} }

func TestAWithdrawnKey(t *testing.T) {
	attack.Case(t, "JWT-12", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := allPairs()
			stays, leaves := signer{"ES256", p.p256, "stays"}, signer{"EdDSA", p.ed, "leaves"}
			e := &endpoint{keys: []members{jwk(p.p256, "stays"), jwk(p.ed, "leaves")}, maxAge: time.Hour}
			s := remote(t, e, jwt.Fetch{})
			old, kept := leaves.token(t, day()), stays.token(t, day())
			for range 2 {
				want(t, s, "before", old, 200, "")
				want(t, s, "before", kept, 200, "")
			}
			e.publish(jwk(p.p256, "stays"))
			pass(5*time.Minute - time.Second)
			want(t, s, "withdrawn, and not fetched yet", old, 200, "")
			pass(2 * time.Second)
			want(t, s, "remembered, by a key that left", old, 401, "unknown-key")
			want(t, s, "new, by a key that left", leaves.token(t, day().with(members{"x": 1})), 401, "unknown-key")
			if n := s.Remembered(); n != 1 {
				t.Errorf("%d tokens are remembered, want the one whose key stayed", n)
			}
			want(t, s, "by the key that stayed", kept, 200, "")

			e.publish(jwk(p.p256, "stays"), jwk(p.other, "leaves")) // another key under its name
			pass(5 * time.Minute)
			want(t, s, "by a key whose name has another one now", old, 401, "signature")
			e.publish(jwk(p.p256, "stays"), jwk(p.ed, "leaves"))
			pass(5 * time.Minute)
			want(t, s, "by a key that came back", old, 200, "")
			if e.count() != 5 { // at first, three times in their turn, once for the unknown kid
				t.Errorf("%d fetches, want 5", e.count())
			}
		})
	})
}

func TestUnknownKeyIDs(t *testing.T) {
	attack.Case(t, "JWT-05", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := &endpoint{keys: []members{jwk(allPairs().p256, "p256")}, maxAge: time.Hour}
			s := remote(t, e, jwt.Fetch{})
			by := es256()
			want(t, s, "known", by.token(t, nil), 200, "")
			for name, kid := range map[string]any{
				"empty": "", "a number": 1, "a list": []string{"p256"}, "null": []any{nil}, "an object": members{"p256": 1}, "257 bytes": strings.Repeat("a", 257),
			} {
				want(t, s, name, by.sign(t, by.header(members{"kid": kid}), claims(nil)), 401, "key-id")
			}
			want(t, s, "64 KiB", by.sign(t, by.header(members{"kid": strings.Repeat("a", 64<<10)}), claims(nil)), 401, "too-large")
			want(t, s, "twice", by.raw(t, `{"alg":"ES256","kid":"p256","kid":"p256"}`, `{}`), 401, "malformed")
			if e.count() != 1 {
				t.Fatalf("%d fetches before a kid was unknown, want 1", e.count())
			}
			hostile := []string{"../../../../dev/null", "/etc/passwd", "x' OR '1'='1", "P256", "p256 ", "http://169.254.169.254/", "p256\x00", "|/bin/true", "%70256", ".", "__proto__"}
			token := by.token(t, nil)
			rest := token[strings.IndexByte(token, '.'):]
			for n := range 10_000 {
				kid := fmt.Sprintf("kid-%d", n)
				if n < len(hostile) {
					kid = hostile[n]
				}
				header, err := json.Marshal(members{"alg": "ES256", "kid": kid})
				if err != nil {
					t.Fatal(err)
				}
				forged := segment(header) + rest
				if got := present(t, s, forged); got.status != 401 || got.reason != "unknown-key" {
					t.Fatalf("kid %q: got %d %q", kid, got.status, got.reason)
				}
			}
			if e.count() != 2 {
				t.Errorf("%d fetches for 10,000 unknown kids in one interval, want 2 in all", e.count())
			}
			pass(30 * time.Second)
			for n := range 100 {
				by.id = fmt.Sprintf("later-%d", n)
				want(t, s, "in the next interval", by.token(t, nil), 401, "unknown-key")
			}
			if e.count() != 3 {
				t.Errorf("%d fetches after the next interval, want 3", e.count())
			}
		})
	})
}

// A new key is known at once, and a hundred requests wait for one fetch.
func TestARotatedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := allPairs()
		e := &endpoint{keys: []members{jwk(p.p256, "old")}, maxAge: time.Hour}
		s := remote(t, e, jwt.Fetch{})
		want(t, s, "old", signer{"ES256", p.p256, "old"}.token(t, nil), 200, "")
		pass(time.Minute)
		e.publish(jwk(p.p256, "old"), jwk(p.other, "new"))
		e.set(func(e *endpoint) { e.delay = time.Second })
		var wait sync.WaitGroup
		for n := range 100 {
			token := signer{"ES256", p.other, "new"}.token(t, members{"n": n})
			old := signer{"ES256", p.p256, "old"}.token(t, members{"n": n})
			wait.Go(func() { want(t, s, "new", token, 200, "") })
			wait.Go(func() { want(t, s, "old, meanwhile", old, 200, "") })
		}
		wait.Wait()
		if e.count() != 2 {
			t.Errorf("%d fetches, want 2", e.count())
		}
	})
}

func TestAnEndpointThatIsDown(t *testing.T) {
	attack.Case(t, "JWT-14", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := &endpoint{keys: []members{jwk(allPairs().p256, "p256")}, maxAge: time.Hour, err: errDown}
			s := remote(t, e, jwt.Fetch{})
			by := es256()
			token := by.token(t, day())
			want(t, s, "never fetched", token, 503, "unavailable")
			for range 1000 {
				want(t, s, "between attempts", token, 503, "unavailable")
			}
			want(t, s, "of nobody's: it needs no key", by.token(t, members{"iss": "x"}), 401, "issuer")
			if e.count() != 1 {
				t.Errorf("%d attempts, want 1", e.count())
			}
			pass(time.Minute) // after 1, 2, 4, 8, 16 and 30 s
			if e.count() != 6 {
				t.Errorf("%d attempts in a minute, want 6", e.count())
			}
			e.fail(nil)
			pass(30 * time.Second)
			want(t, s, "fetched", token, 200, "")

			e.fail(errDown)
			pass(30 * time.Minute)
			want(t, s, "the last good set, remembered", token, 200, "")
			want(t, s, "the last good set", by.token(t, day().with(members{"n": 1})), 200, "")
			by.id = "unknown"
			want(t, s, "a key that may exist", by.token(t, day()), 503, "unavailable")
			by.id = "p256"
			pass(35 * time.Minute)
			want(t, s, "beyond the bound, remembered", token, 503, "unavailable")
			want(t, s, "beyond the bound", by.token(t, day().with(members{"n": 2})), 503, "unavailable")
			e.fail(nil)
			pass(30 * time.Second)
			want(t, s, "back", token, 200, "")

			e.publish() // an empty set is none
			pass(30 * time.Minute)
			want(t, s, "the endpoint's set is empty", token, 200, "")
			pass(40 * time.Minute)
			want(t, s, "empty beyond the bound", token, 503, "unavailable")
		})
	})
}

func TestASlowEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{keys: []members{jwk(allPairs().p256, "p256")}, delay: 3 * time.Second}
		s := remote(t, e, jwt.Fetch{})
		begun := time.Now()
		want(t, s, "it waits for the first set", es256().token(t, nil), 200, "")
		if waited := time.Since(begun); waited != 3*time.Second {
			t.Errorf("waited %v", waited)
		}
		e.set(func(e *endpoint) { e.delay = time.Hour })
		unknown := es256()
		unknown.id = "unknown"
		begun = time.Now()
		want(t, s, "it gives up after the time-out", unknown.token(t, nil), 503, "")
		if waited := time.Since(begun); waited != 5*time.Second {
			t.Errorf("waited %v", waited)
		}
		pass(30 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun = time.Now()
		if got := ask(t, s, request(unknown.token(t, nil)).WithContext(ctx)); got.status != 503 || time.Since(begun) > time.Second {
			t.Errorf("a client that leaves: got %d after %v", got.status, time.Since(begun))
		}
		begun = time.Now()
		s.Close()
		if time.Since(begun) > 0 {
			t.Errorf("Close waited for %v", time.Since(begun))
		}
	})
}

func TestCacheControl(t *testing.T) {
	for _, tt := range []struct {
		name   string
		maxAge time.Duration
		every  time.Duration
	}{
		{"shorter than Every", time.Minute, time.Minute},
		{"shorter than is allowed", time.Second, 30 * time.Second},
		{"longer than Every", time.Hour, 5 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &endpoint{keys: []members{jwk(allPairs().p256, "p256")}, maxAge: tt.maxAge}
				_ = remote(t, e, jwt.Fetch{})
				pass(10*tt.every + time.Second)
				if e.count() != 11 {
					t.Errorf("%d fetches in ten intervals of %v, want 11", e.count(), tt.every)
				}
			})
		})
	}
}

func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{keys: []members{jwk(allPairs().p256, "p256")}}
		s := remote(t, e, jwt.Fetch{})
		token := es256().token(t, day())
		want(t, s, "open", token, 200, "")
		s.Close()
		s.Close()
		want(t, s, "closed, with keys still", token, 200, "")
		unknown := es256()
		unknown.id = "unknown"
		want(t, s, "closed, a key that may exist", unknown.token(t, nil), 503, "")
		pass(2 * time.Hour)
		want(t, s, "closed, and stale", token, 503, "")
		if e.count() != 1 {
			t.Errorf("%d fetches, want 1", e.count())
		}
		e.set(func(e *endpoint) { e.delay = time.Second })
		never := remote(t, e, jwt.Fetch{})
		never.Close()
		want(t, never, "closed before the first set", token, 503, "")
	})
}
