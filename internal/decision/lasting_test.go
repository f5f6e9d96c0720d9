package decision_test

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/internal/decision"
	"github.com/warder-dev/warder/ticket"
	"github.com/warder-dev/warder/upstream"
)

// A field of an answer that no ticket is for could be another's.
func TestTicketsAreForEveryIdentityField(t *testing.T) {
	if got, want := ticket.IdentityFields(), upstream.IdentityFields(); !slices.Equal(got, want) {
		t.Errorf("tickets are for %q, the proxy is told %q", got, want)
	}
}

func TestLastingIsWholeOrRefused(t *testing.T) {
	for name, l := range map[string]*decision.Lasting{
		"nobody says until when": {Revision: func() uint64 { return 0 }},
		"nor how far":            {Fresh: time.Now},
		"a negative age":         {Fresh: time.Now, Revision: func() uint64 { return 0 }, MaxAge: -1},
	} {
		cfg := decision.Config{
			Stack: new(warder.Stack), Dialect: decision.Nginx(), Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Log: slog.New(slog.DiscardHandler), Lasting: l,
		}
		if _, err := decision.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
