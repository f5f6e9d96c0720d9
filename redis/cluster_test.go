package redis_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/ratelimit/ratelimittest"
	"github.com/warder-dev/warder/redis"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/sessiontest"
)

// beat is for nodes that are to learn soon of slots that move.
const beat = 50 * time.Millisecond

// ranges are the slots of the three servers of a cluster.
func ranges() [3][2]int { return [3][2]int{{0, 5460}, {5461, 10922}, {10923, 16383}} }

// slotsOf are those of a range, one by one: Redis before 7 takes no ranges.
func slotsOf(r [2]int) (all []string) {
	for n := r[0]; n <= r[1]; n++ {
		all = append(all, strconv.Itoa(n))
	}
	return all
}

// startCluster starts three servers that divide the slots, without replicas.
func startCluster(tb testing.TB) (servers []*server) {
	tb.Helper()
	return joined(tb, func(args ...string) *server { return startServer(tb, args...) })
}

// joined is a cluster of servers that start starts.
func joined(tb testing.TB, start func(args ...string) *server) (servers []*server) {
	tb.Helper()
	for range 3 {
		servers = append(servers, start("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"))
	}
	for i, r := range ranges() {
		must(tb, servers[i], append([]string{"CLUSTER", "ADDSLOTS"}, slotsOf(r)...)...)
		if err := servers[i].do(tb, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)).Error(); err != nil {
			tb.Fatal(err)
		}
	}
	for _, s := range servers[1:] {
		must(tb, servers[0], "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(s.Port), strconv.Itoa(s.BusPort))
	}
	for _, s := range servers {
		waitFor(tb, "the cluster to form", func() bool {
			info, err := s.do(tb, "CLUSTER", "INFO").ToString()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") && strings.Contains(info, "cluster_slots_assigned:16384")
		})
	}
	return servers
}

// owned are two limits of one request that lie together: of a key, and of its owner.
func owned(tb testing.TB, store ratelimit.Store, outage ratelimit.Outage) *ratelimit.Stage {
	tb.Helper()
	var limits []*ratelimit.Limit
	for _, c := range []ratelimit.LimitConfig{
		{Name: "key", Quota: ratelimit.Quota{Count: 60, Per: 24 * time.Hour}, By: []ratelimit.Part{ratelimit.ByOwner(), ratelimit.ByKey()}},
		{Name: "owner", Quota: ratelimit.Quota{Count: 100, Per: 24 * time.Hour}, By: []ratelimit.Part{ratelimit.ByOwner()}},
	} {
		c.Store, c.Outage, c.Spread = store, outage, []ratelimit.Part{ratelimit.ByOwner()}
		l, err := ratelimit.NewLimit(c)
		if err != nil {
			tb.Fatal(err)
		}
		limits = append(limits, l)
	}
	s, err := ratelimit.New(ratelimit.Config{Limits: limits})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func of(owner, key string) *exchange.Exchange {
	x := from(key)
	x.Principal.Owner = owner
	return x
}

func TestCluster(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	addresses := []string{servers[2].Address, servers[0].Address} // the third is found
	t.Run("the contract", func(t *testing.T) {
		n := 0
		ratelimittest.TestStore(t, func(t *testing.T) ratelimit.Store {
			t.Helper()
			n++
			return openDB(t, func(c *redis.Config) { c.Prefix = fmt.Sprint("test", n) }, addresses...).Limits()
		})
	})
	t.Run("the contract of sessions", func(t *testing.T) {
		n := 0
		sessiontest.TestStore(t, func(t *testing.T) session.Store {
			t.Helper()
			n++
			return openDB(t, func(c *redis.Config) { c.Prefix = fmt.Sprint("sessions", n) }, addresses...).Sessions()
		})
	})
	t.Run("one request's keys are in one slot", func(t *testing.T) {
		for _, tag := range []string{"limits", "", "a", "0123456789abcdef", "{"} {
			got, err := servers[0].do(t, "CLUSTER", "KEYSLOT", tag).AsInt64()
			if err != nil || tag != "" && int(got) != redis.Slot(tag) {
				t.Errorf("slot of %q: %d, want %d, %v", tag, redis.Slot(tag), got, err)
			}
		}
		one, two := openDB(t, nil, addresses...), openDB(t, nil, addresses...)
		stages := []*ratelimit.Stage{owned(t, one.Limits(), ratelimit.Closed), owned(t, two.Limits(), ratelimit.Closed)}
		var passed [12]atomic.Int64
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for n := range 12 * 100 {
					switch v := stages[g%2].Check(of(fmt.Sprint("o", n%12), fmt.Sprint("k", (n/12+g)%2))); v.Kind() {
					case exchange.Passed:
						passed[n%12].Add(1)
					case exchange.Failed:
						t.Error(v.Err())
					default:
					}
				}
			})
		}
		wg.Wait()
		for i := range passed {
			if got := passed[i].Load(); got != 100 {
				t.Errorf("owner %d: %d passed, want 100: 60 of each key, together 100", i, got)
			}
		}
		for i, s := range servers {
			if n, err := s.do(t, "DBSIZE").AsInt64(); err != nil || n < 3 {
				t.Errorf("server %d has %d counters, want some of 36", i, n)
			}
		}
	})
	t.Run("a slot that moved", func(t *testing.T) {
		attack.Case(t, "LIMIT-08", attack.Library, func(t *testing.T) { movedSlot(t, servers, addresses) })
	})
	t.Run("a server that is paused", func(t *testing.T) {
		attack.Case(t, "LIMIT-08", attack.Library, func(t *testing.T) {
			lostServer(t, servers, addresses, "paused", func() { servers[1].Signal(t, syscall.SIGSTOP) }, func() { servers[1].Signal(t, syscall.SIGCONT) })
		})
	})
	t.Run("a server that is killed", func(t *testing.T) {
		attack.Case(t, "LIMIT-08", attack.Library, func(t *testing.T) {
			lostServer(t, servers, addresses, "killed", servers[1].Kill, func() {
				if !servers[1].Restart(t) { // it knows its slots still
					t.Fatal("the server does not start again")
				}
			})
		})
	})
	t.Run("a server that has nothing any more", func(t *testing.T) { emptiedServer(t, servers, addresses) })
}

