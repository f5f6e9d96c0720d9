// Package audittest is the contract of an audit.Store as a test.
package audittest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
)

// TestStore runs the contract against the stores that open returns: each call
// opens another one, which is empty.
func TestStore(t *testing.T, open func(t *testing.T) audit.Store) {
	for _, rule := range []struct {
		name string
		test func(t *testing.T, store audit.Store)
	}{
		{"an empty log has no entry and no head", empty},
		{"entries are chained from the first on", chained},
		{"what was appended comes back as it was", roundTrip},
		{"order is that of the sequence, whatever the clock said", clockBack},
		{"a page begins after an entry, in both directions", paging},
		{"a query keeps what matches", filters},
		{"a query without a sound limit is refused", limits},
		{"an event that is not whole is refused, and leaves nothing", refused},
		{"writers at once make one chain", concurrent},
		{"checkpoints are kept by their entry", checkpoints},
		{"a call whose context ended does nothing", ended},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, open(t)) })
	}
}

// Event returns the nth event of a kind that tests use.
func Event(n int) audit.Event {
	return audit.Event{
		At: time.Date(2026, 11, 1, 12, 0, n, 123456000, time.UTC), Actor: "user:ada", Source: "cli", Op: "update", Kind: "key", Subject: fmt.Sprintf("k%011d", n),
		Before: json.RawMessage(`{"id":"k","name":"before"}`), After: json.RawMessage(fmt.Sprintf(`{"id":"k","name":"n%d"}`, n)),
	}
}

// add appends events, and fails the test when the store does.
func add(t *testing.T, store audit.Store, events ...audit.Event) (made []audit.Entry) {
	t.Helper()
	for _, e := range events {
		entry, err := store.Append(t.Context(), e)
		if err != nil {
			t.Fatalf("Append = %v", err)
		}
		made = append(made, entry)
	}
	return made
}

func list(t *testing.T, store audit.Store, q audit.Query) []audit.Entry {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = audit.MaxPage
	}
	all, err := store.List(t.Context(), q)
	if err != nil {
		t.Fatalf("List = %v", err)
	}
	return all
}

func seqs(entries []audit.Entry) (all []int64) {
	for _, e := range entries {
		all = append(all, e.Seq)
	}
	return all
}

// wantChain reports a log of other than n entries, or one that does not hold.
func wantChain(t *testing.T, store audit.Store, n int64) {
	t.Helper()
	head, err := audit.Verify(t.Context(), store, nil, nil)
	if err != nil || head.Seq != n {
		t.Errorf("Verify = entry %d, %v, want %d", head.Seq, err, n)
	}
	if told, err := store.Head(t.Context()); err != nil || told != head {
		t.Errorf("Head = %v, %v, want %v", told, err, head)
	}
}

func empty(t *testing.T, store audit.Store) {
	t.Helper()
	wantChain(t, store, 0)
	if all := list(t, store, audit.Query{}); len(all) != 0 {
		t.Errorf("List = %d entries, want none", len(all))
	}
	if c, err := store.LastCheckpoint(t.Context()); err != nil || c.Seq != 0 {
		t.Errorf("LastCheckpoint = %d, %v, want none", c.Seq, err)
	}
}

func chained(t *testing.T, store audit.Store) {
	t.Helper()
	made := add(t, store, Event(1), Event(2), Event(3))
	var prev audit.Head
	for i, e := range made {
		if e.Seq != int64(i+1) || e.Prev != prev.Hash || e.Hash != e.Sum() {
			t.Errorf("entry %d: seq %d, prev %s, hash %s", i, e.Seq, e.Prev, e.Hash)
		}
		prev = e.Head()
	}
	wantChain(t, store, 3)
}

func roundTrip(t *testing.T, store audit.Store) {
	t.Helper()
	events := []audit.Event{Event(1), Event(2), Event(3)}
	events[0].Before = nil
	events[1].After = nil
	events[2].Actor, events[2].Subject = "user:Å \"'; DROP TABLE audit; --\n%_", "日本 \\"
	events[2].After = json.RawMessage(`{"name":"<&>\u2028 é","n":12345678901234567890}`)
	made := add(t, store, events...)
	got := list(t, store, audit.Query{})
	if len(got) != len(made) {
		t.Fatalf("List = %d entries, want %d", len(got), len(made))
	}
	for i := range made {
		want, got := made[i], got[i]
		same := got.Seq == want.Seq && got.At.Equal(want.At) && got.Actor == want.Actor && got.Source == want.Source && got.Op == want.Op && got.Kind == want.Kind &&
			got.Subject == want.Subject && string(got.Before) == string(want.Before) && string(got.After) == string(want.After) && got.Prev == want.Prev && got.Hash == want.Hash
		if !same || got.At.Location() != time.UTC {
			t.Errorf("entry %d = %+v, want %+v", i, got, want)
		}
	}
	wantChain(t, store, 3)
}

