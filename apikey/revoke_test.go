package apikey_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
)

// revocable returns a store with one key.
func revocable(t *testing.T) (*applying, apikey.Record) {
	t.Helper()
	store := new(applying)
	record, _, err := createFrom(t, store, nil)
	if err != nil {
		t.Fatal(err)
	}
	store.applied = 0
	return store, record
}

func TestRevoke(t *testing.T) {
	store, record := revocable(t)
	first, err := apikey.Revoke(t.Context(), store, by(), record.ID, "leaked")
	if err != nil || first.Reason != "leaked" || first.Revoked.IsZero() || first.Revision <= record.Revision {
		t.Fatalf("Revoke = %+v, %v", first, err)
	}
	stored, err := store.Lookup(t.Context(), record.ID)
	if err != nil || !reflect.DeepEqual(stored, first) {
		t.Errorf("stored %+v, %v, want %+v", stored, err, first)
	}
	second, err := apikey.Revoke(t.Context(), store, by(), record.ID, "superseded")
	if err != nil || !reflect.DeepEqual(second, first) || store.applied != 1 {
		t.Errorf("again: %+v, %v, after %d changes, want the record as it is after 1", second, err, store.applied)
	}
}

func TestRevokeNeedsNoPepper(t *testing.T) {
	h := newStoreHouse(t)
	record, text := h.create(t, "a")
	if _, err := apikey.Revoke(t.Context(), h.store, by(), record.ID, ""); err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers})
	wantReason(t, "revoked without a reason", verify(v, text), "revoked")
}

func TestRevokeMeetsOthers(t *testing.T) {
	conflict := apikey.ErrConflict
	for _, tt := range []struct {
		name    string
		errs    []error
		want    error
		applied int
	}{
		{"one conflict", []error{conflict}, nil, 2},
		{"four conflicts", []error{conflict, conflict, conflict, conflict}, nil, 5},
		{"always", []error{conflict, conflict, conflict, conflict, conflict, conflict}, conflict, 5},
		{"no answer", []error{errDown}, errDown, 1},
		{"a conflict, then no answer", []error{conflict, errDown}, errDown, 2},
	} {
		store, record := revocable(t)
		store.errs = tt.errs
		got, err := apikey.Revoke(t.Context(), store, by(), record.ID, "leaked")
		if !errors.Is(err, tt.want) || (tt.want == nil) != (got.ID == record.ID) || store.applied != tt.applied {
			t.Errorf("%s: %q, %v, %d changes, want %v and %d", tt.name, got.ID, err, store.applied, tt.want, tt.applied)
		}
	}
}

func TestRevokeOfNobody(t *testing.T) {
	store, _ := revocable(t)
	got, err := apikey.Revoke(t.Context(), store, by(), "000000000000", "")
	if !errors.Is(err, apikey.ErrNotFound) || got.ID != "" || store.applied != 0 {
		t.Errorf("%+v, %v, %d changes, want ErrNotFound", got, err, store.applied)
	}
}

func TestRevokeTellsChanged(t *testing.T) {
	store, record := revocable(t)
	peppers, _ := newPeppers(t, 1)
	told := 0
	issuer := newIssuer(t, apikey.IssuerConfig{Store: store, Peppers: peppers, Changed: func(apikey.ID) { told++ }})
	if _, err := issuer.Revoke(t.Context(), by(), "000000000000", ""); !errors.Is(err, apikey.ErrNotFound) || told != 0 {
		t.Errorf("no such key: %v, told %d times, want ErrNotFound and 0", err, told)
	}
	store.errs = []error{errDown}
	if _, err := issuer.Revoke(t.Context(), by(), record.ID, ""); !errors.Is(err, errDown) || told != 1 {
		t.Errorf("no answer: %v, told %d times, want 1: it may be revoked", err, told)
	}
	if _, err := issuer.Revoke(t.Context(), by(), record.ID, ""); err != nil || told != 2 {
		t.Errorf("revoked: %v, told %d times, want 2", err, told)
	}
}

func TestReason(t *testing.T) {
	for _, tt := range []struct {
		reason string
		ok     bool
	}{
		{"", true},
		{"superseded", true},
		{"leak-2026", true},
		{strings.Repeat("a", 64), true},
		{strings.Repeat("a", 65), false},
		{"Leaked", false},
		{"by ada", false},
		{"a_b", false},
		{"a,b", false},
		{"a\r\nb", false},
		{"a\x00b", false},
		{"é", false},
		{strings.Repeat("a", 8<<10), false},
	} {
		store, record := revocable(t)
		_, err := apikey.Revoke(t.Context(), store, by(), record.ID, tt.reason)
		want := "reason"
		if tt.ok {
			want = ""
		}
		if got := fields(t, err); got != want || (store.applied == 1) != tt.ok {
			t.Errorf("reason %.20q: refused %q, %d changes, want %q", tt.reason, got, store.applied, want)
		}
		unquoted(t, err, tt.reason)
	}
	store, record := revocable(t)
	if _, err := apikey.Revoke(t.Context(), store, apikey.By{}, record.ID, "X"); fields(t, err) != "actor reason source" {
		t.Errorf("all of it wrong: %v, want actor, reason and source refused", err)
	}
}

func TestDisableAndEnable(t *testing.T) {
	store, record := revocable(t)
	off, err := apikey.Disable(t.Context(), store, by(), record.ID)
	if err != nil || !off.Disabled || off.Revision <= record.Revision {
		t.Fatalf("Disable = %+v, %v", off, err)
	}
	if again, err := apikey.Disable(t.Context(), store, by(), record.ID); err != nil || !reflect.DeepEqual(again, off) || store.applied != 1 {
		t.Errorf("again: %+v, %v, after %d changes, want the record as it is after 1", again, err, store.applied)
	}
	on, err := apikey.Enable(t.Context(), store, by(), record.ID)
	if err != nil || on.Disabled || on.Revision <= off.Revision {
		t.Fatalf("Enable = %+v, %v", on, err)
	}
	if again, err := apikey.Enable(t.Context(), store, by(), record.ID); err != nil || !reflect.DeepEqual(again, on) || store.applied != 2 {
		t.Errorf("again: %+v, %v, after %d changes, want the record as it is after 2", again, err, store.applied)
	}
	gone, err := apikey.Revoke(t.Context(), store, by(), record.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func() (apikey.Record, error){
		"Disable": func() (apikey.Record, error) { return apikey.Disable(t.Context(), store, by(), record.ID) },
		"Enable":  func() (apikey.Record, error) { return apikey.Enable(t.Context(), store, by(), record.ID) },
	} {
		if got, err := change(); err != nil || !reflect.DeepEqual(got, gone) {
			t.Errorf("%s of a revoked key: %+v, %v, want it as it is", name, got, err)
		}
	}
	for _, err := range []error{
		func() error { _, err := apikey.Disable(t.Context(), store, apikey.By{}, record.ID); return err }(),
		func() error { _, err := apikey.Enable(t.Context(), store, apikey.By{}, record.ID); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "actor") {
			t.Errorf("by nobody: %v, want an error that names the actor", err)
		}
	}
	if _, err := apikey.Disable(t.Context(), store, by(), "000000000000"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("an unknown key: %v, want ErrNotFound", err)
	}
}
