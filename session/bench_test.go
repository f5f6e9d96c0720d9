package session_test

import (
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/session"
)

// A look-up in memory costs the context that bounds it, and the session's name.
func TestAllocations(t *testing.T) {
	m := newManager(t, session.Config{})
	for name, tt := range map[string]struct {
		cookies []string
		most    float64
	}{"passes": {[]string{login(t, m, ada())}, 6}, "absent": {nil, 0}, "malformed": {[]string{"x"}, 0}} {
		x := exchange.New(request(tt.cookies...))
		got := testing.AllocsPerRun(100, func() { _, _ = m.Scheme().Authenticate(x) })
		if got > tt.most && !raceEnabled {
			t.Errorf("%s: %v allocations, want at most %v", name, got, tt.most)
		}
	}
}

func BenchmarkScheme(b *testing.B) {
	m := newManager(b, session.Config{})
	id := login(b, m, ada())
	for name, cookie := range map[string]string{"memory": id, "malformed": "x"} {
		b.Run(name, func(b *testing.B) {
			x := exchange.New(request(cookie))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = m.Scheme().Authenticate(x)
			}
		})
	}
	b.Run("stage", func(b *testing.B) {
		stage, err := authn.New(authn.Config{Requirement: authn.Require(m.Scheme(), "orders:read")})
		if err != nil {
			b.Fatal(err)
		}
		x := exchange.New(request(id))
		b.ReportAllocs()
		for b.Loop() {
			if !stage.Check(x).Passed() {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkLogin(b *testing.B) {
	m := newManager(b, session.Config{})
	b.ReportAllocs()
	for b.Loop() {
		login(b, m, ada())
	}
}
