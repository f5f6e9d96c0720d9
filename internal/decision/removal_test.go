package decision_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/decision"
)

// everything lets all requests pass.
type everything struct{}

func (everything) Match(*exchange.Exchange) *warder.Policy { return &warder.Policy{} }

// A session, unlike other cookies, stays here: Envoy puts what is left in the place
// of what the client sent, or takes the field away.
func TestTheSessionStaysHere(t *testing.T) {
	front, err := decision.New(decision.Config{
		Stack: &warder.Stack{Route: everything{}}, Dialect: decision.EnvoyHTTP(), Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		Log: slog.New(slog.DiscardHandler), RemoveHeaders: []string{"X-Api-Key"}, RemoveCookies: []string{"session"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for sent, want := range map[string]struct{ cookie, removed string }{
		"a=b; session=c; d=e": {"a=b; d=e", "x-api-key"},
		"a=b":                 {"", "x-api-key"},
		"session=c":           {"", "cookie, x-api-key"},
		"":                    {"", "x-api-key"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, decision.Path+"/a", http.NoBody)
		r.Header = http.Header{"X-Original-Proto": {"https"}, "X-Original-Addr": {"198.51.100.7"}}
		if sent != "" {
			r.Header["Cookie"] = []string{sent}
		}
		w := httptest.NewRecorder()
		front.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Header().Get("Cookie") != want.cookie || w.Header().Get(decision.RemoveField) != want.removed {
			t.Errorf("%q: %d, cookie %q, taken away %q", sent, w.Code, w.Header().Get("Cookie"), w.Header().Get(decision.RemoveField))
		}
	}
}
