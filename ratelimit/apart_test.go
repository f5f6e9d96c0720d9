package ratelimit_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

// TestSubjectsAreApart: what only reads alike once it is written one after the
// other is not one subject, however long it is.
func TestSubjectsAreApart(t *testing.T) {
	l := newLimit(t, ratelimit.LimitConfig{
		Name: "all", Quota: ratelimit.Quota{Count: 1, Per: time.Hour},
		By: []ratelimit.Part{ratelimit.ByOwner(), ratelimit.ByKey(), ratelimit.ByHeader("X-Tenant"), ratelimit.ByAddress()},
	})
	seen := make(map[ratelimit.Subject]string)
	see := func(owner, key string, lines []string, client netip.Addr) {
		x := request()
		x.Principal = exchange.Principal{Owner: owner, KeyID: key}
		x.Request.Header["X-Tenant"] = lines
		x.Client = client
		what := fmt.Sprintf("%q %q %q %v", owner, key, lines, client)
		s, _ := l.Subject(x)
		if again, _ := l.Subject(x); again != s {
			t.Errorf("%s is two subjects", what)
		}
		if other, taken := seen[s]; taken && other != what {
			t.Errorf("%s and %s are one subject", what, other)
		}
		seen[s] = what
	}
	clients := []netip.Addr{{}, netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::"), netip.MustParseAddr("c000:201::")}
	for _, n := range []int{1, 2, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 95, 96, 97, 254, 255, 256, 257, 512, 5000} { // on both sides of what fits
		text := strings.Repeat("a", n)
		for _, cut := range []int{0, 1, n / 2, n - 1, n} {
			see(text[:cut], text[cut:], nil, clients[0])
			see("o", text[:cut], []string{text[cut:]}, clients[2])
			see("o", "k", []string{text[:cut], text[cut:]}, clients[2])
			see("o", text[:cut]+"\x00", []string{text[cut:]}, clients[2])
		}
	}
	for _, client := range clients {
		see("o", "k", nil, client)
		see("o", "k", []string{""}, client)
		see("o", "k", []string{"", ""}, client)
		see("o", "k", []string{client.String()}, netip.Addr{})
	}
	if len(seen) < 400 {
		t.Errorf("only %d subjects", len(seen))
	}
}