// tagOn is a tag whose slot is in the ith range.
func tagOn(i int) string {
	r := ranges()[i]
	for n := 0; ; n++ {
		if tag := fmt.Sprint("t", n); redis.Slot(tag) >= r[0] && redis.Slot(tag) <= r[1] {
			return tag
		}
	}
}

// All slots of a server are given to another one: its lane goes, and what it
// counted is counted there.
func emptiedServer(t *testing.T, servers []*server, addresses []string) {
	t.Helper()
	db := openDB(t, func(c *redis.Config) { c.Prefix, c.Budget = "emptied", 2*time.Second; c.Beat(beat) }, addresses...)
	limits := db.Limits()
	if n := redis.Lanes(limits); n != len(servers) {
		t.Errorf("there are %d lanes to %d servers", n, len(servers))
	}
	if redis.SameLane(limits, tagOn(0), tagOn(2)) || redis.SameLane(limits, tagOn(0), tagOn(1)) || redis.SameLane(limits, tagOn(1), tagOn(2)) {
		t.Error("two servers have one lane")
	}
	moved := slotsOf(ranges()[2])
	must(t, servers[2], "FLUSHALL")
	must(t, servers[2], append([]string{"CLUSTER", "DELSLOTS"}, moved...)...)
	for _, s := range servers[:2] {
		must(t, s, append([]string{"CLUSTER", "DELSLOTS"}, moved...)...)
	}
	waitFor(t, "the slots to be free", func() bool { // what the third told of them before may arrive now, and gives them back to it
		err := servers[0].do(t, append([]string{"CLUSTER", "ADDSLOTS"}, moved...)...).Error()
		if err != nil {
			_ = servers[0].do(t, append([]string{"CLUSTER", "DELSLOTS"}, moved...)...) // looked at by the next try
		}
		return err == nil
	})
	if err := servers[0].do(t, "CLUSTER", "BUMPEPOCH").Error(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the lane to go", func() bool { return redis.Lanes(limits) == 2 && redis.SameLane(limits, tagOn(0), tagOn(2)) })
	waitFor(t, "all to pass", func() bool {
		claims := []ratelimit.Claim{claim("a", 1, ratelimit.Quota{Count: 1_000_000, Per: time.Second}, 1)}
		for i := range 60 {
			claims[0].Near = ratelimit.Digest{byte(i)}
			if err := limits.Take(t.Context(), claims, false); err != nil || !claims[0].OK {
				return false
			}
		}
		return true
	})
}

// A slot is given to another server while nobody told this node.
func movedSlot(t *testing.T, servers []*server, addresses []string) {
	t.Helper()
	db := openDB(t, func(c *redis.Config) { c.Prefix = "moved"; c.Beat(beat) }, addresses...)
	c := claim("a", 1, ratelimit.Quota{Count: 1, Per: 24 * time.Hour}, 1)
	key := redis.Key(db.Limits(), c)
	slot, err := servers[0].do(t, "CLUSTER", "KEYSLOT", key).AsInt64()
	if err != nil {
		t.Fatal(err)
	}
	from := 0
	for i, r := range ranges() {
		if int(slot) >= r[0] && int(slot) <= r[1] {
			from = i
		}
	}
	to := servers[(from+1)%3]
	for _, k := range []string{"x{limits}"} { // what is left there goes
		if got, err := servers[0].do(t, "CLUSTER", "KEYSLOT", k).AsInt64(); err != nil || got != slot {
			t.Fatalf("slot of %s: %d, %v", k, got, err)
		}
	}
	all, err := servers[from].do(t, "CLUSTER", "GETKEYSINSLOT", strconv.FormatInt(slot, 10), "1000").AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		must(t, servers[from], "DEL", k)
	}
	id, err := to.do(t, "CLUSTER", "MYID").ToString()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*server{to, servers[from], servers[(from+2)%3]} {
		must(t, s, "CLUSTER", "SETSLOT", strconv.FormatInt(slot, 10), "NODE", id)
	}
	for n, want := range []bool{true, false, false} {
		claims := []ratelimit.Claim{c}
		if err := db.Limits().Take(t.Context(), claims, false); err != nil || claims[0].OK != want {
			t.Errorf("request %d: %v %v, want %v", n, claims[0].OK, err, want)
		}
	}
	waitFor(t, "its counters to go by the other lane", func() bool { return redis.SameLane(db.Limits(), "limits", tagOn((from+1)%3)) })
}

