package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/warder-dev/warder/apikey"
)

// writers is the number of goroutines that write at once, and rounds how often
// each changes its key after creating it.
const writers, rounds = 32, 5

func concurrentRules() []rule {
	return []rule{
		{"one of many changes to one record wins", func(t *testing.T, s Full) {
			before := mustCreate(t, s, plainRecord(testID(1)))
			name := oneWins(t, s, apikey.ErrConflict, func(i int) apikey.Change { return renamed(before, fmt.Sprint("writer ", i)) })
			wantEqual(t, "Name", mustLookup(t, s, before.ID).Name, name)
		}},
		{"one of many creations of one id wins", func(t *testing.T, s Full) {
			name := oneWins(t, s, apikey.ErrExists, func(i int) apikey.Change {
				r := plainRecord(testID(1))
				r.Name = fmt.Sprint("writer ", i)
				return createOf(r)
			})
			wantEqual(t, "Name", mustLookup(t, s, testID(1)).Name, name)
		}},
		{"every change gets a revision of its own and the feed skips none", noneSkipped},
	}
}

// oneWins applies a change per writer at once, reports when not exactly one
// succeeds or another fails in any way but want, and returns the winner's name.
func oneWins(t *testing.T, s Full, want error, change func(i int) apikey.Change) string {
	t.Helper()
	errs, start := make([]error, writers), make(chan struct{})
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			<-start
			_, errs[i] = s.Apply(t.Context(), change(i))
		})
	}
	close(start)
	wg.Wait()
	var won []string
	for i, err := range errs {
		switch {
		case err == nil:
			won = append(won, change(i).After.Name)
		case !errors.Is(err, want):
			t.Errorf("Apply of writer %d = %v, want %v", i, err, want)
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d of %d writers succeeded, want 1", len(won), writers)
	}
	return won[0]
}

// noneSkipped holds the rule that makes a feed usable: a change that becomes
// visible after a later one was read would be missed for good.
func noneSkipped(t *testing.T, s Full) {
	done := make(chan struct{})
	reader := feedReader{store: s, reported: map[apikey.ID]apikey.Revision{}}
	var reading sync.WaitGroup
	reading.Go(func() { reader.follow(t, done) })
	seen := writeAll(t, s)
	close(done)
	reading.Wait()

	wantEqual(t, "revisions handed out, each once", len(seen), writers*(rounds+1))
	wantEqual(t, "Feed.Revision", mustRevision(t, s), reader.upTo)
	for i := range writers {
		last := mustLookup(t, s, testID(i)).Revision
		if reader.reported[testID(i)] < last {
			t.Errorf("the reader last heard of %q up to revision %d, want %d or more", testID(i), reader.reported[testID(i)], last)
		}
		wantEqual(t, "writer of the record's revision", seen[last], testID(i))
	}
}

// writeAll lets each writer create and change a key of its own. It returns
// which key got which revision.
func writeAll(t *testing.T, s Full) map[apikey.Revision]apikey.ID {
	t.Helper()
	var mu sync.Mutex
	seen := map[apikey.Revision]apikey.ID{}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			c := createOf(plainRecord(testID(i)))
			for n := range rounds + 1 {
				rev, err := s.Apply(t.Context(), c)
				if err != nil {
					t.Errorf("Apply = %v, want no error", err)
					return
				}
				mu.Lock()
				seen[rev] = testID(i)
				mu.Unlock()
				before := *c.After
				before.Revision = rev
				c = renamed(before, fmt.Sprint("round ", n))
			}
		})
	}
	wg.Wait()
	return seen
}

// A feedReader follows a feed and never looks back.
type feedReader struct {
	store    Full
	upTo     apikey.Revision
	reported map[apikey.ID]apikey.Revision // the newest upTo with which an id came
}

// follow reads until done is closed and the feed has no more.
func (r *feedReader) follow(t *testing.T, done <-chan struct{}) {
	for {
		finished := false
		select {
		case <-done:
			finished = true
		default:
		}
		more, err := r.read(t.Context())
		if err != nil {
			t.Errorf("follow the feed: %v", err)
			return
		}
		if finished && !more {
			return
		}
	}
}

// read takes one batch. It reports whether the feed went on, and an error when
// the store failed or does not show a change that the feed told.
func (r *feedReader) read(ctx context.Context) (more bool, err error) {
	const limit = 7
	ids, upTo, err := r.store.Changes(ctx, r.upTo, limit)
	if err != nil {
		return false, err
	}
	if upTo < r.upTo || len(ids) > limit || len(ids) > 0 && upTo == r.upTo {
		return false, fmt.Errorf("from revision %d: %d ids up to %d", r.upTo, len(ids), upTo)
	}
	for _, id := range ids {
		rec, err := r.store.Lookup(ctx, id)
		if err != nil {
			return false, fmt.Errorf("the feed told of %q: %w", id, err)
		}
		if rec.Revision <= r.upTo {
			return false, fmt.Errorf("after revision %d the feed told of %q, which is at %d", r.upTo, id, rec.Revision)
		}
		r.reported[id] = upTo
	}
	more = upTo > r.upTo
	r.upTo = upTo
	return more, nil
}
