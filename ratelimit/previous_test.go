package ratelimit_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

// A limit that takes another's place counts on where the quota is the same, and
// begins anew where it is not.
func TestPrevious(t *testing.T) {
	spend := []*exchange.Exchange{
		request(key("a")), request(key("a"), owner("gold")), request(key("b"), brings(own("a", 6))), request(key("by hand")),
	}
	left := func(l *ratelimit.Limit) string {
		s, all := newStage(t, l), ""
		for _, x := range spend {
			all += fmt.Sprint(until(t, s, x), " ")
		}
		return all
	}
	begin := func(t *testing.T, change func(*ratelimit.LimitConfig)) *ratelimit.Limit {
		t.Helper()
		cfg := ratelimit.LimitConfig{Name: "a", Quota: yearly(4), By: []ratelimit.Part{ratelimit.ByKey()}, Plans: []ratelimit.Plan{gold(8)}}
		if change != nil {
			change(&cfg)
		}
		return newLimit(t, cfg)
	}
	tests := []struct {
		name   string
		change func(*ratelimit.LimitConfig)
		want   string // of each that is left; all have spent 1
	}{
		{"nothing", func(*ratelimit.LimitConfig) {}, "3 7 5 2 "},
		{"what does not count", func(c *ratelimit.LimitConfig) { c.Soft, c.CostHeader, c.SkipMissing = true, "X-Cost", true }, "3 7 5 2 "},
		{"the cost", func(c *ratelimit.LimitConfig) { c.Cost = 2 }, "1 3 2 1 "},
		{"another plan", func(c *ratelimit.LimitConfig) {
			c.Plans = append([]ratelimit.Plan{{Name: "none", Quota: yearly(1), For: func(*exchange.Exchange) bool { return false }}}, c.Plans...)
		}, "3 7 5 2 "},
		{"the plan's quota", func(c *ratelimit.LimitConfig) { c.Plans[0].Quota.Count = 9 }, "3 9 5 2 "},
		{"no plan", func(c *ratelimit.LimitConfig) { c.Plans = nil }, "3 0 5 2 "}, // the second has spent the first's
		{"the count", func(c *ratelimit.LimitConfig) { c.Quota.Count = 5 }, "5 7 5 2 "},
		{"the time", func(c *ratelimit.LimitConfig) { c.Quota.Per = 300 * 24 * time.Hour }, "4 7 5 2 "},
		{"the burst", func(c *ratelimit.LimitConfig) { c.Quota.Burst = 9 }, "9 7 5 2 "},
		{"by whom", func(c *ratelimit.LimitConfig) { c.By = append(c.By, ratelimit.ByOwner()) }, "4 8 6 4 "},
		{"less capacity", func(c *ratelimit.LimitConfig) { c.Capacity = 50 }, "3 7 5 2 "},
		{"more capacity", func(c *ratelimit.LimitConfig) { c.Capacity = 1_000_000 }, "3 7 5 2 "},
		{"the name", func(c *ratelimit.LimitConfig) { c.Name = "b" }, "4 8 4 4 "},
		{"the store", func(c *ratelimit.LimitConfig) { c.Store = newMemory(t, 100) }, "4 8 6 4 "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := begin(t, nil)
			subject, _ := before.Subject(spend[3])
			if err := before.Override(subject, yearly(3), time.Time{}); err != nil {
				t.Fatal(err)
			}
			s := newStage(t, before)
			for _, x := range spend {
				if !passes(t, s, x) {
					t.Fatal("refused")
				}
			}
			passed := before.Counts().Passed
			after := begin(t, func(c *ratelimit.LimitConfig) { tt.change(c); c.Previous = before })
			if got := left(after); got != tt.want {
				t.Errorf("%sare left, want %s", got, tt.want)
			}
			goesOn := after.Counts().Passed > passed+uint64(len(spend))
			if same := after.Name() == "a" && tt.name != "by whom" && tt.name != "the store"; same && !goesOn {
				t.Errorf("%d passed in all, %d before", after.Counts().Passed, passed)
			}
		})
	}
}

