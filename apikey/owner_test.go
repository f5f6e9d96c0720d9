package apikey_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/apikeytest"
)

func TestMemoryOwners(t *testing.T) {
	apikeytest.TestOwners(t, func(*testing.T) apikeytest.Owners {
		keys := new(apikey.MemoryStore)
		return apikeytest.Owners{Store: &apikey.MemoryOwners{Keys: keys}, Keys: keys}
	})
	if n, err := new(apikey.MemoryOwners).CountKeys(t.Context(), "acme", 1); n != 0 || err != nil {
		t.Errorf("without keys there are %d, %v", n, err)
	}
}

// What no key could bear, and what no key could have beside it, is refused by the name
// of its field, and nothing is written.
func TestOwnersThatAreRefused(t *testing.T) {
	store := new(apikey.MemoryOwners)
	by := apikey.By{Actor: "user:ada", Source: "cli"}
	key := "wrd_live_" + strings.Repeat("a", 50)
	many := make(map[string]string)
	for i := range 51 {
		many[strings.Repeat("n", i+1)] = ""
	}
	for _, tt := range []struct {
		spec   apikey.OwnerSpec
		by     apikey.By
		fields []string
	}{
		{apikey.OwnerSpec{}, by, []string{"owner"}},
		{apikey.OwnerSpec{ID: strings.Repeat("a", 129), Name: "\x00"}, by, []string{"owner", "name"}},
		{apikey.OwnerSpec{ID: "a\nb", Name: strings.Repeat("a", 129), Metadata: many}, by, []string{"owner", "name", "metadata"}},
		{apikey.OwnerSpec{ID: "\u202egnp"}, by, []string{"owner"}},
		{apikey.OwnerSpec{ID: "\xff"}, by, []string{"owner"}},
		{apikey.OwnerSpec{ID: key}, by, []string{"owner"}},
		{apikey.OwnerSpec{ID: "a", Name: "see " + key}, by, []string{"name"}},
		{apikey.OwnerSpec{ID: "a", Metadata: map[string]string{"key": key}}, by, []string{"metadata"}},
		{apikey.OwnerSpec{ID: "a", Metadata: map[string]string{key: ""}}, by, []string{"metadata"}},
		{apikey.OwnerSpec{ID: "a", Metadata: map[string]string{"": "b"}}, by, []string{"metadata"}},
		{apikey.OwnerSpec{ID: "a"}, apikey.By{}, []string{"actor", "source"}},
	} {
		_, _, put := apikey.PutOwner(t.Context(), store, tt.by, tt.spec, 0)
		_, create := apikey.CreateOwner(t.Context(), store, tt.by, tt.spec)
		for _, err := range []error{put, create} {
			if got := fieldsOf(err); !slices.Equal(got, tt.fields) {
				t.Errorf("%.40q is refused for %q, want %q: %v", tt.spec.ID, got, tt.fields, err)
			}
			if err != nil && strings.Contains(err.Error(), key) {
				t.Errorf("the refusal repeats the key: %v", err)
			}
		}
	}
	if err := apikey.DeleteOwner(t.Context(), store, apikey.By{}, "a", 0); !slices.Equal(fieldsOf(err), []string{"actor", "source"}) {
		t.Errorf("nobody deletes: %v", err)
	}
	if page, err := store.Find(t.Context(), apikey.OwnerFilter{Limit: 10}); err != nil || len(page.Owners) != 0 {
		t.Errorf("there are %+v, %v", page.Owners, err)
	}
}

// fieldsOf are those that the errors joined in err name, each once.
func fieldsOf(err error) (fields []string) {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			fields = append(fields, fieldsOf(one)...)
		}
		return slices.Compact(fields)
	}
	if spec, ok := errors.AsType[*apikey.SpecError](err); ok {
		return []string{spec.Field}
	}
	return []string{err.Error()}
}
