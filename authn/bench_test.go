package authn_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

// requirements are those that a request passes, by name.
func requirements() map[string]authn.Requirement {
	key := &credential{name: "key", says: good, scopes: exchange.LiteralScopes("orders:read")}
	c := says(absent, absent, absent)
	need := authn.Need{Scheme: key, Scopes: []string{"orders:read"}}
	cert := &credential{name: "cert", says: good}
	return map[string]authn.Requirement{
		"one":          authn.Require(key, "orders:read"),
		"first of 3":   {{need}, {{Scheme: c[0]}}, {{Scheme: c[1]}}},
		"last of 3":    {{{Scheme: c[0]}}, {{Scheme: c[1]}}, {need}},
		"two of 4":     {{{Scheme: c[0]}}, {{Scheme: c[1]}, need}, {need, {Scheme: cert}}},
		"optional, no": {{{Scheme: c[0]}}, {{Scheme: c[1]}}, {{Scheme: c[2]}}, {}},
	}
}

func TestPassingAllocatesNothing(t *testing.T) {
	for name, r := range requirements() {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, r)
			x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
			if got := testing.AllocsPerRun(100, func() {
				if !s.Check(x).Passed() {
					t.Error("refused")
				}
			}); got != 0 {
				t.Errorf("%v allocations, want none", got)
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	all := requirements()
	for _, name := range []string{"one", "first of 3", "last of 3", "two of 4", "optional, no"} {
		b.Run(name, func(b *testing.B) {
			s := newStage(b, all[name])
			x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
			b.ReportAllocs()
			for b.Loop() {
				if !s.Check(x).Passed() {
					b.Fatal("refused")
				}
			}
		})
	}
}
