package apikeytest

import (
	"errors"
	"slices"
	"testing"

	"github.com/warder-dev/warder/apikey"
)

func batchRules() []rule {
	return []rule{
		{"all are written, in their order", batchWritten},
		{"one that cannot be written stops all", batchAllOrNone},
		{"many new keys are kept byte for byte", batchKept},
		{"one that is taken stops many new keys, wherever it stands", batchTaken},
		{"an empty batch, one too large, and two changes of one key are refused", batchBounds},
		{"a batch of more is written when all are imports", batchOfImports},
		{"a batch of the greatest size is written", func(t *testing.T, s Full) {
			var all []apikey.Change
			for i := range apikey.MaxBatch {
				all = append(all, createOf(plainRecord(testID(i))))
			}
			if revisions, err := s.ApplyAll(t.Context(), all); err != nil || len(revisions) != apikey.MaxBatch {
				t.Errorf("ApplyAll = %d revisions, %v, want %d", len(revisions), err, apikey.MaxBatch)
			}
		}},
	}
}

func batchWritten(t *testing.T, s Full) {
	doomed, before := mustCreate(t, s, plainRecord(testID(1))), mustCreate(t, s, plainRecord(testID(2)))
	revisions, err := s.ApplyAll(t.Context(), []apikey.Change{
		createOf(fullRecord(testID(3))), renamed(before, "new"), deleteOf(doomed), createOf(plainRecord(testID(4))),
	})
	if err != nil || len(revisions) != 4 {
		t.Fatalf("ApplyAll = %d revisions, %v, want 4", len(revisions), err)
	}
	for i := range revisions[1:] {
		if revisions[i] >= revisions[i+1] {
			t.Errorf("revisions = %d, want each more than the one before", revisions)
		}
	}
	wantEqual(t, "Revision", mustLookup(t, s, testID(3)).Revision, revisions[0])
	wantEqual(t, "Name", mustLookup(t, s, testID(2)).Name, "new")
	wantEqual(t, "newest revision", mustRevision(t, s), revisions[3])
	wantPage(t, s, "", 10, testID(2), testID(3), testID(4))
}

func batchAllOrNone(t *testing.T, s Full) {
	before := mustCreate(t, s, plainRecord(testID(1)))
	rev := mustRevision(t, s)
	for name, spoiled := range map[string]struct {
		change apikey.Change
		want   error
	}{
		"an id that is taken": {createOf(plainRecord(testID(1))), apikey.ErrExists},
		"an unknown key":      {renamed(plainRecord(testID(7)), "new"), apikey.ErrNotFound},
	} {
		for _, all := range [][]apikey.Change{
			{createOf(plainRecord(testID(2))), spoiled.change},
			{spoiled.change, createOf(plainRecord(testID(2)))},
		} {
			if got, err := s.ApplyAll(t.Context(), all); !errors.Is(err, spoiled.want) || got != nil {
				t.Errorf("%s: ApplyAll = %d, %v, want %v", name, got, err, spoiled.want)
			}
		}
	}
	stale := before
	mustApply(t, s, renamed(before, "second"))
	if _, err := s.ApplyAll(t.Context(), []apikey.Change{createOf(plainRecord(testID(2))), renamed(stale, "third")}); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("a stale record: ApplyAll = %v, want %v", err, apikey.ErrConflict)
	}
	wantEqual(t, "newest revision", mustRevision(t, s), rev+1)
	wantPage(t, s, "", 10, testID(1))
}

// batchKept writes many keys at once, with all that a key may have: stores write new
// keys in other ways when there are many.
func batchKept(t *testing.T, s Full) {
	var want []apikey.Record
	for i, text := range hostileTexts() {
		want = append(want, withText(testID(2*i), text), plainRecord(testID(2*i+1)))
	}
	all := make([]apikey.Change, len(want))
	for i := range want {
		all[i] = createOf(want[i])
	}
	revisions, err := s.ApplyAll(t.Context(), all)
	if err != nil || len(revisions) != len(all) {
		t.Fatalf("ApplyAll = %d revisions, %v, want %d", len(revisions), err, len(all))
	}
	for i := range want {
		got := mustLookup(t, s, want[i].ID)
		wantRecord(t, got, want[i])
		if got.Revision != revisions[i] || i > 0 && revisions[i] != revisions[i-1]+1 {
			t.Errorf("number %d has revision %d and was told %d, after %d", i, got.Revision, revisions[i], revisions[max(i, 1)-1])
		}
	}
	wantEqual(t, "newest revision", mustRevision(t, s), revisions[len(revisions)-1])
}

