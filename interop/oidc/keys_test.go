package oidc_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/interop/oidc"
	"github.com/warder-dev/warder/jwt"
)

// quick fetches keys once a second, and uses them for ten without their endpoint.
func quick() jwt.Fetch {
	return jwt.Fetch{Every: time.Second, UnknownEvery: time.Second, MaxStale: 10 * time.Second, Timeout: time.Minute}
}

// seldom fetches only what it has to.
func seldom() jwt.Fetch {
	return jwt.Fetch{Every: time.Hour, UnknownEvery: time.Hour, MaxStale: time.Hour, Timeout: time.Minute}
}

// A load are requests without a pause, from several goroutines, each with the
// next of some tokens: most are verified anew.
type load struct {
	stop  context.CancelFunc
	wait  sync.WaitGroup
	calls atomic.Int64

	mu      sync.Mutex // guards what follows
	results []result
}

// A result is one that is not a pass, or the last pass of a goroutine.
type result struct {
	begun, ended time.Time
	status       int
	reason       string
}

// press begins a load of tokens on s.
func press(t *testing.T, s *jwt.Scheme, tokens []string) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop}
	for n := range 4 {
		l.wait.Go(func() {
			for i := n; ctx.Err() == nil; i++ {
				r := result{begun: time.Now()}
				_, r.status, r.reason = outcome(t.Context(), s, tokens[i%len(tokens)]) //nolint:contextcheck // ctx ends in the middle of one
				r.ended = time.Now()
				l.calls.Add(1)
				if r.status != http.StatusOK {
					l.mu.Lock()
					if len(l.results) < 10_000 {
						l.results = append(l.results, r)
					}
					l.mu.Unlock()
					<-time.After(time.Millisecond) // refusals cost nothing: others shall run as well
				}
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

// end ends the load.
func (l *load) end() {
	l.stop()
	l.wait.Wait()
}

// failed returns what did not pass so far.
func (l *load) failed() []result {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]result(nil), l.results...)
}

// more waits until the load has made n more calls.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	want := l.calls.Load() + n
	eventually(t, fmt.Sprintf("%d more requests", n), func() bool { return l.calls.Load() >= want })
}

// tokensOf returns n tokens of the provider, by the key that signs now.
func tokensOf(t *testing.T, p *oidc.Provider, n int) []string {
	t.Helper()
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = p.Token(t, machine(), fmt.Sprintf("orders:n%d", i))
	}
	return tokens
}

// TestKeysKilledUnderLoad kills the provider while requests come: all pass while
// the last key set may be used, then all are 503, and all pass again when it is back.
func TestKeysKilledUnderLoad(t *testing.T) {
	attack.Case(t, "JWT-14", attack.Library, func(t *testing.T) {
		p := start(t)
		s := bearerOf(t, p, quick(), new(journal))
		tokens := tokensOf(t, p, 8)
		want(t, "first", s, tokens[0], http.StatusOK, "")
		l := press(t, s, tokens)
		l.more(t, 1000)
		asked := p.Asked(oidc.KeysPath)
		release := p.HoldKeys()
		defer release()
		eventually(t, "another attempt", func() bool { return p.Asked(oidc.KeysPath) > asked }) // the one before it is over then
		bound := p.KeysServed().Add(quick().MaxStale)                                           // the set came after it was asked for
		p.Stop()
		release()
		want(t, "an unknown key, of which nobody knows now", s, withKeyID(t, tokens[0], "unknown"), http.StatusServiceUnavailable, "")
		eventually(t, "503 beyond the bound", func() bool {
			_, status, _ := outcome(t.Context(), s, tokens[0])
			return status == http.StatusServiceUnavailable
		})
		dead := time.Now()
		l.more(t, 100)
		p.Resume(t)
		back := time.Now()
		eventually(t, "200 since the provider is back", func() bool {
			_, status, _ := outcome(t.Context(), s, tokens[0])
			return status == http.StatusOK
		})
		l.more(t, 100)
		l.end()
		failed, between := l.failed(), 0
		for _, r := range failed {
			switch {
			case r.status != http.StatusServiceUnavailable:
				t.Fatalf("%d %s: a key set that is away is never the token's fault", r.status, r.reason)
			case r.ended.Before(bound):
				t.Fatalf("503 %v before the bound: %s", bound.Sub(r.ended), r.reason)
			case r.begun.After(dead) && r.ended.Before(back):
				between++
			}
		}
		if between == 0 {
			t.Error("none was refused under load beyond the bound")
		}
		t.Logf("%d requests, %d of them refused", l.calls.Load(), len(failed))
	})
}

