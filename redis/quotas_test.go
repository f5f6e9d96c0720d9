package redis_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/redis"
)

// A quota of the key's own, and that of its plan, take the place of the limit's in
// a server too: for two nodes together, asked for each request or leased.
func TestQuotasOfKeysAndPlans(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	s := startServer(t)
	gold := ratelimit.Plan{Name: "gold", Quota: ratelimit.Quota{Count: 90, Per: day}, For: func(x *exchange.Exchange) bool { return x.Principal.Plan == "gold" }}
	own := func(count, burst int) []exchange.Quota {
		return []exchange.Quota{{Name: "a", Count: count, Per: day, Burst: burst}}
	}
	for _, tt := range []struct {
		name   string
		plan   string
		quotas []exchange.Quota
		want   int
	}{
		{"the limit's", "", nil, 40},
		{"the plan's", "gold", nil, 90},
		{"the key's own, which is more", "", own(60, 0), 60},
		{"the key's own, which is less", "", own(7, 0), 7},
		{"the key's own, before the plan's", "gold", own(50, 0), 50},
		{"the key's own, with a burst", "gold", own(1, 30), 30},
		{"of another limit", "", []exchange.Quota{{Name: "b", Count: 1, Per: day}}, 40},
	} {
		for _, lease := range []int{0, 5} {
			name := fmt.Sprintf("%s, lease %d", tt.name, lease)
			var stages [2]*ratelimit.Stage
			for i := range stages {
				db := openDB(t, func(c *redis.Config) { c.Prefix = fmt.Sprintf("quotas-%d", lease) }, s.Address)
				l, err := ratelimit.NewLimit(ratelimit.LimitConfig{
					Name: "a", Quota: ratelimit.Quota{Count: 40, Per: day}, By: []ratelimit.Part{ratelimit.ByKey()}, Plans: []ratelimit.Plan{gold},
					Store: db.Limits(), Lease: lease, Outage: ratelimit.Closed,
				})
				if err != nil {
					t.Fatal(err)
				}
				if stages[i], err = ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l}}); err != nil {
					t.Fatal(err)
				}
			}
			var o outcomes
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					x := from(tt.name)
					x.Principal.Plan, x.Principal.Quotas = tt.plan, tt.quotas
					for range 30 {
						o.check(stages[i%2], x)
					}
				})
			}
			all.Wait()
			passed := int(o.passed.Load())
			if o.failed.Load() != 0 || lease == 0 && passed != tt.want || passed > tt.want || passed < tt.want-2*lease {
				t.Errorf("%s: %d passed and %d failed, want %d; leases may keep %d", name, passed, o.failed.Load(), tt.want, 2*lease)
			}
		}
	}
}
