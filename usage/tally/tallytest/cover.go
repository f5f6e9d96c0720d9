package tallytest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/warder-dev/warder/usage/tally"
)

// TestCover runs the contract against the stores that open returns: each call opens
// another one, which is empty.
func TestCover(t *testing.T, open func(t *testing.T) tally.CoverStore) {
	t.Run("what is written is read", func(t *testing.T) { coverKept(t, open(t)) })
	t.Run("an error of the change writes nothing", func(t *testing.T) { coverRefused(t, open(t)) })
	t.Run("changes at once follow one another", func(t *testing.T) { coverConcurrent(t, open(t)) })
}

func coverKept(t *testing.T, store tally.CoverStore) {
	t.Helper()
	for _, step := range []struct{ before, after string }{{"", `{"a":1}`}, {`{"a":1}`, `{"a":1}`}, {`{"a":1}`, `'; DROP TABLE usage_cover; --`}, {`'; DROP TABLE usage_cover; --`, "{}"}} {
		err := store.ReplaceCover(t.Context(), func(text string) (string, error) {
			if text != step.before {
				t.Errorf("text = %q, want %q", text, step.before)
			}
			return step.after, nil
		})
		if err != nil {
			t.Fatalf("ReplaceCover = %v", err)
		}
	}
}

func coverRefused(t *testing.T, store tally.CoverStore) {
	t.Helper()
	wrong := errors.New("wrong")
	if err := store.ReplaceCover(t.Context(), func(string) (string, error) { return "x", wrong }); !errors.Is(err, wrong) {
		t.Errorf("ReplaceCover = %v, want the error of the change", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.ReplaceCover(ended, func(string) (string, error) { return "x", nil }); err == nil {
		t.Error("ReplaceCover with an ended context = no error")
	}
	if err := store.ReplaceCover(t.Context(), func(text string) (string, error) {
		if text != "" {
			t.Errorf("text = %q, want none", text)
		}
		return text, nil
	}); err != nil {
		t.Fatal(err)
	}
}

func coverConcurrent(t *testing.T, store tally.CoverStore) {
	t.Helper()
	const writers, rounds = 4, 10
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range rounds {
				if err := store.ReplaceCover(t.Context(), func(text string) (string, error) {
					n, _ := strconv.Atoi(text) // "" is 0
					return strconv.Itoa(n + 1), nil
				}); err != nil {
					t.Errorf("ReplaceCover = %v", err)
				}
			}
		})
	}
	all.Wait()
	if err := store.ReplaceCover(t.Context(), func(text string) (string, error) {
		if text != strconv.Itoa(writers*rounds) {
			t.Errorf("text = %q, want %d changes", text, writers*rounds)
		}
		return text, nil
	}); err != nil {
		t.Fatal(err)
	}
}