// TestKeysSlowUnderLoad has the endpoint of keys hang, longer than one request and
// shorter than the bound: nobody notices.
func TestKeysSlowUnderLoad(t *testing.T) {
	attack.Case(t, "JWT-14", attack.Library, func(t *testing.T) {
		p := start(t)
		fetch := quick()
		fetch.MaxStale = time.Hour
		s := bearerOf(t, p, fetch, new(journal))
		tokens := tokensOf(t, p, 8)
		want(t, "first", s, tokens[0], http.StatusOK, "")
		l := press(t, s, tokens)
		release := p.HoldKeys()
		defer release()
		asked := p.Asked(oidc.KeysPath)
		eventually(t, "somebody waits for the keys", func() bool { return p.Asked(oidc.KeysPath) > asked })
		l.more(t, 10_000) // all of them while that one waits
		if got := p.Asked(oidc.KeysPath); got != asked+1 {
			t.Errorf("%d ask at once, want one", got-asked)
		}
		release()
		eventually(t, "the keys are asked for again", func() bool { return p.Asked(oidc.KeysPath) > asked+1 })
		l.end()
		if failed := l.failed(); len(failed) > 0 {
			t.Errorf("%d of %d requests failed, the first one with %d %s", len(failed), l.calls.Load(), failed[0].status, failed[0].reason)
		}
	})
}

// TestKeysRotatedUnderLoad rotates twice while requests come with old and new
// tokens: each new key is found by one fetch, and a withdrawn one is refused.
func TestKeysRotatedUnderLoad(t *testing.T) {
	attack.Case(t, "JWT-12", attack.Library, func(t *testing.T) {
		p := start(t)
		fetch := seldom()
		fetch.UnknownEvery = time.Second
		s := bearerOf(t, p, fetch, new(journal))
		old := tokensOf(t, p, 8)
		want(t, "first", s, old[0], http.StatusOK, "")
		l := press(t, s, old)
		for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256} {
			asked := p.Asked(oidc.KeysPath)
			p.Rotate(t, algorithm)
			fresh := tokensOf(t, p, 8)
			var wait sync.WaitGroup
			for _, token := range fresh {
				wait.Go(func() {
					passes := func() bool { // within the interval of the rotation before, it is 401
						_, status, _ := outcome(t.Context(), s, token)
						return status == http.StatusOK
					}
					if !soon(t.Context(), passes) {
						t.Errorf("a token by the new key, of %s, is still refused", algorithm)
					}
				})
			}
			wait.Wait()
			if got := p.Asked(oidc.KeysPath) - asked; got != 1 {
				t.Errorf("%s: %d fetches for a new key, want one", algorithm, got)
			}
		}
		l.more(t, 1000)
		l.end()
		if failed := l.failed(); len(failed) > 0 {
			t.Errorf("%d of %d requests with old tokens failed, the first one with %d %s", len(failed), l.calls.Load(), failed[0].status, failed[0].reason)
		}
		kept := tokensOf(t, p, 1)[0]
		p.Withdraw()
		forged := withKeyID(t, kept, "unknown")
		eventually(t, "the old key is gone", func() bool { // an unknown kid has the set fetched, once in the interval
			_, status, _ := outcome(t.Context(), s, forged)
			_, oldStatus, reason := outcome(t.Context(), s, old[0])
			return status == http.StatusUnauthorized && oldStatus == http.StatusUnauthorized && reason == "unknown-key"
		})
		want(t, "by the key that stayed", s, kept, http.StatusOK, "")
	})
}

// TestUnknownKeysUnderLoad sends thousands of unknown key ids at once.
func TestUnknownKeysUnderLoad(t *testing.T) {
	attack.Case(t, "JWT-05", attack.Library, func(t *testing.T) {
		p := start(t)
		s := bearerOf(t, p, seldom(), new(journal))
		token := tokensOf(t, p, 1)[0]
		want(t, "first", s, token, http.StatusOK, "")
		asked := p.Asked(oidc.KeysPath)
		var wait sync.WaitGroup
		for n := range 20 {
			wait.Go(func() {
				for i := range 250 {
					if _, status, reason := outcome(t.Context(), s, withKeyID(t, token, fmt.Sprintf("forged-%d-%d", n, i))); status != http.StatusUnauthorized {
						t.Errorf("an unknown key: %d %s", status, reason)
					}
					if _, status, reason := outcome(t.Context(), s, token); status != http.StatusOK {
						t.Errorf("the good one, meanwhile: %d %s", status, reason)
					}
				}
			})
		}
		wait.Wait()
		if got := p.Asked(oidc.KeysPath) - asked; got != 1 {
			t.Errorf("5,000 unknown keys caused %d fetches within the interval, want one", got)
		}
	})
}

// withKeyID returns the token under another kid; its signature is worth nothing then.
func withKeyID(t *testing.T, token, id string) string {
	t.Helper()
	head, rest, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	var header map[string]any
	if err == nil {
		err = json.Unmarshal(text, &header)
	}
	if err != nil {
		t.Error(err)
		return ""
	}
	header["kid"] = id
	text, err = json.Marshal(header)
	if err != nil {
		t.Error(err)
	}
	return base64.RawURLEncoding.EncodeToString(text) + "." + rest
}
