package apikeytest

import (
	"errors"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

func createRules() []rule {
	return []rule{
		{"the revision is on the record", func(t *testing.T, s Full) {
			rev := mustApply(t, s, createOf(plainRecord(testID(1))))
			wantEqual(t, "Lookup.Revision", mustLookup(t, s, testID(1)).Revision, rev)
			wantEqual(t, "Feed.Revision", mustRevision(t, s), rev)
		}},
		{"the revision of the given record is ignored", func(t *testing.T, s Full) {
			r := plainRecord(testID(1))
			r.Revision = 4711
			rev := mustApply(t, s, createOf(r))
			wantEqual(t, "Lookup.Revision", mustLookup(t, s, r.ID).Revision, rev)
		}},
		{"revisions increase from above 0", func(t *testing.T, s Full) {
			for i, last := 0, apikey.Revision(0); i < 20; i++ {
				rev := mustApply(t, s, createOf(plainRecord(testID(i))))
				if rev <= last {
					t.Fatalf("Apply = revision %d after %d, want a greater one", rev, last)
				}
				last = rev
			}
		}},
		{"an id that is taken is refused and the old record untouched", createTaken},
		{"a revoked key's id stays taken", func(t *testing.T, s Full) {
			mustCreate(t, s, fullRecord(testID(1)))
			wantRefused(t, s, createOf(plainRecord(testID(1))), apikey.ErrExists)
		}},
		{"an incomplete change is refused", createIncomplete},
	}
}

func createTaken(t *testing.T, s Full) {
	old := fullRecord("AbcDef012345")
	mustCreate(t, s, old)
	wantRefused(t, s, createOf(plainRecord(old.ID)), apikey.ErrExists)
	wantRecord(t, mustLookup(t, s, old.ID), old)
}

func createIncomplete(t *testing.T, s Full) {
	for _, tt := range []struct {
		name  string
		spoil func(*apikey.Change)
	}{
		{"no actor", func(c *apikey.Change) { c.Actor = "" }},
		{"no source", func(c *apikey.Change) { c.Source = "" }},
		{"no op", func(c *apikey.Change) { c.Op = "" }},
		{"no time", func(c *apikey.Change) { c.At = time.Time{} }},
		{"no record after", func(c *apikey.Change) { c.After = nil }},
		{"no id", func(c *apikey.Change) { c.After.ID = "" }},
		{"no secret", func(c *apikey.Change) { c.After.Secrets = nil }},
	} {
		c := createOf(plainRecord(testID(1)))
		tt.spoil(&c)
		t.Run(tt.name, func(t *testing.T) { wantInvalid(t, s, c) })
	}
	if _, err := s.Lookup(t.Context(), testID(1)); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("Lookup after refused creates = %v, want ErrNotFound", err)
	}
}

// wantRefused reports that c was not refused with the error want, or that the
// refusal left a trace.
func wantRefused(t *testing.T, s Full, c apikey.Change, want error) {
	t.Helper()
	err := wantNoTrace(t, s, c)
	if !errors.Is(err, want) {
		t.Errorf("Apply = %v, want %v", err, want)
	}
}

// wantInvalid reports that c was not refused as a mistake of the caller, with
// none of the errors that have a meaning, or that the refusal left a trace.
func wantInvalid(t *testing.T, s Full, c apikey.Change) {
	t.Helper()
	if err := wantNoTrace(t, s, c); isAnswer(err) {
		t.Errorf("Apply = %v, want an error of its own", err)
	}
}

// wantNoTrace applies c, which must fail, and reports what changed by it. It
// returns the error.
func wantNoTrace(t *testing.T, s Full, c apikey.Change) error {
	t.Helper()
	before := mustRevision(t, s)
	rev, err := s.Apply(t.Context(), c)
	if err == nil || rev != 0 {
		t.Errorf("Apply = revision %d, %v, want 0 and an error", rev, err)
	}
	wantEqual(t, "Feed.Revision after a refused change", mustRevision(t, s), before)
	ids, _, feedErr := s.Changes(t.Context(), before, 10)
	if feedErr != nil || len(ids) != 0 {
		t.Errorf("Changes after a refused change = %q, %v, want none", ids, feedErr)
	}
	return err
}

// isAnswer reports whether err is one of the errors by which a store answers.
func isAnswer(err error) bool {
	return errors.Is(err, apikey.ErrNotFound) || errors.Is(err, apikey.ErrExists) || errors.Is(err, apikey.ErrConflict)
}
