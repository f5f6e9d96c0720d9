package apikey_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// roll rolls a key and returns the new text.
func (h *house) roll(tb testing.TB, id apikey.ID, spec apikey.RollSpec) (apikey.Record, string) {
	tb.Helper()
	r, text, err := h.issuer.Roll(tb.Context(), by(), id, 0, spec)
	if err != nil {
		tb.Fatal(err)
	}
	return r, reveal(text)
}

// numbers returns the numbers of the key's secrets, the current one first.
func numbers(r *apikey.Record) (all []int) {
	for _, s := range r.Secrets {
		all = append(all, s.Number)
	}
	return all
}

// newPlainHouse returns a house whose verifier asks the store each time, so that
// no other goroutine has to run before a change is seen.
func newPlainHouse(tb testing.TB, policy apikey.Policy) *house {
	tb.Helper()
	h := &house{store: new(countingStore)}
	h.peppers, _ = newPeppers(tb, 1)
	h.issuer = newIssuer(tb, apikey.IssuerConfig{Store: h.store, Peppers: h.peppers, Policy: policy})
	h.verifier = newVerifier(tb, apikey.VerifierConfig{Store: plainStore{h.store}, Peppers: h.peppers})
	return h
}

// proves returns why the text is refused, "" when it proves the key, and
// "retiring" when it does so as one that a roll replaced.
func (h *house) proves(tb testing.TB, text string) string {
	tb.Helper()
	p, err := h.verifier.Verify(tb.Context(), text)
	if err == nil && p.Retiring {
		return "retiring"
	}
	return reasonOf(err)
}

func TestRoll(t *testing.T) {
	attack.Case(t, "KEY-18", attack.Library, func(t *testing.T) {
		t.Run("the old text works during the overlap and not after", func(t *testing.T) { synctest.Test(t, overlapEnds) })
		t.Run("the overlap is ended early", func(t *testing.T) { synctest.Test(t, overlapEndsEarly) })
		t.Run("without an overlap", func(t *testing.T) { synctest.Test(t, noOverlap) })
		t.Run("no older secret outlives a newer one", func(t *testing.T) { synctest.Test(t, rollTwice) })
		t.Run("never more secrets than configured", func(t *testing.T) { synctest.Test(t, manyRolls) })
		t.Run("two at once", rollsAtOnce)
		t.Run("two at once of one revision", rollsOfOneRevision)
	})
}

func overlapEnds(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{})
	r, old := h.create(t, "acme", "orders:read")
	rolled, fresh := h.roll(t, r.ID, apikey.RollSpec{Overlap: 24 * time.Hour, IdleRetire: 6 * time.Hour})
	if rolled.ID != r.ID || rolled.Owner != "acme" || old == fresh || !slices.Equal(numbers(&rolled), []int{2, 1}) {
		t.Fatalf("rolled to %+v", rolled)
	}
	if s := rolled.Secrets[1]; s.IdleRetire != 6*time.Hour || s.Retires != time.Now().Add(24*time.Hour).UTC() {
		t.Errorf("the old secret retires %v, idle %v", s.Retires, s.IdleRetire)
	}
	if got := rolled.State(time.Now()); got != apikey.Retiring {
		t.Errorf("state %q", got)
	}
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{{0, "retiring"}, {24*time.Hour - 1, "retiring"}, {1, "expired"}, {time.Hour, "expired"}} {
		time.Sleep(tt.after) //nolint:forbidigo // the bubble's clock
		if got := h.proves(t, old); got != tt.want {
			t.Errorf("old text %v later: %q, want %q", tt.after, got, tt.want)
		}
		if got := h.proves(t, fresh); got != "" {
			t.Errorf("new text: %q", got)
		}
	}
	p, err := h.verifier.Verify(t.Context(), fresh)
	if err != nil || p.SecretNumber != 2 || p.Subject != string(r.ID) {
		t.Errorf("the new text proves %+v, %v", p, err)
	}
}

