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

// forge is the text of a key that there is not, of the right form.
func forge(t *testing.T) string {
	t.Helper()
	other := newIssuer(t)
	_, text, err := other.Create(t.Context(), apikey.By{Actor: "t", Source: "t"}, apikey.Spec{Environment: "live"})
	must(t, err)
	return text.Reveal()
}

func TestGuesses(t *testing.T) {
	attack.Case(t, "ADMIN-14", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		good := w.made(t, keyservice.KeySpec{})
		ask := func(key, address string, fields ...string) *reply {
			return w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]string{"key": key, "address": address}, fields...)
		}
		want(t, "without a credential", ask(good.Text, "192.0.2.1", "Authorization", ""), http.StatusUnauthorized)
		want(t, "with a data key", ask(good.Text, "192.0.2.1", "Authorization", "Bearer "+good.Text), http.StatusUnauthorized)
		want(t, "an auditor, who spends nothing", ask(good.Text, "192.0.2.1", "X-Person", "auditor"), http.StatusForbidden)
		var v keyservice.Verdict
		ask(good.Text, "192.0.2.99").json(t, &v)
		if !v.Valid {
			t.Fatalf("the good key is %+v", v)
		}
		revoked := w.made(t, keyservice.KeySpec{})
		_, err := w.issuer.Revoke(t.Context(), apikey.By{Actor: "t", Source: "t"}, apikey.ID(revoked.Key.ID), "x")
		must(t, err)
		for role, told := range map[string]bool{"owner": true, "admin": true, "developer": false, "developer:acme": false} {
			for text, reason := range map[string]string{forge(t): "unknown", revoked.Text: "revoked"} {
				var v keyservice.Verdict
				r := ask(text, "192.0.2.50", "X-Person", role)
				if r.json(t, &v); !told {
					reason = ""
				}
				if v.Reason != reason || v.Valid || v.Code != "invalid" || v.Status != 401 || !told && strings.Contains(r.text, "revoked") {
					t.Errorf("a %s is told %s, want the reason %q", role, r.text, reason)
				}
			}
		}
		throttled, asked := 0, 0
		for i := range 10_000 {
			r := ask(forge(t), fmt.Sprintf("198.51.%d.%d", i/250%250, i%250))
			asked++
			if r.status == http.StatusTooManyRequests {
				throttled++
				if r.header.Get("Retry-After") == "" {
					t.Fatal("no Retry-After")
				}
				if throttled > 100 {
					break
				}
			}
		}
		if throttled < 100 {
			t.Errorf("of %d guesses from as many addresses %d were throttled", asked, throttled)
		}
		ask(good.Text, "192.0.2.99").json(t, &v)
		if !v.Valid {
			t.Errorf("who proved itself before is refused while others guess: %+v", v)
		}
		w = newWorld(t)
		// 30 cost nothing, and the next has the one after it wait: a second, then two, four ...
		const judged, more = 31, 6
		var guesses []string
		for range judged + more {
			guesses = append(guesses, forge(t))
		}
		throttled = 0
		for i, guess := range guesses {
			r := w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]string{"key": guess, "address": "203.0.113.1"})
			if r.status == http.StatusTooManyRequests {
				throttled++
			}
			if i < judged && throttled > 0 {
				t.Fatalf("guess %d from one address: %d, want the first %d judged", i+1, r.status, judged)
			}
		}
		if throttled == 0 {
			t.Errorf("%d guesses from one address were not throttled", len(guesses))
		}
	})
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
