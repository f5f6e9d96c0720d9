package tally_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/usage/tally"
)

// A book keeps the cover, beside a shelf.
type book struct {
	*shelf

	mu    sync.Mutex
	text  string
	fails error
	kept  int
}

func (b *book) ReplaceCover(_ context.Context, change func(string) (string, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails != nil {
		return b.fails
	}
	after, err := change(b.text)
	if err == nil {
		b.text, b.kept = after, b.kept+1
	}
	return err
}

func (b *book) failCover(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails = err
}

func span(t *testing.T, b *book) (from, to time.Duration, known bool) {
	t.Helper()
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of synctest
	s, err := tally.Complete(t.Context(), b, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s.From.Sub(start), s.To.Sub(start), s != tally.Span{}
}

func TestCompleteFollowsTheNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{shelf: newShelf()}
		pass := func(d time.Duration) {
			time.Sleep(d) //nolint:forbidigo // the clock of synctest
			synctest.Wait()
		}
		want := func(what string, wantFrom, wantTo time.Duration) {
			t.Helper()
			from, to, known := span(t, b)
			if !known || from != wantFrom || to < wantTo-time.Minute-tally.DefaultFlush || to > wantTo {
				t.Errorf("%s: complete from %s to %s (%v), want from %s to about %s", what, from, to, known, wantFrom, wantTo)
			}
		}
		if _, _, known := span(t, b); known {
			t.Error("something is complete before anybody counts")
		}
		c := newTally(t, tally.Config{Store: b})
		pass(time.Hour)
		want("one node", 0, time.Hour)
		if b.kept > 70 {
			t.Errorf("%d notes in an hour, want one a minute", b.kept)
		}
		other := newTally(t, tally.Config{Store: b})
		other.Done(request("k", "/", "192.0.2.1"), passed(200))
		pass(time.Hour)
		want("two nodes", 0, 2*time.Hour)
		b.fail(errors.New("away"))
		c.Done(request("k", "/", "192.0.2.1"), passed(200))
		pass(time.Hour)
		want("one cannot write", 0, 2*time.Hour)
		b.fail(nil)
		pass(2 * time.Minute)
		want("it can again, and has lost nothing", 0, 3*time.Hour+2*time.Minute)
		b.failCover(errors.New("away"))
		pass(time.Hour)
		b.failCover(nil)
		want("nobody could say how far", 0, 3*time.Hour+2*time.Minute)
		if err := errors.Join(other.Close(), c.Close()); err != nil {
			t.Fatal(err)
		}
		if _, _, known := span(t, b); known {
			t.Error("something is complete where nobody counts")
		}
		pass(50 * time.Minute)
		again := newTally(t, tally.Config{Store: b})
		pass(time.Minute)
		if from, _, known := span(t, b); !known || from != 0 {
			t.Errorf("after a restart complete from %s, %v, want no gap", from, known)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A part is a store that one node reaches until it is cut off.
type part struct {
	*book

	cut atomic.Bool
}

func (p *part) Add(ctx context.Context, b *tally.Batch) error {
	if p.cut.Load() {
		return errors.New("cut off")
	}
	return p.book.Add(ctx, b)
}

func (p *part) ReplaceCover(ctx context.Context, change func(string) (string, error)) error {
	if p.cut.Load() {
		return errors.New("cut off")
	}
	return p.book.ReplaceCover(ctx, change)
}

// A node that ends without a word costs the minutes in which it may have counted
// what nobody knows, and no more.
func TestANodeThatIsKilled(t *testing.T) {
	const blind, bound = 10 * time.Second, 10*time.Second + 5*time.Minute
	begin := func(t *testing.T, b *book) (*part, *tally.Tally) {
		t.Helper()
		p := &part{book: b}
		c, err := tally.New(tally.Config{Store: p, Blind: blind, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return p, c
	}
	pass := func(d time.Duration) {
		time.Sleep(d) //nolint:forbidigo // the clock of synctest
		synctest.Wait()
	}
	want := func(t *testing.T, b *book, what string, wantFrom, wantTo time.Duration) {
		t.Helper()
		from, to, known := span(t, b)
		if !known || from > wantFrom || from < wantFrom-2*time.Minute || to > wantTo || to < wantTo-2*time.Minute {
			t.Errorf("%s: complete from %s to %s (%v), want from about %s to about %s", what, from, to, known, wantFrom, wantTo)
		}
	}
	t.Run("while another runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := &book{shelf: newShelf()}
			_, lives := begin(t, b)
			killed, dies := begin(t, b)
			pass(time.Hour)
			killed.cut.Store(true)
			pass(bound - time.Minute)
			want(t, b, "in the minutes in which it may count", 0, time.Hour)
			pass(2 * time.Minute)
			want(t, b, "after them", time.Hour+bound, time.Hour+bound+time.Minute)
			pass(10 * time.Hour)
			want(t, b, "hours later", time.Hour+bound, 11*time.Hour+bound+time.Minute)
			killed.cut.Store(false)
			pass(2 * time.Minute)
			want(t, b, "it was cut off, and has written what it counted", 0, 11*time.Hour+bound+3*time.Minute)
			killed.cut.Store(true)
			pass(30 * time.Hour)
			want(t, b, "when it will not come back", 11*time.Hour+bound+3*time.Minute+bound, 41*time.Hour+bound+3*time.Minute)
			killed.cut.Store(false)
			pass(2 * time.Minute)
			want(t, b, "it did, too late", 41*time.Hour+bound+5*time.Minute, 41*time.Hour+bound+5*time.Minute)
			if err := errors.Join(lives.Close(), dies.Close()); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("and is started again", func(t *testing.T) {
		for after, from := range map[time.Duration]time.Duration{10 * time.Minute: time.Hour + bound, 10 * time.Hour: 11 * time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				b := &book{shelf: newShelf()}
				killed, dies := begin(t, b)
				pass(time.Hour)
				killed.cut.Store(true)
				pass(after)
				_, again := begin(t, b)
				pass(time.Hour)
				want(t, b, fmt.Sprintf("%s later", after), from, 2*time.Hour+after)
				if dies.Close() == nil {
					t.Error("who is cut off closes without an error")
				}
				if err := again.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	})
	t.Run("and nobody runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := &book{shelf: newShelf()}
			killed, dies := begin(t, b)
			pass(time.Hour)
			killed.cut.Store(true)
			pass(time.Hour)
			if _, _, known := span(t, b); known {
				t.Error("something is complete while nobody counts")
			}
			_ = dies.Close() // cut off
		})
	})
}

// What nobody understands is no time at all, and no node replaces it.
func TestADamagedCover(t *testing.T) {
	b := &book{shelf: newShelf(), text: "{"}
	if s, err := tally.Complete(t.Context(), b, time.Now()); err == nil || s != (tally.Span{}) {
		t.Errorf("Complete = %+v, %v, want an error", s, err)
	}
	c := newTally(t, tally.Config{Store: b})
	if err := c.Close(); err == nil {
		t.Error("Close = no error, want one of the cover")
	}
	if b.text != "{" {
		t.Errorf("cover %q, want it as it was", b.text)
	}
}

func TestUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		c := newTally(t, tally.Config{Store: s})
		c.Used("k", 2)
		c.Used("", 1)
		if !raceEnabled {
			if n := testing.AllocsPerRun(100, func() { c.Used("k", 2) }); n != 0 {
				t.Errorf("Used allocates %v times", n)
			}
		}
		for n := range 5 {
			c.Used(fmt.Sprint("key", n), 1)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if len(s.secrets) != 6 || s.secrets["k 2"].IsZero() || s.total() != 0 {
			t.Errorf("secrets %v and %d requests, want six and none", s.secrets, s.total())
		}
	})
}
