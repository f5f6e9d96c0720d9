package keytoken_test

import (
	"crypto/sha256"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/keytoken"
)

// A key that is seen under a former pepper is moved to the current one by its text,
// which a token has not: it changes nothing, and is good all the same.
func TestATokenOfAKeyUnderAFormerPepper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		former, err := apikey.NewPepper(nil)
		must(t, err)
		current, err := apikey.NewPepper(nil)
		must(t, err)
		old, err := apikey.ParsePeppers(former)
		must(t, err)
		both, err := apikey.ParsePeppers(current + former)
		must(t, err)
		w := newWorld(t, keytoken.Config{})
		w.keys, err = apikey.NewIssuer(apikey.IssuerConfig{Store: w.store, Peppers: old})
		must(t, err)
		w.verifier, err = apikey.NewVerifier(apikey.VerifierConfig{Store: w.store, Peppers: both, Tokens: w.tokens})
		must(t, err)
		defer func(v *apikey.Verifier) { must(t, v.Close()) }(w.verifier)
		record, key := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
		token := w.token(t, record.ID, apikey.TokenSpec{})
		changed := func() bool {
			pass(settle)
			now, err := w.store.Lookup(t.Context(), record.ID)
			must(t, err)
			return now.Revision != record.Revision
		}
		w.want(t, "before the key is moved", token, http.StatusOK, "")
		if changed() {
			t.Error("a token changed its key")
		}
		w.want(t, "the key", key, http.StatusOK, "")
		if !changed() {
			t.Error("the key is not moved by its own text")
		}
		w.want(t, "after the key was moved", token, http.StatusOK, "")
	})
}

// A token of an imported key is as good as its text, which is taken as long as its
// format is.
func TestATokenOfAnImportedKey(t *testing.T) {
	w := newWorld(t, keytoken.Config{})
	sum := sha256.Sum256([]byte("a-text-of-another-system-0123456789"))
	imported, err := apikey.ImportDigest(apikey.FormatSHA256, sum[:], time.Now())
	must(t, err)
	p := peppers(t)
	record := apikey.Record{ID: p.ImportID(0, imported), Prefix: "wrd", Environment: "live", Scopes: []string{"orders:*"}, Created: time.Now(), Secrets: []apikey.Secret{imported}}
	_, err = w.store.Apply(t.Context(), apikey.Change{Actor: "t", Source: "test", Op: apikey.OpImport, At: time.Now(), After: &record})
	must(t, err)
	token := w.token(t, record.ID, apikey.TokenSpec{})
	for name, tt := range map[string]struct {
		formats []string
		status  int
		reason  string
	}{
		"while its format is taken":  {[]string{apikey.FormatSHA256}, http.StatusOK, ""},
		"when its format is no more": {nil, http.StatusUnauthorized, "wrong-secret"},
		"when another format is":     {[]string{apikey.FormatSHA512}, http.StatusUnauthorized, "wrong-secret"},
	} {
		w.verifier, err = apikey.NewVerifier(apikey.VerifierConfig{Store: w.store, Peppers: p, Tokens: w.tokens, LegacyFormats: tt.formats})
		must(t, err)
		w.want(t, name, token, tt.status, tt.reason)
		must(t, w.verifier.Close())
	}
}
