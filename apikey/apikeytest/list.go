package apikeytest

import (
	"slices"
	"testing"

	"github.com/warder-dev/warder/apikey"
)

func listRules() []rule {
	return []rule{
		{"an empty store has nothing", func(t *testing.T, s Full) {
			wantPage(t, s, "", 10)
			wantPepperIDs(t, s)
		}},
		{"a record is listed as it is looked up", func(t *testing.T, s Full) {
			want := mustCreate(t, s, fullRecord(testID(1)))
			mustCreate(t, s, plainRecord(testID(2)))
			got, err := s.List(t.Context(), "", 1000)
			if err != nil || len(got) != 2 {
				t.Fatalf("List = %d records, %v, want 2", len(got), err)
			}
			wantRecord(t, got[0], want)
			wantEqual(t, "Revision", got[0].Revision, want.Revision)
			wantRecord(t, got[1], plainRecord(testID(2)))
		}},
		{"the order is that of the bytes of the ids", listOrder},
		{"pages follow each other", listPages},
		{"a limit out of range is refused", func(t *testing.T, s Full) {
			mustCreate(t, s, plainRecord(testID(1)))
			for _, limit := range []int{-1 << 31, -1, 0, 1001, 1 << 31} {
				if got, err := s.List(t.Context(), "", limit); err == nil || len(got) != 0 || isAnswer(err) {
					t.Errorf("List(limit %d) = %d records, %v, want an error", limit, len(got), err)
				}
			}
		}},
		{"a page of the greatest limit is full", func(t *testing.T, s Full) {
			for i := range 1001 {
				mustApply(t, s, createOf(plainRecord(testID(i))))
			}
			got, err := s.List(t.Context(), "", 1000)
			if err != nil || len(got) != 1000 {
				t.Errorf("List(limit 1000) = %d records, %v, want 1000", len(got), err)
			}
		}},
		{"peppers in use are distinct and sorted", listPeppers},
	}
}

func listOrder(t *testing.T, s Full) {
	want := []apikey.ID{"0bcdef012345", "Bbcdef012345", "Zbcdef012345", "abcdef012345", "zbcdef012345"}
	for _, i := range []int{3, 0, 4, 2, 1} {
		mustCreate(t, s, plainRecord(want[i]))
	}
	wantPage(t, s, "", 10, want...)
	wantPage(t, s, "Zbcdef012345", 10, want[3:]...)
	wantPage(t, s, "a", 10, want[3:]...) // no key has this id
	wantPage(t, s, "zbcdef012345", 10)
}

func listPages(t *testing.T, s Full) {
	var want, got []apikey.ID
	for i := range 7 {
		want = append(want, testID(i))
		mustCreate(t, s, fullRecord(testID(i))) // three secrets each: the limit counts records
	}
	for after := apikey.ID(""); ; after = got[len(got)-1] {
		page, err := s.List(t.Context(), after, 3)
		if err != nil || len(page) > 3 {
			t.Fatalf("List(after %q, limit 3) = %d records, %v", after, len(page), err)
		}
		if len(page) == 0 || len(got) > len(want) {
			break
		}
		got = append(got, idsOf(page)...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages = %q, want %q", got, want)
	}
}

func listPeppers(t *testing.T, s Full) {
	mustCreate(t, s, plainRecord(testID(1))) // 0badcafe
	wantPepperIDs(t, s, "0badcafe")
	mustCreate(t, s, fullRecord(testID(2))) // feedf00d too
	wantPepperIDs(t, s, "0badcafe", "feedf00d")
	before := mustLookup(t, s, testID(2))
	after := before
	after.Secrets = after.Secrets[:1]
	mustApply(t, s, changeOf(apikey.OpRehash, before, after))
	wantPepperIDs(t, s, "0badcafe")
}

// wantPage reports that a page does not hold the records of want, in order.
func wantPage(t *testing.T, s Full, after apikey.ID, limit int, want ...apikey.ID) {
	t.Helper()
	page, err := s.List(t.Context(), after, limit)
	if got := idsOf(page); err != nil || !slices.Equal(got, want) {
		t.Errorf("List(after %q, limit %d) = %q, %v, want %q", after, limit, got, err, want)
	}
}

// wantPepperIDs reports that the peppers in use are not want.
func wantPepperIDs(t *testing.T, s Full, want ...string) {
	t.Helper()
	if got, err := s.PepperIDs(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("PepperIDs = %q, %v, want %q", got, err, want)
	}
}

// idsOf returns the ids of records, in their order.
func idsOf(records []apikey.Record) []apikey.ID {
	var ids []apikey.ID
	for i := range records {
		ids = append(ids, records[i].ID)
	}
	return ids
}
