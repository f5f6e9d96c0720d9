package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/audit/audittest"
	"github.com/warder-dev/warder/internal/attack"
)

// newLog returns a chain of n entries.
func newLog(t *testing.T, n int) []audit.Entry {
	t.Helper()
	var entries []audit.Entry
	var head audit.Head
	for i := range n {
		e, err := audit.Seal(head, audittest.Event(i+1))
		if err != nil {
			t.Fatal(err)
		}
		entries, head = append(entries, e), e.Head()
	}
	return entries
}

// verify returns the first broken entry, 0 for none, and why.
func verify(t *testing.T, entries []audit.Entry, checkpoints ...audit.Checkpoint) (int64, string) {
	t.Helper()
	chain := audit.NewChain(checkpoints)
	for i := range entries {
		if err := chain.Add(&entries[i]); err != nil {
			return brokenAt(t, err)
		}
	}
	if err := chain.End(); err != nil {
		return brokenAt(t, err)
	}
	return 0, ""
}

func brokenAt(t *testing.T, err error) (int64, string) {
	t.Helper()
	broken, ok := errors.AsType[*audit.BrokenError](err)
	if !ok || !errors.Is(err, audit.ErrBroken) {
		t.Fatalf("error = %v, want a BrokenError", err)
	}
	return broken.Seq, broken.Reason
}

// rechain makes the hashes of entries right again, from the one at from on.
func rechain(entries []audit.Entry, from int) []audit.Entry {
	for i := from; i < len(entries); i++ {
		entries[i].Seq = int64(i + 1)
		entries[i].Prev = audit.Hash{}
		if i > 0 {
			entries[i].Prev = entries[i-1].Hash
		}
		entries[i].Hash = entries[i].Sum()
	}
	return entries
}

func TestABrokenEntryIsNamed(t *testing.T) {
	attack.Case(t, "AUDIT-02", attack.Library, func(t *testing.T) {
		change := func(spoil func(e *audit.Entry)) func([]audit.Entry) []audit.Entry {
			return func(all []audit.Entry) []audit.Entry { spoil(&all[4]); return all }
		}
		for _, tt := range []struct {
			name  string
			spoil func(all []audit.Entry) []audit.Entry
			want  int64
			why   string
		}{
			{"nothing", func(all []audit.Entry) []audit.Entry { return all }, 0, ""},
			{"time changed", change(func(e *audit.Entry) { e.At = e.At.Add(time.Microsecond) }), 5, "changed"},
			{"actor changed", change(func(e *audit.Entry) { e.Actor = "user:eve" }), 5, "changed"},
			{"source changed", change(func(e *audit.Entry) { e.Source = "web" }), 5, "changed"},
			{"operation changed", change(func(e *audit.Entry) { e.Op = "create" }), 5, "changed"},
			{"kind changed", change(func(e *audit.Entry) { e.Kind = "account" }), 5, "changed"},
			{"subject changed", change(func(e *audit.Entry) { e.Subject = "k00000000006" }), 5, "changed"},
			{"state before changed", change(func(e *audit.Entry) { e.Before = json.RawMessage(`{}`) }), 5, "changed"},
			{"state after changed", change(func(e *audit.Entry) { e.After = nil }), 5, "changed"},
			{"states exchanged", change(func(e *audit.Entry) { e.Before, e.After = e.After, e.Before }), 5, "changed"},
			{"hash changed", change(func(e *audit.Entry) { e.Hash[31] ^= 1 }), 5, "changed"},
			{"hash before changed", change(func(e *audit.Entry) { e.Prev[0] ^= 1 }), 5, "changed"},
			{"number changed", change(func(e *audit.Entry) { e.Seq = 50 }), 5, "missing"},
			{"changed, with a hash that is right", change(func(e *audit.Entry) { e.Actor = "user:eve"; e.Hash = e.Sum() }), 6, "does not follow"},
			{"first removed", func(all []audit.Entry) []audit.Entry { return all[1:] }, 1, "missing"},
			{"one removed", func(all []audit.Entry) []audit.Entry { return slices.Delete(all, 4, 5) }, 5, "missing"},
			{"one removed, and the others numbered anew", func(all []audit.Entry) []audit.Entry {
				all = slices.Delete(all, 4, 5)
				for i := range all {
					all[i].Seq = int64(i + 1)
				}
				return all
			}, 5, "changed"},
			{"two exchanged", func(all []audit.Entry) []audit.Entry { all[4], all[5] = all[5], all[4]; return all }, 5, "missing"},
			{"two exchanged, with each other's numbers", func(all []audit.Entry) []audit.Entry {
				all[4], all[5] = all[5], all[4]
				all[4].Seq, all[5].Seq = 5, 6
				return all
			}, 5, "changed"},
			{"one moved to the end", func(all []audit.Entry) []audit.Entry { return append(slices.Delete(slices.Clone(all), 2, 3), all[2]) }, 3, "missing"},
			{"one put in twice", func(all []audit.Entry) []audit.Entry { return slices.Insert(all, 5, all[4]) }, 6, "put in"},
			{"one put in with the next number", func(all []audit.Entry) []audit.Entry {
				e, err := audit.Seal(all[4].Head(), audittest.Event(99))
				if err != nil {
					t.Fatal(err)
				}
				return slices.Insert(all, 5, e)
			}, 7, "put in"},
		} {
			got, why := verify(t, tt.spoil(newLog(t, 10)))
			if got != tt.want || !strings.Contains(why, tt.why) {
				t.Errorf("%s: broken at %d (%s), want %d (%s)", tt.name, got, why, tt.want, tt.why)
			}
		}
	})
}

