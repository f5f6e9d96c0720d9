package usage_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/usage"
)

func TestOneNodeSpendsExactlyWhatThereIs(t *testing.T) {
	for _, credits := range []int64{0, 1, 10, 25, 1000, 12_345} {
		t.Run(strconv.FormatInt(credits, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &probe{Store: new(usage.MemoryStore)}
				give(t, store, key("k1"), credits)
				l := newLedger(t, store)
				defer closeLedger(t, l)
				if got := spend(t, newStage(t, l), 20_000); int64(got) != credits {
					t.Errorf("%d requests passed, want %d", got, credits)
				}
				closeLedger(t, l)
				wants(t, account(t, store, key("k1")), 0, 0, credits, 0)
			})
		})
	}
}

func TestTheHotPathAsksSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &probe{Store: new(usage.MemoryStore)}
		give(t, store, key("k1"), 1_000_000)
		l := newLedger(t, store)
		defer closeLedger(t, l)
		s := newStage(t, l)
		waited := int64(0)
		store.set(func(context.Context, []usage.Ask) error { time.Sleep(5 * time.Millisecond); return nil }, nil) //nolint:forbidigo // what a store takes, by the bubble's clock
		for range 10 * 1000 {                                                                                     // a thousand a second
			begin := time.Now()
			if got := status(s, request(), http.StatusOK); got != http.StatusOK {
				t.Fatalf("status %d", got)
			}
			if time.Since(begin) > 0 {
				waited++
			}
			time.Sleep(time.Millisecond) //nolint:forbidigo // as above
			synctest.Wait()
		}
		if n := store.reserves.Load(); n > 60 {
			t.Errorf("10,000 requests in ten seconds asked the store %d times, want a few each second", n)
		}
		if waited > 10 {
			t.Errorf("%d requests waited for the store, want those at the beginning only", waited)
		}
	})
}

func TestManyAtOnceOnTheLastCredits(t *testing.T) {
	for _, nodes := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(nodes, " nodes"), func(t *testing.T) {
			store := new(usage.MemoryStore)
			give(t, store, key("k1"), 10)
			var passed, refused atomic.Int64
			var wait sync.WaitGroup
			for range nodes {
				l := newLedger(t, store)
				defer closeLedger(t, l)
				s := newStage(t, l)
				for range 100 {
					wait.Go(func() {
						switch got := status(s, request(), http.StatusOK); got {
						case http.StatusOK:
							passed.Add(1)
						case http.StatusTooManyRequests:
							refused.Add(1)
						default:
							t.Errorf("status %d", got)
						}
					})
				}
			}
			wait.Wait()
			if passed.Load() != 10 || refused.Load() != int64(100*nodes-10) {
				t.Errorf("%d passed and %d were refused, want 10 and %d", passed.Load(), refused.Load(), 100*nodes-10)
			}
		})
	}
}

func TestNodesThatShareAnAccountLeaveNothing(t *testing.T) {
	store := new(usage.MemoryStore)
	const credits = 5000
	give(t, store, key("k1"), credits)
	var passed atomic.Int64
	var wait sync.WaitGroup
	var ledgers []*usage.Ledger
	for range 4 {
		l := newLedger(t, store)
		ledgers = append(ledgers, l)
		s := newStage(t, l)
		for range 4 {
			wait.Go(func() { passed.Add(int64(spend(t, s, 2*credits))) })
		}
	}
	wait.Wait()
	for _, l := range ledgers {
		closeLedger(t, l)
	}
	// Each node went on until it was refused: all that it held was spent by then.
	if a := account(t, store, key("k1")); passed.Load() != credits || a.Spent != credits || a.Balance != 0 {
		t.Errorf("%d passed, account %+v; want %d", passed.Load(), a, credits)
	}
}

func TestCloseGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(usage.MemoryStore)
		give(t, store, key("k1"), 1000)
		l := newLedger(t, store)
		late := newStage(t, l, func(c *usage.Config) { c.RefundFailed = true })
		spend(t, newStage(t, l), 3)
		running := request()
		if v := late.Check(running); !v.Passed() {
			t.Fatal("refused")
		}
		closeLedger(t, l)
		wants(t, account(t, store, key("k1")), 996, 0, 4, 0) // what still ran is charged
		late.Done(running, exchange.Outcome{Status: http.StatusBadGateway})
		closeLedger(t, l)
		wants(t, account(t, store, key("k1")), 996, 0, 4, 0)
		if got := status(late, request(), http.StatusOK); got != http.StatusServiceUnavailable {
			t.Errorf("after Close: status %d, want 503", got)
		}
	})
}

func TestIdleReservationsGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(usage.MemoryStore)
		give(t, store, key("k1"), 1000)
		l := newLedger(t, store)
		defer closeLedger(t, l)
		spend(t, newStage(t, l), 3)
		wants(t, account(t, store, key("k1")), 990, 10, 0, 0)
		time.Sleep(8 * time.Second) //nolint:forbidigo // by the bubble's clock
		synctest.Wait()
		wants(t, account(t, store, key("k1")), 997, 0, 3, 0)
		time.Sleep(5 * time.Second) //nolint:forbidigo // as above
		synctest.Wait()
		if n := usage.Purses(l); n != 0 {
			t.Errorf("%d subjects are remembered, want none", n)
		}
	})
}

func TestARequestThatTakesLongKeepsItsCredits(t *testing.T) {
	for _, favour := range []bool{false, true} {
		t.Run(fmt.Sprint("favour ", favour), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := new(usage.MemoryStore)
				give(t, store, key("k1"), 1000)
				l := newLedger(t, store, func(c *usage.LedgerConfig) { c.CrashFavoursCustomer = favour })
				defer closeLedger(t, l)
				s := newStage(t, l, func(c *usage.Config) { c.RefundFailed, c.Cost = true, 5 })
				passes, fails := request(), request()
				if !s.Check(passes).Passed() || !s.Check(fails).Passed() {
					t.Fatal("refused")
				}
				time.Sleep(time.Hour) //nolint:forbidigo // by the bubble's clock
				wants(t, account(t, store, key("k1")), 990, 10, 0, 0)
				s.Done(passes, exchange.Outcome{Status: http.StatusOK})
				s.Done(fails, exchange.Outcome{Status: http.StatusBadGateway})
				time.Sleep(2 * time.Second) //nolint:forbidigo // as above
				synctest.Wait()
				wants(t, account(t, store, key("k1")), 995, 0, 5, 0)
			})
		})
	}
}

func TestACrash(t *testing.T) {
	for _, favour := range []bool{false, true} {
		t.Run(fmt.Sprint("favour ", favour), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &probe{Store: new(usage.MemoryStore)}
				give(t, store, key("k1"), 1000)
				l := newLedger(t, store, func(c *usage.LedgerConfig) { c.CrashFavoursCustomer = favour })
				if got := spend(t, newStage(t, l), 3); got != 3 {
					t.Fatalf("%d passed", got)
				}
				store.set(func(context.Context, []usage.Ask) error { return errAway }, nil)
				if err := l.Close(t.Context()); !errors.Is(err, errAway) {
					t.Errorf("Close = %v, want that the store is away", err)
				}
				store.set(nil, nil)
				wants(t, account(t, store, key("k1")), 990, 10, 0, 0)
				time.Sleep(time.Minute) //nolint:forbidigo // by the bubble's clock
				if favour {
					wants(t, account(t, store, key("k1")), 1000, 0, 0, 0)
				} else {
					wants(t, account(t, store, key("k1")), 990, 0, 0, 10)
				}
			})
		})
	}
}

func TestTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &probe{Store: new(usage.MemoryStore)}
		give(t, store, key("k1"), 1000)
		l := newLedger(t, store)
		defer closeLedger(t, l)
		s := newStage(t, l)
		spend(t, s, 2)
		store.set(func(context.Context, []usage.Ask) error { return errAway }, nil)
		for n := range 8 { // what is held is spent
			if got := status(s, request(), http.StatusOK); got != http.StatusOK {
				t.Errorf("request %d: status %d", n, got)
			}
		}
		before := store.reserves.Load()
		for range 1000 {
			v := s.Check(request())
			if v.Problem() == nil || v.Problem().Type.Status() != http.StatusServiceUnavailable || !errors.Is(v.Err(), errAway) {
				t.Fatalf("verdict = %v, %v; want 503", v.Kind(), v.Err())
			}
		}
		if n := store.reserves.Load() - before; n > 2 {
			t.Errorf("a thousand requests asked a store that is away %d times", n)
		}
		store.set(nil, nil)
		time.Sleep(200 * time.Millisecond) //nolint:forbidigo // by the bubble's clock
		if got := status(s, request(), http.StatusOK); got != http.StatusOK {
			t.Errorf("the store is back: status %d", got)
		}
	})
}

func TestAReservationEndsWithItsTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &probe{Store: new(usage.MemoryStore)}
		give(t, store, key("k1"), 1000)
		l := newLedger(t, store, func(c *usage.LedgerConfig) { c.CrashFavoursCustomer = true })
		defer closeLedger(t, l)
		s := newStage(t, l)
		spend(t, s, 2)
		store.set(func(context.Context, []usage.Ask) error { return errAway }, nil)
		time.Sleep(59 * time.Second) //nolint:forbidigo // by the bubble's clock
		if got := status(s, request(), http.StatusOK); got != http.StatusServiceUnavailable && got != http.StatusOK {
			t.Errorf("within the term: status %d", got)
		}
		time.Sleep(2 * time.Second) //nolint:forbidigo // as above
		if got := status(s, request(), http.StatusOK); got != http.StatusServiceUnavailable {
			t.Errorf("after the term: status %d, want 503: the store may have given it to others", got)
		}
		store.set(nil, nil)
		time.Sleep(time.Second) //nolint:forbidigo // as above
		if got := status(s, request(), http.StatusOK); got != http.StatusOK {
			t.Errorf("the store is back: status %d", got)
		}
	})
}

func TestASlowStoreIsNotWaitedForLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &probe{Store: new(usage.MemoryStore)}
		give(t, store, key("k1"), 1000)
		store.set(func(ctx context.Context, _ []usage.Ask) error { <-ctx.Done(); return ctx.Err() }, nil)
		l := newLedger(t, store)
		s := newStage(t, l)
		var wait sync.WaitGroup
		begin := time.Now()
		for range 50 {
			wait.Go(func() {
				if got := status(s, request(), http.StatusOK); got != http.StatusServiceUnavailable {
					t.Errorf("status %d, want 503", got)
				}
			})
		}
		wait.Wait()
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("50 requests waited %s, want 2s", took)
		}
		store.set(nil, nil)
		closeLedger(t, l)
	})
}

func TestAnAnswerThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &probe{Store: new(usage.MemoryStore)}
		give(t, store, key("k1"), 1000)
		l := newLedger(t, store)
		s := newStage(t, l)
		n := 0
		store.set(nil, func([]usage.Ask) error { // every second one
			if n++; n%2 == 1 {
				return errAway
			}
			return nil
		})
		passed := int64(0)
		for range 500 {
			if status(s, request(), http.StatusOK) == http.StatusOK {
				passed++
			}
			time.Sleep(20 * time.Millisecond) //nolint:forbidigo // by the bubble's clock
		}
		store.set(nil, nil)
		closeLedger(t, l)
		if passed < 100 {
			t.Errorf("%d requests passed: this shows nothing", passed)
		}
		wants(t, account(t, store, key("k1")), 1000-passed, 0, passed, 0)
	})
}

func TestAStoreThatForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &probe{Store: new(usage.MemoryStore)}
		give(t, store, key("k1"), 1000)
		var said strings.Builder
		l := newLedger(t, store, func(c *usage.LedgerConfig) { c.Log = textLog(&said) })
		s := newStage(t, l)
		spend(t, s, 3)
		store.Store = new(usage.MemoryStore) // restored from before
		give(t, store, key("k1"), 1000)
		if got := spend(t, s, 30); got != 30 {
			t.Errorf("%d passed, want 30", got)
		}
		closeLedger(t, l)
		if a := account(t, store, key("k1")); a.Spent > 30 || a.Balance+a.Spent != 1000 {
			t.Errorf("account = %+v, want a sum of 1000", a)
		}
		if !strings.Contains(said.String(), "subject=k1") {
			t.Errorf("the log says %q", said.String())
		}
	})
}

func TestRefillsAreSeenAtTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight of 2000-01-01, UTC
		store := &probe{Store: new(usage.MemoryStore)}
		give(t, store, key("k1"), 30, usage.Refill{Every: usage.Day, Amount: 30})
		l := newLedger(t, store, func(c *usage.LedgerConfig) { c.Interval = time.Minute })
		defer closeLedger(t, l)
		s := newStage(t, l)
		time.Sleep(24*time.Hour - 500*time.Millisecond) //nolint:forbidigo // by the bubble's clock
		if got := spend(t, s, 12); got != 12 {
			t.Fatalf("%d passed", got)
		}
		time.Sleep(499 * time.Millisecond) //nolint:forbidigo // as above
		for day := range 3 {
			if got := spend(t, s, 100); day == 0 && got != 18 || day > 0 && got != 30 {
				t.Errorf("day %d: %d passed", day, got)
			}
			if day > 0 {
				time.Sleep(24*time.Hour - 2*time.Millisecond) //nolint:forbidigo // as above
			}
			before := store.reserves.Load()
			if v := s.Check(request()); v.Problem() == nil || v.Problem().Header.Get("Retry-After") != "1" {
				t.Errorf("day %d: problem %+v, want Retry-After: 1", day, v.Problem())
			}
			time.Sleep(2 * time.Millisecond) //nolint:forbidigo // as above
			if n := store.reserves.Load() - before; n > 2 {
				t.Errorf("day %d: the store was asked %d times", day, n)
			}
		}
	})
}

func TestWhatLiesWithANodeOverARefillIsPartOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(usage.MemoryStore)
		give(t, store, key("k1"), 1000, usage.Refill{Every: usage.Day, Amount: 1000})
		time.Sleep(24*time.Hour - time.Second) //nolint:forbidigo // by the bubble's clock
		first, second := newLedger(t, store), newLedger(t, store)
		before := int64(spend(t, newStage(t, first), 7) + spend(t, newStage(t, second), 3))
		time.Sleep(time.Second) //nolint:forbidigo // as above
		after := int64(spend(t, newStage(t, first), 700) + spend(t, newStage(t, second), 700))
		closeLedger(t, first)
		closeLedger(t, second)
		if before != 10 || after > 1000 {
			t.Errorf("%d passed before, %d after; want at most 1000", before, after)
		}
		wants(t, account(t, store, key("k1")), 1000-after, 0, before+after, 0)
	})
}

func TestChangesAreSeenWithinAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(usage.MemoryStore)
		l := newLedger(t, store)
		defer closeLedger(t, l)
		s := newStage(t, l)
		if got := spend(t, s, 5); got != 0 {
			t.Errorf("%d passed without an account", got)
		}
		give(t, store, key("k1"), 3)
		time.Sleep(time.Second) //nolint:forbidigo // by the bubble's clock
		if got := spend(t, s, 5); got != 3 {
			t.Errorf("%d passed on 3 credits", got)
		}
		give(t, store, key("k1"), 2)
		time.Sleep(time.Second) //nolint:forbidigo // as above
		if got := spend(t, s, 5); got != 2 {
			t.Errorf("%d passed on 2 more", got)
		}
	})
}

func TestAnEmptyAccountIsNotAskedForEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &probe{Store: new(usage.MemoryStore)}
		give(t, store, key("k1"), 4)
		l := newLedger(t, store)
		defer closeLedger(t, l)
		five, one := newStage(t, l, func(c *usage.Config) { c.Cost = 5 }), newStage(t, l)
		for range 1000 {
			if got := status(five, request(), http.StatusOK); got != http.StatusTooManyRequests {
				t.Fatalf("status %d", got)
			}
		}
		if n := store.reserves.Load(); n != 1 {
			t.Errorf("the store was asked %d times, want once", n)
		}
		if got := spend(t, one, 9); got != 4 {
			t.Errorf("%d cheaper ones passed, want 4", got)
		}
		if n := store.reserves.Load(); n > 8 {
			t.Errorf("the store was asked %d times", n)
		}
	})
}

func TestCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(usage.MemoryStore)
		l := newLedger(t, store, func(c *usage.LedgerConfig) { c.Capacity = 10 })
		defer closeLedger(t, l)
		s := newStage(t, l)
		as := func(id string) func(*exchange.Exchange) {
			return func(x *exchange.Exchange) { x.Principal.KeyID = id }
		}
		for n := range 12 {
			id := fmt.Sprint("k", n)
			give(t, store, key(id), 100)
			want := http.StatusOK
			if n >= 10 {
				want = http.StatusServiceUnavailable
			}
			if got := status(s, request(as(id)), http.StatusOK); got != want {
				t.Errorf("subject %d: status %d, want %d", n, got, want)
			}
		}
		time.Sleep(10 * time.Second) //nolint:forbidigo // by the bubble's clock
		synctest.Wait()
		if got := status(s, request(as("k11")), http.StatusOK); got != http.StatusOK || usage.Purses(l) != 1 {
			t.Errorf("later: status %d, %d subjects remembered", got, usage.Purses(l))
		}
	})
}

// TestOneBadAccountHoldsUpNobody has accounts in the store that cannot be read.
func TestOneBadAccountHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &probe{Store: new(usage.MemoryStore)}
		l := newLedger(t, store)
		s := newStage(t, l)
		const subjects = 100
		as := func(n int) (usage.Subject, func(*exchange.Exchange)) {
			id := fmt.Sprint("k", n)
			return key(id), func(x *exchange.Exchange) { x.Principal.KeyID = id }
		}
		for n := range subjects {
			who, by := as(n)
			give(t, store, who, 1000)
			if got := status(s, request(by), http.StatusOK); got != http.StatusOK {
				t.Fatalf("status %d", got)
			}
		}
		store.set(func(_ context.Context, asks []usage.Ask) error {
			for _, a := range asks {
				if a.Subject == key("k7") || a.Subject == key("k70") {
					return errAway
				}
			}
			return nil
		}, nil)
		time.Sleep(20 * time.Second) //nolint:forbidigo // by the bubble's clock
		synctest.Wait()
		held := 0
		for n := range subjects {
			who, _ := as(n)
			if a := account(t, store, who); a.Held > 0 {
				held++
			}
		}
		if held != 2 {
			t.Errorf("%d idle reservations are still held, want those of the two that cannot be read", held)
		}
		if err := l.Close(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("Close = %v, want what could not be given back", err)
		}
	})
}

func TestSubjectsThatCannotHaveAnAccount(t *testing.T) {
	store := &probe{Store: new(usage.MemoryStore)}
	l := newLedger(t, store)
	defer closeLedger(t, l)
	s := newStage(t, l, func(c *usage.Config) { c.By = usage.Owner })
	for _, owner := range []string{strings.Repeat("a", 129), "a\x00b", "a\xff"} {
		for _, dry := range []bool{false, true} {
			x := request(func(x *exchange.Exchange) { x.Principal.Owner, x.Dry = owner, dry })
			if got := status(s, x, http.StatusOK); got != http.StatusTooManyRequests {
				t.Errorf("owner %q, dry %v: status %d, want 429", owner, dry, got)
			}
		}
	}
	if n := store.reserves.Load(); n != 0 || usage.Purses(l) != 0 {
		t.Errorf("the store was asked %d times, %d subjects are remembered", n, usage.Purses(l))
	}
}

func TestLedgerConfigIsChecked(t *testing.T) {
	_, err := usage.NewLedger(usage.LedgerConfig{MinReserve: 5, MaxReserve: 4, Interval: 1, Term: 1, Timeout: 1, Capacity: -1})
	for _, word := range []string{"Store", "Log", "MinReserve", "Interval", "Term", "Timeout", "Capacity"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error = %v, want it to name %s", err, word)
		}
	}
}
