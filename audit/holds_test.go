package audit_test

import (
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
)

// TestHolds: a log goes on from what it was, and from nothing else.
func TestHolds(t *testing.T) {
	var log, other audit.MemoryStore
	write := func(s *audit.MemoryStore, subject string) audit.Head {
		t.Helper()
		e, err := s.Append(t.Context(), audit.Event{At: time.Unix(1, 0), Actor: "a", Source: "s", Op: "o", Kind: "k", Subject: subject})
		if err != nil {
			t.Fatal(err)
		}
		return e.Head()
	}
	first := write(&log, "one")
	second := write(&log, "two")
	write(&other, "one")
	apart := write(&other, "another")
	for _, tt := range []struct {
		name string
		head audit.Head
		want bool
	}{
		{"nothing was seen", audit.Head{}, true},
		{"an entry in the middle", first, true},
		{"the last entry", second, true},
		{"an entry of another history", apart, false},
		{"an entry that is gone", audit.Head{Seq: 3, Hash: second.Hash}, false},
		{"another number", audit.Head{Seq: 1, Hash: second.Hash}, false},
	} {
		if got, err := audit.Holds(t.Context(), &log, tt.head); err != nil || got != tt.want {
			t.Errorf("%s: Holds = %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}
