package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// seenRules are about changes of a key as it was seen at a revision: what was
// decided on one state is done to no other.
func seenRules() []rule {
	var rules []rule
	for _, c := range seenChanges() {
		rules = append(rules, rule{"of many who saw one state, one has its way: " + c.name, func(t *testing.T, s Full) {
			seenWins(t, s, func(int) seenChange { return c })
		}})
	}
	return append(rules, rule{"of many who saw one state, one has its way: each another", func(t *testing.T, s Full) {
		all := seenChanges()
		seenWins(t, s, func(i int) seenChange { return all[i%len(all)] })
	}})
}

// A seenChange changes the key as it was at a revision.
type seenChange struct {
	name string
	run  func(ctx context.Context, s Full, id apikey.ID, seen apikey.Revision) error
}

func seenChanges() []seenChange {
	by := apikey.By{Actor: "user:ada", Source: "cli"}
	of := func(_ apikey.Record, err error) error { return err }
	return []seenChange{
		{"revoke", func(ctx context.Context, s Full, id apikey.ID, seen apikey.Revision) error {
			return of(apikey.RevokeAt(ctx, s, by, id, seen, apikey.ReasonSuperseded))
		}},
		{"disable", func(ctx context.Context, s Full, id apikey.ID, seen apikey.Revision) error {
			return of(apikey.DisableAt(ctx, s, by, id, seen))
		}},
		{"update", func(ctx context.Context, s Full, id apikey.ID, seen apikey.Revision) error {
			return of(apikey.Update(ctx, s, by, id, seen, apikey.Patch{Name: new("another")}))
		}},
		{"end the overlap", func(ctx context.Context, s Full, id apikey.ID, seen apikey.Revision) error {
			return of(apikey.EndOverlap(ctx, s, by, id, seen))
		}},
		{"delete", func(ctx context.Context, s Full, id apikey.ID, seen apikey.Revision) error {
			_, err := apikey.Delete(ctx, s, by, id, seen)
			return err
		}},
	}
}

// seenWins lets every writer change a key that each of them saw at one revision, and
// reports when not exactly one did, or when the store took down more than one.
func seenWins(t *testing.T, s Full, change func(i int) seenChange) {
	t.Helper()
	r := plainRecord(testID(1))
	former := r.Secrets[0]
	former.Number, former.Retires = 0, r.Created.Add(time.Hour)
	r.Secrets[0].Number = 1
	r.Secrets = append(r.Secrets, former)
	seen := mustCreate(t, s, r).Revision
	errs, start := make([]error, writers), make(chan struct{})
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			<-start
			errs[i] = change(i).run(t.Context(), s, r.ID, seen)
		})
	}
	close(start)
	wg.Wait()
	won, gone := []string{}, false
	for i, err := range errs {
		if err == nil {
			won = append(won, fmt.Sprintf("writer %d (%s)", i, change(i).name))
			gone = change(i).name == "delete"
		}
	}
	for i, err := range errs {
		if err != nil && !errors.Is(err, apikey.ErrConflict) && (!gone || !errors.Is(err, apikey.ErrNotFound)) {
			t.Errorf("%s of writer %d = %v, want ErrConflict", change(i).name, i, err)
		}
	}
	if len(won) != 1 {
		t.Errorf("%d of %d had their way, want 1: %q", len(won), writers, won)
	}
	ids, upTo, err := s.Changes(t.Context(), seen, 2*writers)
	if err != nil || len(ids) != 1 || upTo != mustRevision(t, s) {
		t.Errorf("Changes after what was seen = %q up to %d, %v, want one", ids, upTo, err)
	}
}
