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
		{"the capacity", func(c *ratelimit.LimitConfig) { c.Capacity = 50 }, "4 8 6 4 "},
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
			if same := after.Name() == "a" && tt.name != "by whom" && tt.name != "the capacity" && tt.name != "the store"; same && !goesOn {
				t.Errorf("%d passed in all, %d before", after.Counts().Passed, passed)
			}
		})
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
