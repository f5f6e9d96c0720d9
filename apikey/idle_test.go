package apikey_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

func TestRevokeIdle(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{})
	r, text := h.create(t, "acme", "orders:read")
	if _, err := apikey.Update(t.Context(), h.store, by(), r.ID, 0, apikey.Patch{IdleRevoke: new(time.Duration(0)), Name: new("kept")}); err != nil {
		t.Fatal(err)
	}
	if _, err := apikey.RevokeIdle(t.Context(), h.store, by(), r.ID, r.Revision); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("RevokeIdle of what was changed since = %v, want ErrConflict", err)
	}
	if got := h.proves(t, text); got != "" {
		t.Fatalf("the key is refused: %s", got)
	}
	now, err := h.store.Lookup(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := apikey.RevokeIdle(t.Context(), h.store, by(), r.ID, now.Revision)
	if err != nil || revoked.Reason != apikey.ReasonIdle || h.proves(t, text) == "" {
		t.Errorf("RevokeIdle = %q, %v, and the key passes: %v", revoked.Reason, err, h.proves(t, text) == "")
	}
	again, err := apikey.RevokeIdle(t.Context(), h.store, by(), r.ID, 0)
	if err != nil || !again.Revoked.Equal(revoked.Revoked) || again.Revision != revoked.Revision {
		t.Errorf("RevokeIdle again = %+v, %v, want the key as it was", again, err)
	}
	if _, err := apikey.RevokeIdle(t.Context(), h.store, apikey.By{}, r.ID, 0); err == nil {
		t.Error("RevokeIdle by nobody = no error")
	}
	if _, err := apikey.RevokeIdle(t.Context(), h.store, by(), "Key000000009", 0); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("RevokeIdle of no key = %v, want ErrNotFound", err)
	}
}

func TestEndSecrets(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{MaxSecrets: 3})
	r, first := h.create(t, "acme", "orders:read")
	_, second := h.roll(t, r.ID, apikey.RollSpec{Overlap: 24 * time.Hour})
	rolled, third := h.roll(t, r.ID, apikey.RollSpec{Overlap: 24 * time.Hour})
	if _, err := apikey.EndSecrets(t.Context(), h.store, by(), r.ID, r.Revision, 1); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("EndSecrets at an older revision = %v, want ErrConflict", err)
	}
	for _, none := range [][]int{nil, {3}, {7}} { // nothing, the current one, nobody's
		same, err := apikey.EndSecrets(t.Context(), h.store, by(), r.ID, rolled.Revision, none...)
		if err != nil || same.Revision != rolled.Revision || !slices.Equal(numbers(&same), []int{3, 2, 1}) {
			t.Errorf("EndSecrets %v = %v, %v, want nothing changed", none, numbers(&same), err)
		}
	}
	ended, err := apikey.EndSecrets(t.Context(), h.store, by(), r.ID, rolled.Revision, 1, 3)
	if err != nil || !slices.Equal(numbers(&ended), []int{3, 2}) {
		t.Errorf("EndSecrets = %v, %v, want the first one ended alone", numbers(&ended), err)
	}
	for text, want := range map[string]string{first: "wrong-secret", second: "retiring", third: ""} {
		if got := h.proves(t, text); got != want {
			t.Errorf("a text is judged %q, want %q", got, want)
		}
	}
}
