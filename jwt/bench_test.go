package jwt_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/jwt"
)

// everySigner is one of each kind, by name.
func everySigner() map[string]signer {
	p := allPairs()
	return map[string]signer{"ES256": es256(), "RS256": {"RS256", p.rsa, "rsa"}, "EdDSA": {"EdDSA", p.ed, "ed"}}
}

// A token that is remembered costs no signature and no allocation.
func TestARememberedTokenAllocatesNothing(t *testing.T) {
	s := scheme(t)
	for name, by := range everySigner() {
		x := exchange.New(request(by.token(t, members{"scope": "a b"})))
		authenticate := func() {
			if p, err := s.Authenticate(x); err != nil || p.IsZero() {
				t.Errorf("%s: %v", name, err)
			}
		}
		authenticate()
		if got := testing.AllocsPerRun(100, authenticate); got != 0 {
			t.Errorf("%s: %v allocations, want none", name, got)
		}
	}
	absent := exchange.New(request(""))
	absent.Request.Header.Del("Authorization")
	if got := testing.AllocsPerRun(100, func() { _, _ = s.Authenticate(absent) }); got != 0 {
		t.Errorf("absent: %v allocations, want none", got)
	}
}

func TestTheMemoryOfTokensIsBounded(t *testing.T) {
	s := newScheme(t, jwt.Config{Issuers: []jwt.Issuer{issuer()}, CacheSize: 10})
	by := signer{"EdDSA", allPairs().ed, "ed"}
	for n := range 100 {
		want(t, s, "a token", by.token(t, members{"n": n}), 200, "")
		if got := s.Remembered(); got > 10 {
			t.Fatalf("%d tokens are remembered, want 10", got)
		}
	}
	before := s.Remembered()
	want(t, s, "a long token", by.token(t, members{"x": strings.Repeat("y", 5000)}), 200, "")
	want(t, s, "a bad token", by.token(t, members{"aud": "x"}), 401, "")
	dry := exchange.New(request(by.token(t, members{"dry": true})))
	dry.Dry = true
	if got := askWith(t, s, dry); got.status != 200 {
		t.Errorf("dry: got %d", got.status)
	}
	if got := s.Remembered(); got != before || before != 10 {
		t.Errorf("%d tokens are remembered, before %d, want 10", got, before)
	}
	none := newScheme(t, jwt.Config{Issuers: []jwt.Issuer{issuer()}, CacheSize: -1})
	want(t, none, "a token", by.token(t, nil), 200, "")
	if got := none.Remembered(); got != 0 {
		t.Errorf("%d tokens are remembered where none should be", got)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	for _, cached := range []bool{true, false} {
		for _, name := range []string{"ES256", "RS256", "EdDSA"} {
			b.Run(fmt.Sprintf("%s/cached=%v", name, cached), func(b *testing.B) {
				cfg := jwt.Config{Issuers: []jwt.Issuer{issuer()}, CacheSize: -1}
				if cached {
					cfg.CacheSize = 0
				}
				s := newScheme(b, cfg)
				x := exchange.New(request(everySigner()[name].token(b, members{"scope": "orders:read orders:write", "jti": "d1b2"})))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Authenticate(x); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("refused by form", func(b *testing.B) {
		s := newScheme(b, jwt.Config{Issuers: []jwt.Issuer{issuer()}})
		x := exchange.New(request("a.b.c"))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Authenticate(x); err == nil {
				b.Fatal("passed")
			}
		}
	})
}

func BenchmarkParallel(b *testing.B) {
	s := newScheme(b, jwt.Config{Issuers: []jwt.Issuer{issuer()}})
	token := es256().token(b, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		x := exchange.New(request(token))
		for pb.Next() {
			if _, err := s.Authenticate(x); err != nil {
				b.Error(err)
			}
		}
	})
}
