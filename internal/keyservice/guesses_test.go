package keyservice_test

import (
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
)

// wrongOf is the text of the same key with another secret, and right check digits.
func wrongOf(t *testing.T, text string) string {
	t.Helper()
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	parts := strings.Split(text, "_")
	body := parts[0] + "_" + parts[1] + "_" + parts[2][:12] + strings.Repeat("w", 32)
	sum, check := crc32.ChecksumIEEE([]byte(body)), make([]byte, 6)
	for i := range check {
		check[5-i] = base62[sum%62]
		sum /= 62
	}
	_, err := apikey.Parse(body + string(check))
	must(t, err)
	return body + string(check)
}

// The machines of one owner lock no key of another's out, neither by the address
// that they claim nor by their own, which may be everybody's.
func TestGuessesOfOneOwner(t *testing.T) {
	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		for name, tt := range map[string]struct {
			address string
			guesses int
		}{"an address that is claimed": {"203.0.113.9", 40}, "their own address": {"", 150}} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				victim := w.made(t, keyservice.KeySpec{Owner: "acme", Scopes: []string{"orders:read"}})
				last := 0
				for range tt.guesses {
					last = w.ask(t, http.MethodPost, "/v1/keys:verify", keyservice.Use{Key: wrongOf(t, victim.Text), Address: tt.address}, "X-Person", "developer:evil").status
				}
				if last != http.StatusTooManyRequests {
					t.Errorf("%d guesses, and the last is %d, want 429", tt.guesses, last)
				}
				for _, who := range []string{"developer:acme", "developer"} {
					want(t, who+" about the good key", w.ask(t, http.MethodPost, "/v1/keys:verify", keyservice.Use{Key: victim.Text, Address: tt.address}, "X-Person", who), http.StatusOK)
					want(t, who+" exchanges it", w.ask(t, http.MethodPost, "/v1/keys:exchange", map[string]string{"key": victim.Text}, "X-Person", who), http.StatusOK)
				}
			})
		}
	})
}

// newImports is a world that takes texts of other systems, with one of alice's and
// one of carol's.
func newImports(t *testing.T) *world {
	t.Helper()
	line, err := apikey.NewPepper(rand.Reader)
	must(t, err)
	peppers, err := apikey.ParsePeppers(line)
	must(t, err)
	w := newWorld(t, func(c *keyservice.Config) {
		c.Peppers, c.Prefix = peppers, "acme"
		verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: c.Store, Peppers: peppers, LegacyFormats: []string{apikey.FormatText}})
		must(t, err)
		t.Cleanup(func() { must(t, verifier.Close()) })
		c.Verifier = verifier
	})
	want(t, "import", w.ask(t, http.MethodPost, "/v1/keys:import", map[string]any{"entries": []map[string]any{
		{"number": 0, "key": "kong-key-of-alice-1", "owner": "alice"}, {"number": 1, "key": "kong-key-of-carol-1", "owner": "carol"},
	}}), http.StatusOK)
	return w
}

// Guesses at texts of other systems count as those at ours do; who has shown the
// right one passes meanwhile.
func TestGuessesAtImportedTexts(t *testing.T) {
	w := newImports(t)
	ask := func(text string) int {
		return w.ask(t, http.MethodPost, "/v1/keys:verify", keyservice.Use{Key: text, Address: "203.0.113.9"}).status
	}
	if got := ask("kong-key-of-alice-1"); got != http.StatusOK {
		t.Fatalf("the right one is %d", got)
	}
	throttled := false
	for i := range 100 {
		throttled = throttled || ask(fmt.Sprintf("kong-key-of-alice-%d", 5000-i)) == http.StatusTooManyRequests
	}
	if !throttled {
		t.Error("100 guesses from one address were not throttled")
	}
	if got := ask("kong-key-of-alice-1"); got != http.StatusOK {
		t.Errorf("who proved itself before is answered %d while others guess", got)
	}
}

// A key of another system is found by its text, by who may see it.
func TestSearchByAnImportedText(t *testing.T) {
	w := newImports(t)
	ask := func(text, who string) *reply {
		return w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": text}, "X-Person", who)
	}
	for _, who := range []string{"admin", "admin:carol"} {
		r := ask("kong-key-of-carol-1", who)
		want(t, who, r, http.StatusOK)
		var k keyservice.KeyBody
		if r.json(t, &k); k.Key.Owner != "carol" {
			t.Errorf("%s finds the key of %q", who, k.Key.Owner)
		}
	}
	foreign, none := ask("kong-key-of-carol-1", "admin:evil"), ask("kong-key-of-nobody", "admin:evil")
	if foreign.status != http.StatusBadRequest || none.status != foreign.status {
		t.Errorf("another owner's is %d, and none %d; want 400 for both", foreign.status, none.status)
	}
}

// Why a text of another system is refused is its owner's to know.
func TestReasonsOfImportedKeys(t *testing.T) {
	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		w := newImports(t)
		var page keyservice.KeyPage
		w.ask(t, http.MethodGet, "/v1/keys?owner=carol", nil).json(t, &page)
		want(t, "revoke", w.ask(t, http.MethodPost, "/v1/keys/"+page.Keys[0].ID+":revoke", struct{}{}), http.StatusOK)
		for who, reason := range map[string]string{"admin:evil": "unknown", "admin:carol": "revoked", "admin": "revoked"} {
			if v := w.verdict(t, keyservice.Use{Key: "kong-key-of-carol-1"}, "X-Person", who); v.Reason != reason {
				t.Errorf("%s is told %q, want %q", who, v.Reason, reason)
			}
		}
	})
}
