package apikeytest

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/secret"
)

// patience is how long what happens in the background may take, on a machine that is
// busy.
const patience = time.Minute

// Live lets n keys live in the store: they are made, rolled, used, moved to another
// pepper and revoked by what has their texts in its hands. It returns those texts, and
// of each the part that is secret: nothing that the store keeps may hold one. The ids
// are those of the keys; reveal is [secret.Text.Reveal], which only tests and few other
// files may call.
func Live(t *testing.T, s Full, n int, reveal func(secret.Text) string) (texts []string, ids []apikey.ID) {
	t.Helper()
	by := apikey.By{Actor: "user:ada", Source: "cli"}
	former := pepperLine(t)
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: s, Peppers: peppersOf(t, former)})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: s, Peppers: peppersOf(t, pepperLine(t)+"\n"+former), LookupTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := verifier.Close(); err != nil {
			t.Errorf("Close = %v, want no error", err)
		}
	})
	for i := range n {
		r, text, err := issuer.Create(t.Context(), by, apikey.Spec{Environment: "live", Name: "lives", Owner: "customer-7", Scopes: []string{"orders:read"}})
		if err != nil {
			t.Fatal(err)
		}
		told := []string{reveal(text)}
		if i%2 == 0 {
			if _, text, err = issuer.Roll(t.Context(), by, r.ID, 0, apikey.RollSpec{Overlap: time.Hour}); err != nil {
				t.Fatal(err)
			}
			told = append(told, reveal(text))
		}
		for _, one := range told {
			texts = append(texts, one, one[len(one)-38:len(one)-6])
		}
		ids = append(ids, r.ID)
		use(t, s, verifier, &r, told)
		if i%3 == 0 {
			if _, err := issuer.Revoke(t.Context(), by, r.ID, apikey.ReasonUnspecified); err != nil {
				t.Fatal(err)
			}
		}
	}
	return texts, ids
}

// use shows the texts of a key until none of its secrets is under the pepper of r: one
// moves at a time.
func use(t *testing.T, s Full, v *apikey.Verifier, r *apikey.Record, texts []string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		for _, one := range texts {
			if _, err := v.Verify(t.Context(), one); err != nil {
				t.Fatalf("Verify = %v, want no error", err)
			}
		}
		now, err := s.Lookup(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(now.Secrets, func(one apikey.Secret) bool { return one.Pepper == r.Secrets[0].Pepper }) {
			return
		}
	}
	t.Fatalf("the key %s was not moved to the other pepper within %v", r.ID, patience)
}

func pepperLine(t *testing.T) string {
	t.Helper()
	line, err := apikey.NewPepper(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func peppersOf(t *testing.T, lines string) *apikey.Peppers {
	t.Helper()
	p, err := apikey.ParsePeppers(lines)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
