package tally_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/usage/tally"
)

func TestHealth(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	used := func(at time.Time, scopes ...string) *tally.KeyUse {
		u := &tally.KeyUse{Secrets: []tally.SecretUse{{Secret: 1, At: at}}}
		for _, s := range scopes {
			u.Scopes = append(u.Scopes, tally.ScopeUse{Scope: s, At: at})
		}
		return u
	}
	from := func(n, days int) *tally.KeyUse {
		u := used(ago(0))
		for i := range n {
			u.Addresses = append(u.Addresses, tally.AddressUse{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32), N: 1, At: ago(days)})
		}
		return u
	}
	for _, tt := range []struct {
		name string
		key  tally.Key
		use  *tally.KeyUse
		want string
	}{
		{"well", tally.Key{Created: ago(100), Expires: ago(-30), Scopes: []string{"a"}}, used(ago(1), "a"), ""},
		{"never expires", tally.Key{Created: ago(1)}, used(ago(1)), "never-expires"},
		{"idle", tally.Key{Created: ago(200), Expires: ago(-1)}, used(ago(90)), "idle since 2026-08-30"},
		{"not idle yet", tally.Key{Created: ago(200), Expires: ago(-1)}, used(ago(89)), ""},
		{"never used", tally.Key{Created: ago(91), Expires: ago(-1)}, &tally.KeyUse{}, "idle since 2026-08-29"},
		{"new and never used", tally.Key{Created: ago(5), Expires: ago(-1), Scopes: []string{"a"}}, &tally.KeyUse{}, ""},
		{"over-scoped", tally.Key{Created: ago(40), Expires: ago(-1), Scopes: []string{"a", "b:*", "c", "plan:gold"}}, used(ago(1), "a", "bb:read"), "over-scoped b:* c"},
		{"over-scoped and young", tally.Key{Created: ago(20), Expires: ago(-1), Scopes: []string{"a", "b"}}, used(ago(1), "a"), ""},
		{"a pattern that was needed", tally.Key{Created: ago(40), Expires: ago(-1), Scopes: []string{"b:*"}}, used(ago(1), "b:read"), ""},
		{"few addresses", tally.Key{Created: ago(40), Expires: ago(-1)}, from(15, 1), ""},
		{"many addresses", tally.Key{Created: ago(40), Expires: ago(-1)}, from(16, 1), "many-addresses 16"},
		{"many addresses long ago", tally.Key{Created: ago(40), Expires: ago(-1)}, from(16, 31), ""},
		{"an old secret in use", tally.Key{Created: ago(40), Expires: ago(-1), Secrets: []tally.Secret{{Number: 2}, {Number: 1, Retires: ago(-2)}}}, used(ago(1)), "old-secret 1 since 2026-11-27"},
		{"an old secret that nobody uses", tally.Key{Created: ago(40), Expires: ago(-1), Secrets: []tally.Secret{{Number: 3}, {Number: 2, Retires: ago(-2)}}}, used(ago(1)), ""},
		{"an old secret that has ended", tally.Key{Created: ago(40), Expires: ago(-1), Secrets: []tally.Secret{{Number: 2}, {Number: 1, Retires: ago(0)}}}, used(ago(1)), ""},
		{"all at once", tally.Key{Created: ago(200), Scopes: []string{"x"}}, used(ago(100)), "never-expires; idle since 2026-08-20; over-scoped x"},
	} {
		cfg := tally.HealthConfig{Ignore: func(scope string) bool { return scope == "plan:gold" }}
		var got []string
		for _, f := range cfg.Health(&tt.key, tt.use, now) {
			text := string(f.Ill)
			if f.Secret > 0 {
				text += fmt.Sprintf(" %d", f.Secret)
			}
			if !f.Since.IsZero() {
				text += " since " + f.Since.Format(time.DateOnly)
			}
			if f.Count > 0 {
				text += fmt.Sprintf(" %d", f.Count)
			}
			got = append(got, strings.TrimSpace(text+" "+strings.Join(f.Scopes, " ")))
		}
		if text := strings.Join(got, "; "); text != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, text, tt.want)
		}
	}
}

// What a key is reduced to is what it needed, and nothing that it had not.
func TestReduced(t *testing.T) {
	cfg := tally.HealthConfig{Ignore: func(scope string) bool { return strings.HasPrefix(scope, "plan:") }}
	k := &tally.Key{Scopes: []string{"orders:*", "invoices:read", "plan:gold", "reports:read"}}
	u := &tally.KeyUse{Scopes: []tally.ScopeUse{{Scope: "orders:read"}, {Scope: "orders:write"}, {Scope: "reports:read"}, {Scope: "users:read"}}}
	if got, want := cfg.Reduced(k, u), []string{"orders:read", "orders:write", "plan:gold", "reports:read"}; !slices.Equal(got, want) {
		t.Errorf("Reduced = %q, want %q", got, want)
	}
	if got := (tally.HealthConfig{}).Reduced(k, &tally.KeyUse{}); len(got) != 0 {
		t.Errorf("Reduced of a key without use = %q", got)
	}
}