func TestACutTailIsFoundByACheckpoint(t *testing.T) {
	attack.Case(t, "AUDIT-03", attack.Library, func(t *testing.T) {
		signer, err := audit.NewSigner()
		if err != nil {
			t.Fatal(err)
		}
		entries := newLog(t, 10)
		sign := func(seq int) audit.Checkpoint { return signer.Sign(entries[seq-1].Head(), entries[seq-1].At, "node-1") }
		forged := rechain(slices.Clone(entries), 0)
		forged[6].Actor = "user:eve"
		forged = rechain(forged, 6)
		for _, tt := range []struct {
			name        string
			entries     []audit.Entry
			checkpoints []audit.Checkpoint
			want        int64
			why         string
		}{
			{"whole", entries, []audit.Checkpoint{sign(4), sign(10), sign(7)}, 0, ""},
			{"grown since", entries, []audit.Checkpoint{sign(4)}, 0, ""},
			{"cut, and nobody signed", entries[:6], nil, 0, ""}, // what nobody can find
			{"cut, and signed before", entries[:6], []audit.Checkpoint{sign(6)}, 0, ""},
			{"cut", entries[:6], []audit.Checkpoint{sign(4), sign(8)}, 7, "the log ends with entry 6, and \"node-1\" signed entry 8"},
			{"all gone", nil, []audit.Checkpoint{sign(1)}, 1, "ends with entry 0"},
			{"written anew", forged, nil, 0, ""}, // nor this
			{"written anew, and signed before", forged, []audit.Checkpoint{sign(9)}, 9, "written anew"},
		} {
			if got, why := verify(t, tt.entries, tt.checkpoints...); got != tt.want || !strings.Contains(why, tt.why) {
				t.Errorf("%s: broken at %d (%s), want %d (%s)", tt.name, got, why, tt.want, tt.why)
			}
		}
	})
}

// A part of a log is verified from its first entry on.
func TestPartOfALog(t *testing.T) {
	signer, err := audit.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	entries := newLog(t, 10)
	part := func(entries []audit.Entry, checkpoints ...audit.Checkpoint) error {
		c := audit.NewChain(checkpoints)
		c.Partial()
		for i := range entries {
			if err := c.Add(&entries[i]); err != nil {
				return err
			}
		}
		return c.End()
	}
	other := newLog(t, 3)
	other[2].Actor = "user:eve"
	other = rechain(other, 2)
	good, bad := signer.Sign(entries[2].Head(), time.Now(), "n"), signer.Sign(other[2].Head(), time.Now(), "n")
	old := signer.Sign(entries[0].Head(), time.Now(), "n")
	if err := errors.Join(part(entries[3:]), part(entries), part(entries[3:], good), part(entries[3:], old)); err != nil {
		t.Errorf("a part of a log: %v", err)
	}
	if err := part(entries[3:], bad); err == nil {
		t.Error("a part that follows another entry than the one that was signed is taken")
	}
	if err := part(slices.Delete(slices.Clone(entries[3:]), 1, 2)); err == nil {
		t.Error("a gap in a part is not found")
	}
}