func clockBack(t *testing.T, store audit.Store) {
	t.Helper()
	for _, n := range []int{50, 10, 30} {
		add(t, store, Event(n))
	}
	got := list(t, store, audit.Query{})
	if !slices.Equal(seqs(got), []int64{1, 2, 3}) || !got[1].At.Before(got[0].At) {
		t.Errorf("List = %v, want 1, 2, 3 with the clock set back", seqs(got))
	}
	wantChain(t, store, 3)
}

func paging(t *testing.T, store audit.Store) {
	t.Helper()
	for n := range 7 {
		add(t, store, Event(n))
	}
	for _, tt := range []struct {
		name string
		q    audit.Query
		want []int64
	}{
		{"first page", audit.Query{Limit: 3}, []int64{1, 2, 3}},
		{"next page", audit.Query{After: 3, Limit: 3}, []int64{4, 5, 6}},
		{"last page", audit.Query{After: 6, Limit: 3}, []int64{7}},
		{"behind the end", audit.Query{After: 7, Limit: 3}, nil},
		{"far behind the end", audit.Query{After: 1 << 60, Limit: 3}, nil},
		{"newest", audit.Query{Newest: true, Limit: 3}, []int64{7, 6, 5}},
		{"older", audit.Query{Newest: true, After: 5, Limit: 3}, []int64{4, 3, 2}},
		{"oldest", audit.Query{Newest: true, After: 2, Limit: 3}, []int64{1}},
		{"before the first", audit.Query{Newest: true, After: 1, Limit: 3}, nil},
		{"older than what is not there yet", audit.Query{Newest: true, After: 1 << 60, Limit: 2}, []int64{7, 6}},
	} {
		if got := seqs(list(t, store, tt.q)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func filters(t *testing.T, store audit.Store) {
	t.Helper()
	events := make([]audit.Event, 6)
	for i := range events {
		events[i] = Event(i)
	}
	events[1].Actor, events[2].Op, events[3].Kind, events[4].Subject = "user:bob", "revoke", "credits", "acme' OR '1'='1"
	add(t, store, events...)
	for _, tt := range []struct {
		name string
		q    audit.Query
		want []int64
	}{
		{"actor", audit.Query{Actor: "user:bob"}, []int64{2}},
		{"operation", audit.Query{Op: "revoke"}, []int64{3}},
		{"kind", audit.Query{Kind: "credits"}, []int64{4}},
		{"subject", audit.Query{Subject: "acme' OR '1'='1"}, []int64{5}},
		{"kind and subject", audit.Query{Kind: "key", Subject: events[0].Subject}, []int64{1}},
		{"subject of another kind", audit.Query{Kind: "credits", Subject: events[0].Subject}, nil},
		{"since", audit.Query{Since: events[4].At}, []int64{5, 6}},
		{"until", audit.Query{Until: events[2].At}, []int64{1, 2}},
		{"a time between", audit.Query{Since: events[2].At, Until: events[4].At}, []int64{3, 4}},
		{"no pattern", audit.Query{Actor: "user:%"}, nil},
		{"both directions", audit.Query{Actor: "user:ada", Newest: true, Limit: 2}, []int64{6, 5}},
		{"beyond an entry", audit.Query{Actor: "user:ada", After: 3}, []int64{4, 5, 6}},
		{"subject, newest", audit.Query{Subject: events[5].Subject, Newest: true}, []int64{6}},
	} {
		if got := seqs(list(t, store, tt.q)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func limits(t *testing.T, store audit.Store) {
	t.Helper()
	for _, q := range []audit.Query{{}, {Limit: -1}, {Limit: audit.MaxPage + 1}, {Limit: 1, After: -1}} {
		if _, err := store.List(t.Context(), q); err == nil {
			t.Errorf("List(limit %d, after %d) = no error", q.Limit, q.After)
		}
	}
	for _, limit := range []int{0, -1, audit.MaxPage + 1} {
		if _, err := store.Checkpoints(t.Context(), 0, limit); err == nil {
			t.Errorf("Checkpoints(limit %d) = no error", limit)
		}
	}
}

func refused(t *testing.T, store audit.Store) {
	t.Helper()
	for name, spoil := range map[string]func(*audit.Event){
		"no actor":         func(e *audit.Event) { e.Actor = "" },
		"no source":        func(e *audit.Event) { e.Source = "" },
		"no operation":     func(e *audit.Event) { e.Op = "" },
		"no kind":          func(e *audit.Event) { e.Kind = "" },
		"no subject":       func(e *audit.Event) { e.Subject = "" },
		"no time":          func(e *audit.Event) { e.At = time.Time{} },
		"a NUL":            func(e *audit.Event) { e.Actor = "a\x00b" },
		"no UTF-8":         func(e *audit.Event) { e.Subject = "a\xff" },
		"a long text":      func(e *audit.Event) { e.Actor = strings.Repeat("a", 70_000) },
		"no JSON":          func(e *audit.Event) { e.After = json.RawMessage(`{"id":`) },
		"two JSON values":  func(e *audit.Event) { e.After = json.RawMessage(`{} {}`) },
		"a state too long": func(e *audit.Event) { e.After = json.RawMessage(`"` + strings.Repeat("a", 1<<20) + `"`) },
	} {
		e := Event(1)
		spoil(&e)
		if _, err := store.Append(t.Context(), e); err == nil {
			t.Errorf("%s: Append = no error", name)
		} else if strings.Contains(err.Error(), "aaaaaaaa") {
			t.Errorf("%s: the error repeats what was sent", name)
		}
	}
	wantChain(t, store, 0)
}

func concurrent(t *testing.T, store audit.Store) {
	t.Helper()
	const writers, each = 32, 8
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				if _, err := store.Append(t.Context(), Event(w*each+n)); err != nil {
					t.Errorf("Append = %v", err)
				}
			}
		})
	}
	all.Wait()
	wantChain(t, store, writers*each)
}

func checkpoints(t *testing.T, store audit.Store) {
	t.Helper()
	made := add(t, store, Event(1), Event(2), Event(3), Event(4))
	signer, err := audit.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	var saved []audit.Checkpoint
	for _, i := range []int{0, 3, 1} { // also one that is older
		c := signer.Sign(made[i].Head(), made[i].At, "node \"1\"")
		saved = append(saved, c)
		if err := store.SaveCheckpoint(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	again := signer.Sign(made[3].Head(), made[3].At.Add(time.Hour), "another")
	if err := store.SaveCheckpoint(t.Context(), again); err != nil {
		t.Errorf("SaveCheckpoint of an entry that has one = %v", err)
	}
	last, err := store.LastCheckpoint(t.Context())
	if err != nil || last.Seq != 4 || last.Node != "node \"1\"" || (audit.Keyring{signer.PublicKey()}).Check(&last) != nil {
		t.Errorf("LastCheckpoint = %+v, %v, want the first one of entry 4, with its signature", last, err)
	}
	all, err := store.Checkpoints(t.Context(), 0, 10)
	if err != nil || len(all) != 3 || all[0].Seq != 1 || all[1].Seq != 2 || all[2].Seq != 4 || !all[0].At.Equal(saved[0].At) {
		t.Errorf("Checkpoints = %+v, %v, want those of 1, 2 and 4", all, err)
	}
	if some, err := store.Checkpoints(t.Context(), 1, 1); err != nil || len(some) != 1 || some[0].Seq != 2 {
		t.Errorf("Checkpoints(after 1, limit 1) = %+v, %v, want that of 2", some, err)
	}
	if head, err := audit.Verify(t.Context(), store, audit.Keyring{signer.PublicKey()}, nil); err != nil || head.Seq != 4 {
		t.Errorf("Verify = %d, %v", head.Seq, err)
	}
}

func ended(t *testing.T, store audit.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Append(ctx, Event(1)); err == nil {
		t.Error("Append = no error")
	}
	if _, err := store.List(ctx, audit.Query{Limit: 1}); err == nil {
		t.Error("List = no error")
	}
	wantChain(t, store, 0)
}
