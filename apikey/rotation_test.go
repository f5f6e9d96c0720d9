package apikey_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/internal/attack"
)

func TestPepperRotation(t *testing.T) {
	attack.Case(t, "KEY-12", attack.Library, func(t *testing.T) {
		t.Run("found lacking at run time: no answer, and 503", lackingPepper)
		t.Run("a retired pepper verifies", retiredPepper)
		t.Run("rotated under load: no failure, digests upgraded", rotatedUnderLoad)
		t.Run("what is missing is named", missingPeppers)
	})
}

// lackingPepper: nobody can tell whether the secret is right, so that neither a
// pass nor a 401 would be true.
func lackingPepper(t *testing.T) {
	h := newStoreHouse(t)
	_, text := h.create(t, "a")
	other, _ := newPeppers(t, 1)
	for name, store := range map[string]apikey.Store{"cached": h.store, "uncached": plainStore{h.store}} {
		v := newVerifier(t, apikey.VerifierConfig{Store: store, Peppers: other})
		f := newFront(t, v)
		for range 2 {
			for what, sent := range map[string]string{"right": text, "wrong": wrongSecret(text)} {
				_, err := v.Verify(t.Context(), sent)
				if refusal := new(authn.Refusal); err == nil || errors.As(err, &refusal) {
					t.Errorf("%s, %s secret: error %v, want one that is no refusal", name, what, err)
				}
				if w := f.get(sent); w.Code != 503 || w.Header().Get("Retry-After") == "" || f.served.Load() != 0 {
					t.Errorf("%s, %s secret: %d, Retry-After %q, want 503 with one", name, what, w.Code, w.Header().Get("Retry-After"))
				}
			}
		}
	}
}

func retiredPepper(t *testing.T) {
	h := newStoreHouse(t)
	first, lines := newPeppers(t, 3)
	old := newIssuer(t, apikey.IssuerConfig{Store: h.store, Peppers: parsePeppers(t, lines[2])})
	_, text, err := old.Create(t.Context(), by(), apikey.Spec{Environment: "live", Owner: "a"})
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: first})
	wantReason(t, "the last of three peppers", verify(v, reveal(text)), "")
	wantReason(t, "a wrong secret under it", verify(v, wrongSecret(reveal(text))), "wrong-secret")
}

func rotatedUnderLoad(t *testing.T) {
	_, lines := newPeppers(t, 2)
	h := &house{store: new(countingStore), peppers: parsePeppers(t, lines[1])}
	h.issuer = newIssuer(t, apikey.IssuerConfig{Store: h.store, Peppers: h.peppers})
	texts := make([]string, 50)
	for i := range texts {
		_, texts[i] = h.create(t, "a")
	}
	both := parsePeppers(t, lines[0], lines[1])
	v := newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: both})
	passed := underLoad(t, v, texts, func() {
		eventually(t, func() bool {
			used, err := h.store.PepperIDs(t.Context())
			return err == nil && slices.Equal(used, both.IDs()[:1])
		})
	})
	t.Logf("%d verifications passed meanwhile", passed)
	fresh := parsePeppers(t, lines[0])
	if lacks := fresh.Missing(pepperIDs(t, h.store)); len(lacks) != 0 {
		t.Errorf("missing %v, want none: the old pepper can go", lacks)
	}
	after := newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: fresh})
	for _, text := range texts {
		wantReason(t, "without the old pepper", verify(after, text), "")
		wantReason(t, "a wrong secret", verify(after, wrongSecret(text)), "wrong-secret")
	}
}

// underLoad verifies the texts from several goroutines until work returns; each
// must pass. It returns how many did.
func underLoad(t *testing.T, v *apikey.Verifier, texts []string, work func()) int64 {
	t.Helper()
	var stop atomic.Bool
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if _, err := v.Verify(t.Context(), texts[i%len(texts)]); err != nil {
					t.Errorf("while rotating: %v", err)
					return
				}
				passed.Add(1)
			}
		})
	}
	work()
	stop.Store(true)
	wg.Wait()
	return passed.Load()
}

func pepperIDs(t *testing.T, store apikey.Lister) []string {
	t.Helper()
	ids, err := store.PepperIDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func missingPeppers(t *testing.T) {
	peppers, _ := newPeppers(t, 2)
	ids := peppers.IDs()
	for _, tt := range []struct {
		name       string
		used, want []string
	}{
		{"nothing stored", nil, nil},
		{"all there", ids, nil},
		{"one lacks", []string{ids[0], "00000000"}, []string{"00000000"}},
		{"each once and sorted", []string{"ff", "00", "ff", ids[1]}, []string{"00", "ff"}},
	} {
		if got := peppers.Missing(tt.used); !slices.Equal(got, tt.want) {
			t.Errorf("%s: Missing = %v, want %v", tt.name, got, tt.want)
		}
	}
}