func batchTaken(t *testing.T, s Full) {
	const n = 25
	mustCreate(t, s, plainRecord(testID(100)))
	mustCreate(t, s, importedRecord(testID(101), 1))
	rev := mustRevision(t, s)
	for name, taken := range map[string]apikey.Record{"an id": plainRecord(testID(100)), "an imported digest": importedRecord(testID(102), 1)} {
		for _, at := range []int{0, 9, 10, n - 1} {
			all := make([]apikey.Change, n)
			for i := range all {
				all[i] = createOf(plainRecord(testID(i)))
			}
			all[at] = createOf(taken)
			if got, err := s.ApplyAll(t.Context(), all); !errors.Is(err, apikey.ErrExists) || got != nil {
				t.Errorf("%s, number %d: ApplyAll = %d, %v, want %v", name, at, got, err, apikey.ErrExists)
			}
		}
	}
	all := make([]apikey.Change, n)
	for i := range all {
		all[i] = createOf(importedRecord(testID(i), byte(10+i%(n-1)))) // the last has the digest of the first
	}
	if got, err := s.ApplyAll(t.Context(), all); !errors.Is(err, apikey.ErrExists) || got != nil {
		t.Errorf("one digest twice in a batch: ApplyAll = %d, %v, want %v", got, err, apikey.ErrExists)
	}
	wantEqual(t, "newest revision", mustRevision(t, s), rev)
	wantPage(t, s, "", 10, testID(100), testID(101))
}

func batchOfImports(t *testing.T, s Full) {
	all := make([]apikey.Change, apikey.MaxImport)
	for i := range all {
		r := importedRecord(testID(i), 0)
		r.Secrets[0].Digest = [32]byte{1, byte(i), byte(i >> 8)}
		all[i] = createOf(r)
		all[i].Op = apikey.OpImport
	}
	more := append(slices.Clip(all), createOf(plainRecord(testID(len(all)))))
	more[len(all)].Op = apikey.OpImport
	if _, err := s.ApplyAll(t.Context(), more); err == nil || isAnswer(err) {
		t.Errorf("ApplyAll of %d imports = %v, want an error", len(more), err)
	}
	all[7].Op = apikey.OpCreate
	if _, err := s.ApplyAll(t.Context(), all); err == nil || isAnswer(err) {
		t.Errorf("ApplyAll of %d changes of which one is no import = %v, want an error", len(all), err)
	}
	all[7].Op = apikey.OpImport
	if revisions, err := s.ApplyAll(t.Context(), all); err != nil || len(revisions) != len(all) {
		t.Errorf("ApplyAll = %d revisions, %v, want %d", len(revisions), err, len(all))
	}
	wantEqual(t, "newest revision", mustRevision(t, s), apikey.Revision(len(all)))
}

func batchBounds(t *testing.T, s Full) {
	before := mustCreate(t, s, plainRecord(testID(1)))
	tooMany := make([]apikey.Change, apikey.MaxBatch+1)
	for i := range tooMany {
		tooMany[i] = createOf(plainRecord(testID(i + 10)))
	}
	for name, all := range map[string][]apikey.Change{
		"none": nil, "too many": tooMany,
		"one key twice":    {renamed(before, "a"), renamed(before, "b")},
		"one id twice":     {createOf(plainRecord(testID(5))), createOf(plainRecord(testID(5)))},
		"one not complete": {createOf(plainRecord(testID(5))), {}},
	} {
		if got, err := s.ApplyAll(t.Context(), all); err == nil || isAnswer(err) || got != nil {
			t.Errorf("%s: ApplyAll = %d, %v, want an error", name, got, err)
		}
	}
	wantPage(t, s, "", 10, testID(1))
}
