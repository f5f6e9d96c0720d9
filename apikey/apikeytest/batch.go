package apikeytest

import (
	"errors"
	"testing"

	"github.com/warder-dev/warder/apikey"
)

func batchRules() []rule {
	return []rule{
		{"all are written, in their order", batchWritten},
		{"one that cannot be written stops all", batchAllOrNone},
		{"an empty batch, one too large, and two changes of one key are refused", batchBounds},
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
