// Package webhooktest is the contract of [webhook.Outbox] as tests.
package webhooktest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/webhook"
)

// TestOutbox tests the outbox that open returns, empty, once per subtest.
func TestOutbox(t *testing.T, open func(t *testing.T) webhook.Outbox) {
	t.Helper()
	for _, r := range []struct {
		name  string
		check func(t *testing.T, o webhook.Outbox)
	}{
		{"what was added is claimed as it was", claimed},
		{"an event is added once for each endpoint, also after it was settled", once},
		{"the longest due comes first, and nothing before it is due", order},
		{"what was claimed is hidden for a time", hidden},
		{"a retry is due later, with an attempt more", retried},
		{"what was settled is never due again, and forgotten in time", settled},
		{"what waits for nobody is forgotten too", abandoned},
		{"an event that is none is refused", invalid},
		{"two that claim at once share", shared},
		{"a full outbox takes nothing more", full},
	} {
		t.Run(r.name, func(t *testing.T) { r.check(t, open(t)) })
	}
}

// A Filler is an outbox that can be filled faster than by [webhook.Outbox.Add]; a
// test may pass one. Fill adds events, of different ids, for endpoint.
type Filler interface {
	Fill(t *testing.T, events []webhook.Event, endpoint string)
}

// start is when the tests begin.
func start() time.Time { return time.Date(2026, 4, 5, 6, 7, 8, 123456000, time.UTC) }

func event(n int, at time.Time) webhook.Event {
	return webhook.Event{ID: fmt.Sprintf("event:%05d", n), Type: webhook.KeyExpiring, At: at, Data: []byte(`{"key":"it's \"ä\""}`)}
}

func add(t *testing.T, o webhook.Outbox, e webhook.Event, endpoint string) {
	t.Helper()
	if err := o.Add(t.Context(), e, endpoint); err != nil {
		t.Fatalf("Add(%s, %s) = %v", e.ID, endpoint, err)
	}
}

// claim returns what is due, hidden for a minute.
func claim(t *testing.T, o webhook.Outbox, endpoint string, now time.Time, limit int) []webhook.Delivery {
	t.Helper()
	all, err := o.Claim(t.Context(), endpoint, now, now.Add(time.Minute), limit)
	if err != nil {
		t.Fatalf("Claim = %v", err)
	}
	return all
}

// want reports that other deliveries than those of the events were claimed.
func want(t *testing.T, got []webhook.Delivery, events ...webhook.Event) {
	t.Helper()
	if len(got) != len(events) {
		t.Errorf("claimed %d deliveries, want %d", len(got), len(events))
		return
	}
	for i := range events {
		if got[i].Event.ID != events[i].ID {
			t.Errorf("claimed %q at place %d, want %q", got[i].Event.ID, i, events[i].ID)
		}
	}
}

func claimed(t *testing.T, o webhook.Outbox) {
	t.Helper()
	e := event(1, start())
	add(t, o, e, "a")
	got := claim(t, o, "a", start(), 10)
	want(t, got, e)
	if d := got[0]; d.Endpoint != "a" || d.Attempts != 0 || d.Event.Type != e.Type || !d.Event.At.Equal(e.At) || string(d.Event.Data) != string(e.Data) {
		t.Errorf("claimed %+v, want %+v", d, e)
	}
	want(t, claim(t, o, "b", start(), 10))
}

func once(t *testing.T, o webhook.Outbox) {
	t.Helper()
	e := event(1, start())
	add(t, o, e, "a")
	again := e
	again.At, again.Data = start().Add(-time.Hour), []byte(`{"other":1}`)
	add(t, o, again, "a")
	add(t, o, again, "b")
	got := claim(t, o, "a", start(), 10)
	want(t, got, e)
	if string(got[0].Event.Data) != string(e.Data) {
		t.Errorf("data = %s, want what was added first", got[0].Event.Data)
	}
	want(t, claim(t, o, "b", start(), 10), again)
	if err := o.Settle(t.Context(), got[0], start()); err != nil {
		t.Fatal(err)
	}
	add(t, o, e, "a")
	want(t, claim(t, o, "a", start().Add(time.Hour), 10))
}

func order(t *testing.T, o webhook.Outbox) {
	t.Helper()
	late, early, future := event(1, start()), event(2, start().Add(-time.Minute)), event(3, start().Add(time.Microsecond))
	for _, e := range []webhook.Event{late, early, future} {
		add(t, o, e, "a")
	}
	want(t, claim(t, o, "a", start(), 1), early)
	want(t, claim(t, o, "a", start(), 10), late)
	want(t, claim(t, o, "a", start().Add(time.Second), 10), future)
}

func hidden(t *testing.T, o webhook.Outbox) {
	t.Helper()
	e := event(1, start())
	add(t, o, e, "a")
	want(t, claim(t, o, "a", start(), 10), e)
	want(t, claim(t, o, "a", start().Add(time.Minute-time.Microsecond), 10))
	want(t, claim(t, o, "a", start().Add(time.Minute), 10), e)
}

