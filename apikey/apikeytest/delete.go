package apikeytest

import (
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

func deleteRules() []rule {
	return []rule{
		{"a deleted key is unknown, and the change is told", deleteTold},
		{"a key of the same id can be created again", func(t *testing.T, s Full) {
			before := mustCreate(t, s, fullRecord(testID(1)))
			mustApply(t, s, deleteOf(before))
			again := mustCreate(t, s, plainRecord(testID(1)))
			wantRecord(t, again, plainRecord(testID(1)))
			if again.Revision <= before.Revision+1 {
				t.Errorf("revision = %d, want more than that of the deletion", again.Revision)
			}
		}},
		{"a record read before the last change is refused", func(t *testing.T, s Full) {
			first := mustCreate(t, s, fullRecord(testID(1)))
			mustApply(t, s, renamed(first, "second"))
			wantRefused(t, s, deleteOf(first), apikey.ErrConflict)
			wantEqual(t, "Name", mustLookup(t, s, first.ID).Name, "second")
		}},
		{"a key that does not exist", func(t *testing.T, s Full) {
			wantRefused(t, s, deleteOf(plainRecord(testID(1))), apikey.ErrNotFound)
		}},
		{"nothing but a deletion has no record after", func(t *testing.T, s Full) {
			before := mustCreate(t, s, fullRecord(testID(1)))
			c := deleteOf(before)
			c.After = &before
			wantInvalid(t, s, c)
			c = deleteOf(before)
			c.Before = nil
			wantInvalid(t, s, c)
			wantRecord(t, mustLookup(t, s, before.ID), before)
		}},
	}
}

// deleteOf returns the change that deletes the key.
func deleteOf(before apikey.Record) apikey.Change {
	return apikey.Change{Actor: "user:ada", Source: "cli", Op: apikey.OpDelete, At: before.Created.Add(time.Hour), Before: &before}
}

func deleteTold(t *testing.T, s Full) {
	other, before := mustCreate(t, s, fullRecord(testID(1))), mustCreate(t, s, fullRecord(testID(2)))
	rev := mustApply(t, s, deleteOf(before))
	if _, err := s.Lookup(t.Context(), before.ID); err != apikey.ErrNotFound { //nolint:errorlint // a store returns the value itself
		t.Errorf("Lookup of a deleted key = %v, want %v", err, apikey.ErrNotFound)
	}
	wantPage(t, s, "", 10, other.ID)
	ids, upTo, err := s.Changes(t.Context(), before.Revision, 10)
	if err != nil || upTo != rev || !slices.Equal(ids, []apikey.ID{before.ID}) {
		t.Errorf("Changes = %q up to %d, %v, want the deleted key up to %d", ids, upTo, err, rev)
	}
	wantRecord(t, mustLookup(t, s, other.ID), other)
}
