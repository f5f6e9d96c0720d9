package apikeytest

import (
	"errors"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

func lookupRules() []rule {
	return []rule{
		{"every field is kept", func(t *testing.T, s Full) {
			want := fullRecord("AbcDef012345")
			wantRecord(t, mustCreate(t, s, want), want)
		}},
		{"empty fields are kept empty", func(t *testing.T, s Full) {
			want := plainRecord("AbcDef012345")
			wantRecord(t, mustCreate(t, s, want), want)
		}},
		{"a scope may be empty text and is not an empty list", func(t *testing.T, s Full) {
			want := plainRecord("AbcDef012345")
			want.Scopes = []string{"", "a b", "a,b", `"`}
			wantRecord(t, mustCreate(t, s, want), want)
		}},
		{"times at the edges are kept", lookupEdgeTimes},
		{"unknown id", lookupUnknown},
		{"ids differ by case", lookupCase},
		{"a revoked and expired key is found", func(t *testing.T, s Full) {
			r := fullRecord("AbcDef012345")
			r.Expires = r.Created
			got := mustCreate(t, s, r)
			wantEqual(t, "State", got.State(r.Expires.Add(time.Hour)), apikey.Revoked)
		}},
		{"records do not share memory with the store", lookupAlias},
	}
}

func lookupEdgeTimes(t *testing.T, s Full) {
	for i, at := range []time.Time{
		time.Unix(0, 0), // the epoch is not "never"
		time.Unix(0, 1000),
		time.Unix(-1, 999999000),
		time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC),
		time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC), // beyond 64 bits of nanoseconds
		time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
	} {
		want := plainRecord(testID(i))
		want.Expires, want.Secrets[0].Retires = at, at
		wantRecord(t, mustCreate(t, s, want), want)
	}
}

func lookupUnknown(t *testing.T, s Full) {
	mustCreate(t, s, plainRecord("AbcDef012345"))
	for _, id := range []apikey.ID{"", "AbcDef012346", "AbcDef01234", "AbcDef0123455"} {
		if r, err := s.Lookup(t.Context(), id); !errors.Is(err, apikey.ErrNotFound) || r.ID != "" {
			t.Errorf("Lookup(%q) = %q, %v, want no record and ErrNotFound", id, r.ID, err)
		}
	}
}

func lookupCase(t *testing.T, s Full) {
	upper, lower := plainRecord("ABCDEF012345"), plainRecord("abcdef012345")
	upper.Name, lower.Name = "upper", "lower"
	mustCreate(t, s, upper)
	if _, err := s.Lookup(t.Context(), lower.ID); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("Lookup(%q) = %v, want ErrNotFound", lower.ID, err)
	}
	wantRecord(t, mustCreate(t, s, lower), lower)
	wantRecord(t, mustLookup(t, s, upper.ID), upper)
}

func lookupAlias(t *testing.T, s Full) {
	want, given := fullRecord("AbcDef012345"), fullRecord("AbcDef012345")
	read := mustCreate(t, s, given)
	listed, err := s.List(t.Context(), "", 1)
	if err != nil || len(listed) != 1 {
		t.Fatalf("List = %d records, %v, want 1", len(listed), err)
	}
	for _, r := range []apikey.Record{given, read, listed[0]} {
		r.Scopes[0] = "admin:*"
		r.Secrets[0].Digest, r.Secrets[0].Pepper = digest(77), "changed"
	}
	wantRecord(t, mustLookup(t, s, want.ID), want)
}