func retried(t *testing.T, o webhook.Outbox) {
	t.Helper()
	e := event(1, start())
	add(t, o, e, "a")
	for attempt := range 3 {
		now := start().Add(time.Duration(attempt) * time.Hour)
		got := claim(t, o, "a", now, 10)
		want(t, got, e)
		if got[0].Attempts != attempt {
			t.Errorf("attempts = %d, want %d", got[0].Attempts, attempt)
		}
		if err := o.Retry(t.Context(), got[0], now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		want(t, claim(t, o, "a", now.Add(time.Hour-time.Microsecond), 10))
	}
}

func settled(t *testing.T, o webhook.Outbox) {
	t.Helper()
	e, waits := event(1, start()), event(2, start().Add(time.Hour))
	add(t, o, e, "a")
	add(t, o, waits, "a")
	d := claim(t, o, "a", start(), 10)[0]
	if err := o.Settle(t.Context(), d, start()); err != nil {
		t.Fatal(err)
	}
	if err := o.Retry(t.Context(), d, start()); err != nil {
		t.Errorf("Retry of what is settled = %v, want no error and no effect", err)
	}
	want(t, claim(t, o, "a", start().Add(30*time.Minute), 10))
	for _, tt := range []struct {
		before time.Time
		n      int
	}{{start(), 0}, {start().Add(time.Microsecond), 1}, {start().Add(time.Microsecond), 0}} {
		if n, err := o.Forget(t.Context(), tt.before); err != nil || n != tt.n {
			t.Errorf("Forget(%v) = %d, %v, want %d", tt.before, n, err, tt.n)
		}
	}
	want(t, claim(t, o, "a", start().Add(time.Hour), 10), waits)
}

func abandoned(t *testing.T, o webhook.Outbox) {
	t.Helper()
	add(t, o, event(1, start()), "gone")
	if n, err := o.Forget(t.Context(), start().Add(time.Microsecond)); err != nil || n != 1 {
		t.Errorf("Forget = %d, %v, want 1", n, err)
	}
	want(t, claim(t, o, "gone", start().Add(time.Hour), 10))
}

func invalid(t *testing.T, o webhook.Outbox) {
	t.Helper()
	good := event(1, start())
	for name, spoil := range map[string]func(*webhook.Event){
		"no id":            func(e *webhook.Event) { e.ID = "" },
		"an id with a dot": func(e *webhook.Event) { e.ID = "a.b" },
		"a line end":       func(e *webhook.Event) { e.ID = "a\nb" },
		"no type":          func(e *webhook.Event) { e.Type = "" },
		"no time":          func(e *webhook.Event) { e.At = time.Time{} },
		"no JSON":          func(e *webhook.Event) { e.Data = []byte("{") },
		"no object":        func(e *webhook.Event) { e.Data = []byte("[]") },
		"nothing":          func(e *webhook.Event) { e.Data = nil },
		"too much":         func(e *webhook.Event) { e.Data = []byte(`{"a":"` + string(make([]byte, 17<<10)) + `"}`) },
	} {
		e := good
		spoil(&e)
		if err := o.Add(t.Context(), e, "a"); err == nil {
			t.Errorf("%s: Add = no error", name)
		}
	}
	want(t, claim(t, o, "a", start().Add(time.Hour), 10))
}

func shared(t *testing.T, o webhook.Outbox) {
	t.Helper()
	const n = 200
	for i := range n {
		add(t, o, event(i, start()), "a")
	}
	var (
		mu   sync.Mutex
		seen = map[string]int{}
		all  sync.WaitGroup
	)
	for range 8 {
		all.Go(func() {
			for {
				got, err := o.Claim(t.Context(), "a", start(), start().Add(time.Hour), 7)
				if err != nil || len(got) == 0 {
					if err != nil {
						t.Errorf("Claim = %v", err)
					}
					return
				}
				mu.Lock()
				for _, d := range got {
					seen[d.Event.ID]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was claimed %d times", id, times)
		}
	}
	if len(seen) != n {
		t.Errorf("claimed %d deliveries, want %d", len(seen), n)
	}
}

// fill adds n events for a.
func fill(t *testing.T, o webhook.Outbox, n int) {
	t.Helper()
	var events []webhook.Event
	for i := range n {
		events = append(events, event(i, start()))
	}
	if f, ok := o.(Filler); ok {
		f.Fill(t, events, "a")
		return
	}
	for _, e := range events {
		add(t, o, e, "a")
	}
}

func full(t *testing.T, o webhook.Outbox) {
	t.Helper()
	fill(t, o, webhook.MaxPending-1)
	near := event(webhook.MaxPending+1, start())
	near.Type = webhook.LimitNear
	if err := o.Add(t.Context(), near, "a"); !errors.Is(err, webhook.ErrFull) {
		t.Errorf("Add of what clients cause as they like = %v, want %v: the room is for alarms", err, webhook.ErrFull)
	}
	add(t, o, near, "b")
	add(t, o, event(webhook.MaxPending-1, start()), "a")
	if err := o.Add(t.Context(), event(webhook.MaxPending, start()), "a"); !errors.Is(err, webhook.ErrFull) {
		t.Errorf("Add to a full outbox = %v, want %v", err, webhook.ErrFull)
	}
	add(t, o, event(webhook.MaxPending, start()), "b")
	add(t, o, event(1, start()), "a") // it is there already
}
