package apikeytest

import (
	"slices"
	"testing"

	"github.com/warder-dev/warder/apikey"
)

func feedRules() []rule {
	return []rule{
		{"an empty store is at revision 0", func(t *testing.T, s Full) {
			wantEqual(t, "Feed.Revision", mustRevision(t, s), 0)
			wantChanges(t, s, 0, 10, 0)
		}},
		{"the revision follows each change", func(t *testing.T, s Full) {
			for i := range 3 {
				rev := mustApply(t, s, createOf(plainRecord(testID(i))))
				wantEqual(t, "Feed.Revision", mustRevision(t, s), rev)
				wantEqual(t, "Feed.Revision asked again", mustRevision(t, s), rev)
			}
		}},
		{"a key that changed often is told once", feedOnce},
		{"only what changed after the given revision is told", func(t *testing.T, s Full) {
			first := mustApply(t, s, createOf(plainRecord(testID(1))))
			second := mustApply(t, s, createOf(plainRecord(testID(2))))
			wantChanges(t, s, 0, 10, second, testID(1), testID(2))
			wantChanges(t, s, first, 10, second, testID(2))
			wantChanges(t, s, second, 10, second)
		}},
		{"a limit is kept and nothing lost by it", feedLimit},
		{"a limit below 1 is refused", func(t *testing.T, s Full) {
			mustCreate(t, s, plainRecord(testID(1)))
			for _, limit := range []int{-1, 0} {
				if ids, _, err := s.Changes(t.Context(), 0, limit); err == nil || len(ids) != 0 || isAnswer(err) {
					t.Errorf("Changes(limit %d) = %q, %v, want an error", limit, ids, err)
				}
			}
		}},
		// Whoever is ahead of the store, since the store was put back to an older
		// copy, must learn it: with its own revision for an answer it would miss
		// all changes until the store catches up.
		{"beyond the newest revision the answer is the newest", func(t *testing.T, s Full) {
			wantChanges(t, s, 1000, 10, 0)
			rev := mustApply(t, s, createOf(plainRecord(testID(1))))
			wantChanges(t, s, rev+1000, 10, rev)
		}},
	}
}

func feedOnce(t *testing.T, s Full) {
	r := mustCreate(t, s, plainRecord(testID(1)))
	other := mustApply(t, s, createOf(plainRecord(testID(2))))
	for _, name := range []string{"a", "b", "c"} {
		mustApply(t, s, renamed(r, name))
		r = mustLookup(t, s, r.ID)
	}
	wantChanges(t, s, 0, 100, r.Revision, testID(1), testID(2))
	wantChanges(t, s, other, 100, r.Revision, testID(1))
}

func feedLimit(t *testing.T, s Full) {
	var want, got []apikey.ID
	for i := range 7 {
		want = append(want, testID(i))
		mustApply(t, s, createOf(plainRecord(testID(i))))
	}
	for upTo, newest := apikey.Revision(0), mustRevision(t, s); upTo < newest; {
		ids, next, err := s.Changes(t.Context(), upTo, 2)
		if err != nil || len(ids) > 2 || next <= upTo {
			t.Fatalf("Changes(after %d, limit 2) = %q, %d, %v", upTo, ids, next, err)
		}
		got, upTo = append(got, ids...), next
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("ids told = %q, want %q", got, want)
	}
}

// wantChanges reports that the changes after a revision are not of want, in any
// order, up to upTo.
func wantChanges(t *testing.T, s Full, after apikey.Revision, limit int, upTo apikey.Revision, want ...apikey.ID) {
	t.Helper()
	ids, gotUpTo, err := s.Changes(t.Context(), after, limit)
	got := slices.Clone(ids)
	slices.Sort(got)
	if err != nil || gotUpTo != upTo || !slices.Equal(got, want) {
		t.Errorf("Changes(after %d) = %q, %d, %v, want %q, %d", after, got, gotUpTo, err, want, upTo)
	}
}