// Where a limit that takes another's place has room for other numbers, nobody who is
// over it is forgotten: those go who have spent least, as others come.
func TestPreviousWithAnotherCapacity(t *testing.T) {
	for _, was := range []int{4000, 5000} { // one shard, and many
		t.Run(fmt.Sprint(was), func(t *testing.T) {
			limit := func(capacity int, before *ratelimit.Limit) (*ratelimit.Limit, *ratelimit.Stage) {
				l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: yearly(2), By: []ratelimit.Part{ratelimit.ByKey()}, Capacity: capacity, Previous: before})
				return l, newStage(t, l)
			}
			come := func(s *ratelimit.Stage, kind string, n, times int) (passed int) {
				for i := range n {
					for range times {
						if passes(t, s, request(key(fmt.Sprint(kind, i)))) {
							passed++
						}
					}
				}
				return passed
			}
			old, s := limit(was, nil)
			const over, fewer = 300, 500
			if n := come(s, "over", over, 3) + come(s, "once", was-over, 1); n != was+over || ratelimit.Remembered(old) != was {
				t.Fatalf("%d passed and %d are remembered", n, ratelimit.Remembered(old))
			}
			less, s := limit(fewer, old)
			if n := come(s, "new", was, 1); n != was {
				t.Errorf("%d of %d who are new passed, while there is who may go", n, was)
			}
			if n := ratelimit.Remembered(less); n != fewer || !ratelimit.Sound(less) {
				t.Errorf("%d are remembered, want %d", n, fewer)
			}
			if n := come(s, "over", over, 2); n != 0 {
				t.Errorf("%d passed who were over the limit", n)
			}
			more, s := limit(was, less)
			if n := come(s, "newer", was-over, 2); n != 2*(was-over) || ratelimit.Remembered(more) != was {
				t.Errorf("%d passed and %d are remembered, want %d of %d", n, ratelimit.Remembered(more), 2*(was-over), was)
			}
			none, s := limit(fewer, more) // and all of them are over it
			if n := come(s, "none", 50, 1) + come(s, "over", over, 1) + come(s, "newer", was-over, 1); n != 0 || !ratelimit.SoundBelow(none, int64(was)) {
				t.Errorf("%d passed while all are over the limit", n)
			}
			subject, _ := none.Subject(request(key("newer0")))
			none.Reset(subject)
			if ratelimit.Remembered(none) != was-1 || come(s, "newer", 2, 3) != 0 {
				t.Error("there is room before as many are gone as are too many")
			}
		})
	}
}

// A shard of which nobody may go takes the place of somebody in another, and those go
// with them who are too many.
func TestFewerThanAreOverTheLimit(t *testing.T) {
	l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: yearly(2), By: []ratelimit.Part{ratelimit.ByKey()}, Capacity: 5000})
	s := newStage(t, l)
	shard := func(n int) bool { return ratelimit.ShardOf(l, request(key(fmt.Sprint(n)))) == 0 }
	over, once := 0, 0
	for n := 0; over < 20 || once < 400; n++ {
		switch {
		case shard(n) && over < 20:
			over++
			for passes(t, s, request(key(fmt.Sprint(n)))) {
				continue
			}
		case !shard(n) && once < 400:
			once++
			passes(t, s, request(key(fmt.Sprint(n))))
		}
	}
	fewer := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: yearly(2), By: []ratelimit.Part{ratelimit.ByKey()}, Capacity: 50, Previous: l})
	s = newStage(t, fewer)
	for n := 1 << 20; ; n++ {
		if !shard(n) {
			continue
		}
		if !passes(t, s, request(key(fmt.Sprint(n)))) {
			t.Error("refused, while there is who may go")
		}
		break
	}
	if n := ratelimit.Remembered(fewer); n != 50 || !ratelimit.Sound(fewer) {
		t.Errorf("%d are remembered, want 50", n)
	}
}

// Both limits may be used at once, by many: together they admit what one would.
func TestPreviousAtOnce(t *testing.T) {
	cfg := ratelimit.LimitConfig{Name: "a", Quota: yearly(100), By: []ratelimit.Part{ratelimit.ByKey()}}
	limits := []*ratelimit.Limit{newLimit(t, cfg)}
	for range 3 {
		cfg.Previous, cfg.Soft = limits[len(limits)-1], !cfg.Soft
		limits = append(limits, newLimit(t, cfg))
	}
	other := byKey(t, "b", yearly(1000))
	var stages []*ratelimit.Stage
	for i, l := range limits {
		all := []*ratelimit.Limit{l, other} // in any order: they are locked in one
		if i%2 == 0 {
			all[0], all[1] = all[1], all[0]
		}
		stages = append(stages, newStage(t, all...))
	}
	var passed [2]int
	var mu sync.Mutex
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			for range 100 {
				for i, x := range []*exchange.Exchange{request(key("k")), request(key("k"), brings(own("a", 60)))} {
					if passes(t, stages[n%len(stages)], x) {
						mu.Lock()
						passed[i]++
						mu.Unlock()
					}
				}
			}
		})
	}
	all.Wait()
	if passed != [2]int{100, 60} {
		t.Errorf("%v passed, want 100, and 60 of a quota that was brought along", passed)
	}
}