// TestVerifyBelievesKnownKeysOnly: whoever can write to the database could put a
// checkpoint there, signed with a key of their own.
func TestVerifyBelievesKnownKeysOnly(t *testing.T) {
	ours, err := audit.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := audit.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	keys := audit.Keyring{ours.PublicKey()}
	for _, tt := range []struct {
		name  string
		make  func(head audit.Head) audit.Checkpoint
		wants error
	}{
		{"ours", func(h audit.Head) audit.Checkpoint { return ours.Sign(h, time.Now(), "n") }, nil},
		{"theirs", func(h audit.Head) audit.Checkpoint { return theirs.Sign(h, time.Now(), "n") }, audit.ErrUnknownKey},
		{"theirs, with our key", func(h audit.Head) audit.Checkpoint {
			c := theirs.Sign(h, time.Now(), "n")
			c.Key = ours.PublicKey()
			return c
		}, audit.ErrSignature},
		{"of another node", func(h audit.Head) audit.Checkpoint { c := ours.Sign(h, time.Now(), "n"); c.Node = "m"; return c }, audit.ErrSignature},
		{"of another time", func(h audit.Head) audit.Checkpoint {
			c := ours.Sign(h, time.Now(), "n")
			c.At = c.At.Add(time.Second)
			return c
		}, audit.ErrSignature},
		{"without a signature", func(h audit.Head) audit.Checkpoint {
			c := ours.Sign(h, time.Now(), "n")
			c.Signature = nil
			return c
		}, audit.ErrSignature},
	} {
		store := new(audit.MemoryStore)
		e, err := store.Append(t.Context(), audittest.Event(1))
		if err != nil {
			t.Fatal(err)
		}
		c := tt.make(e.Head())
		if _, err := audit.Verify(t.Context(), store, keys, []audit.Checkpoint{c}); !errors.Is(err, tt.wants) {
			t.Errorf("%s, from a file: Verify = %v, want %v", tt.name, err, tt.wants)
		}
		if err := store.SaveCheckpoint(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, err := audit.Verify(t.Context(), store, keys, nil); !errors.Is(err, tt.wants) {
			t.Errorf("%s, from the store: Verify = %v, want %v", tt.name, err, tt.wants)
		}
	}
}

// cutStore is a log whose end is cut.
type cutStore struct {
	*audit.MemoryStore
	at int64
}

func (s *cutStore) List(ctx context.Context, q audit.Query) ([]audit.Entry, error) {
	all, err := s.MemoryStore.List(ctx, q)
	return slices.DeleteFunc(all, func(e audit.Entry) bool { return e.Seq > s.at }), err
}

func (s *cutStore) Head(ctx context.Context) (audit.Head, error) {
	all, err := s.MemoryStore.List(ctx, audit.Query{After: s.at - 1, Limit: 1})
	if s.at == 0 || len(all) == 0 {
		return audit.Head{}, err
	}
	return all[0].Head(), err
}

func TestSignHead(t *testing.T) {
	signer, err := audit.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	store := new(audit.MemoryStore)
	if _, err := audit.SignHead(t.Context(), store, signer, "n"); !errors.Is(err, audit.ErrEmpty) {
		t.Errorf("SignHead of an empty log = %v", err)
	}
	for n := range 5 {
		if _, err := store.Append(t.Context(), audittest.Event(n)); err != nil {
			t.Fatal(err)
		}
	}
	first, err := audit.SignHead(t.Context(), store, signer, "n")
	if err != nil || first.Seq != 5 {
		t.Fatalf("SignHead = %d, %v", first.Seq, err)
	}
	again, err := audit.SignHead(t.Context(), store, signer, "m")
	if err != nil || again.Seq != 5 || again.Node != "n" || !again.At.Equal(first.At) {
		t.Errorf("SignHead again = %+v, %v, want the same one", again, err)
	}
	for _, at := range []int64{0, 1, 4} {
		if _, err := audit.SignHead(t.Context(), &cutStore{store, at}, signer, "n"); err == nil {
			t.Errorf("a log that was cut to %d entries is signed", at)
		} else if seq, why := brokenAt(t, err); seq != at+1 || !strings.Contains(why, "signed entry 5") {
			t.Errorf("cut to %d: broken at %d: %s", at, seq, why)
		}
	}
}