// The second server of three is lost: its subjects go by the rule, all of them, and
// the others do not notice.
func lostServer(t *testing.T, servers []*server, addresses []string, how string, down, up func()) {
	t.Helper()
	const subjects, rounds = 60, 12
	db := openDB(t, func(c *redis.Config) { c.Prefix, c.Budget = how, 2*time.Second }, addresses...) // a busy machine is no server that is away
	limit := func(outage ratelimit.Outage) *ratelimit.Stage {
		l, err := ratelimit.NewLimit(ratelimit.LimitConfig{
			Name: "a", Quota: ratelimit.Quota{Count: 10_000, Per: 24 * time.Hour}, By: []ratelimit.Part{ratelimit.ByKey()}, Spread: []ratelimit.Part{ratelimit.ByKey()},
			Store: db.Limits(), Outage: outage,
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	closed, share := limit(ratelimit.Closed), limit(ratelimit.Share)
	fails := func(s *ratelimit.Stage) (which []string, why map[string]int) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		why = make(map[string]int)
		for i := range subjects {
			wg.Go(func() {
				subject := fmt.Sprint("k", i)
				if v := s.Check(from(subject)); v.Kind() == exchange.Failed {
					mu.Lock()
					defer mu.Unlock()
					which = append(which, subject)
					why[v.Err().Error()]++
				}
			})
		}
		wg.Wait()
		slices.Sort(which)
		return which, why
	}
	waitFor(t, "all to pass", func() bool { which, _ := fails(closed); return len(which) == 0 })
	counters, err := servers[1].do(t, "KEYS", how+":{*}:a:*").AsStrSlice()
	if err != nil || len(counters) == 0 || len(counters) == subjects {
		t.Fatalf("%d of %d subjects are on the server, %v", len(counters), subjects, err)
	}

	down()
	waitFor(t, "the breaker to open", func() bool { fails(closed); return !db.Status().Up })
	first, why := fails(closed)
	if len(first) != len(counters) {
		t.Errorf("%d of %d subjects fail, want the %d of the server: %v", len(first), subjects, len(counters), why)
	}
	tick := time.NewTicker(150 * time.Millisecond) // while the driver finds out as well, and connects anew
	defer tick.Stop()
	for range rounds {
		<-tick.C
		if which, why := fails(closed); !slices.Equal(which, first) {
			t.Errorf("then %d of %d subjects fail, want those %d: %v", len(which), subjects, len(first), why)
		}
		if which, why := fails(share); len(which) != 0 {
			t.Errorf("%d of %d subjects fail that share: %v", len(which), subjects, why)
		}
	}
	up()
	waitFor(t, "all to pass again", func() bool { which, _ := fails(closed); return len(which) == 0 && db.Status().Up })
}