func overlapEndsEarly(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{})
	r, old := h.create(t, "acme")
	rolled, fresh := h.roll(t, r.ID, apikey.RollSpec{Overlap: time.Hour})
	if _, err := h.issuer.EndOverlap(t.Context(), by(), r.ID, r.Revision); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("of an earlier revision: %v", err)
	}
	ended, err := h.issuer.EndOverlap(t.Context(), by(), r.ID, rolled.Revision)
	if err != nil || len(ended.Secrets) != 1 || ended.State(time.Now()) != apikey.Active {
		t.Fatalf("ended %+v, %v", ended, err)
	}
	if got := h.proves(t, old); got != "wrong-secret" {
		t.Errorf("old text: %q", got)
	}
	if got := h.proves(t, fresh); got != "" {
		t.Errorf("new text: %q", got)
	}
	if again, err := h.issuer.EndOverlap(t.Context(), by(), r.ID, 0); err != nil || again.Revision != ended.Revision {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func noOverlap(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{})
	r, first := h.create(t, "acme")
	_, second := h.roll(t, r.ID, apikey.RollSpec{Overlap: time.Hour})
	last, third := h.roll(t, r.ID, apikey.RollSpec{})
	if !slices.Equal(numbers(&last), []int{3}) {
		t.Errorf("secrets %v", numbers(&last))
	}
	for text, want := range map[string]string{first: "wrong-secret", second: "wrong-secret", third: ""} {
		if got := h.proves(t, text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func rollTwice(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{})
	r, first := h.create(t, "acme")
	h.roll(t, r.ID, apikey.RollSpec{Overlap: 7 * 24 * time.Hour})
	h.roll(t, r.ID, apikey.RollSpec{Overlap: time.Hour})
	if got := h.proves(t, first); got != "retiring" {
		t.Errorf("first text: %q", got)
	}
	time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock
	if got := h.proves(t, first); got != "expired" {
		t.Errorf("first text after the second overlap: %q", got)
	}
}

func manyRolls(t *testing.T) {
	for most := range 5 {
		h := newPlainHouse(t, apikey.Policy{MaxSecrets: most})
		want := most
		if most == 0 {
			want = 3
		}
		r, text := h.create(t, "acme")
		texts := []string{text}
		for n := 2; n < 10; n++ {
			rolled, fresh := h.roll(t, r.ID, apikey.RollSpec{Overlap: time.Hour})
			texts = append(texts, fresh)
			if len(rolled.Secrets) != min(n, want) || rolled.Secrets[0].Number != n || !rolled.Secrets[0].Retires.IsZero() {
				t.Fatalf("at most %d: secrets %v", want, numbers(&rolled))
			}
		}
		for i, text := range texts {
			expect := "wrong-secret"
			switch age := len(texts) - 1 - i; {
			case age == 0:
				expect = ""
			case age < want:
				expect = "retiring"
			}
			if got := h.proves(t, text); got != expect {
				t.Errorf("at most %d: text %d of %d: %q, want %q", want, i+1, len(texts), got, expect)
			}
		}
	}
}

// meeting lets two look-ups meet before either goes on.
func meeting(h *house) {
	var both sync.WaitGroup
	both.Add(2)
	var once [2]sync.Once
	var n int
	var mu sync.Mutex
	f := func(context.Context, apikey.ID) error {
		mu.Lock()
		mine := n
		n++
		mu.Unlock()
		if mine < 2 {
			once[mine].Do(both.Done)
			both.Wait()
		}
		return nil
	}
	h.store.before.Store(&f)
}

func rollsAtOnce(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{})
	r, old := h.create(t, "acme")
	meeting(h)
	texts, errs := make([]string, 2), make([]error, 2)
	var work sync.WaitGroup
	for i := range texts {
		work.Go(func() {
			_, text, err := h.issuer.Roll(t.Context(), by(), r.ID, 0, apikey.RollSpec{Overlap: time.Hour})
			texts[i], errs[i] = reveal(text), err
		})
	}
	work.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	got := []string{h.proves(t, texts[0]), h.proves(t, texts[1]), h.proves(t, old)}
	slices.Sort(got[:2])
	if !slices.Equal(got, []string{"", "retiring", "retiring"}) {
		t.Errorf("two rolls at once: %q", got)
	}
	if now, err := h.store.Lookup(t.Context(), r.ID); err != nil || !slices.Equal(numbers(&now), []int{3, 2, 1}) {
		t.Errorf("secrets %v, %v", numbers(&now), err)
	}
}

func rollsOfOneRevision(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{})
	r, _ := h.create(t, "acme")
	meeting(h)
	errs := make([]error, 2)
	var work sync.WaitGroup
	for i := range errs {
		work.Go(func() { _, _, errs[i] = h.issuer.Roll(t.Context(), by(), r.ID, r.Revision, apikey.RollSpec{}) })
	}
	work.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), apikey.ErrConflict) {
		t.Errorf("one is to win: %v", errs)
	}
	if now, err := h.store.Lookup(t.Context(), r.ID); err != nil || !slices.Equal(numbers(&now), []int{2}) {
		t.Errorf("secrets %v, %v", numbers(&now), err)
	}
}

func TestRollIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPlainHouse(t, apikey.Policy{})
		revoked, _ := h.create(t, "acme")
		if _, err := h.issuer.Revoke(t.Context(), by(), revoked.ID, apikey.ReasonKeyCompromise); err != nil {
			t.Fatal(err)
		}
		expired, _ := h.createSpec(t, apikey.Spec{Environment: "live", Expires: time.Now().Add(time.Hour)})
		good, _ := h.create(t, "acme")
		time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock
		tests := []struct {
			name   string
			id     apikey.ID
			spec   apikey.RollSpec
			want   error
			fields string
		}{
			{"revoked", revoked.ID, apikey.RollSpec{}, apikey.ErrRevoked, ""},
			{"expired", expired.ID, apikey.RollSpec{}, apikey.ErrExpired, ""},
			{"unknown", "nobodyhasit0", apikey.RollSpec{}, apikey.ErrNotFound, ""},
			{"overlap of less than nothing", good.ID, apikey.RollSpec{Overlap: -1}, nil, "overlap"},
			{"overlap of 91 days, idle of a second", good.ID, apikey.RollSpec{Overlap: 91 * 24 * time.Hour, IdleRetire: time.Second}, nil, "idle_retire overlap"},
		}
		for _, tt := range tests {
			_, text, err := h.issuer.Roll(t.Context(), by(), tt.id, 0, tt.spec)
			if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && fields(t, err) != tt.fields {
				t.Errorf("%s: %v", tt.name, err)
			}
			if reveal(text) != "" {
				t.Errorf("%s: there is a text", tt.name)
			}
		}
		if now, err := h.store.Lookup(t.Context(), good.ID); err != nil || now.Revision != good.Revision {
			t.Errorf("something was written: %+v, %v", now, err)
		}
	})
}

func TestDisabledKeyIsRolled(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{})
	r, old := h.create(t, "acme")
	if _, err := h.issuer.Disable(t.Context(), by(), r.ID); err != nil {
		t.Fatal(err)
	}
	_, fresh := h.roll(t, r.ID, apikey.RollSpec{})
	if got := h.proves(t, fresh); got != "disabled" {
		t.Errorf("before it is enabled: %q", got)
	}
	if _, err := h.issuer.Enable(t.Context(), by(), r.ID); err != nil {
		t.Fatal(err)
	}
	if got := []string{h.proves(t, fresh), h.proves(t, old)}; !slices.Equal(got, []string{"", "wrong-secret"}) {
		t.Errorf("new and old text: %q", got)
	}
}
