package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/redis/rueidis"
)

// routes lead a slot to the lane of its server.
type routes struct {
	all []*lane
	of  *[slots]uint16 // the index in all, and one more; 0 for a slot that nobody has. nil: one server has all
}

// lane returns that of a tag; nil for a slot that nobody has.
func (r *routes) lane(tag string) *lane {
	if r.of == nil {
		return r.all[0]
	}
	if i := r.of[slot(tag)]; i > 0 {
		return r.all[i-1]
	}
	return nil
}

// share is the slots of one server of a cluster.
type share struct {
	node   string // its id
	ranges [][2]int
}

const (
	askEvery  = 5 // beats between two looks at a cluster whose servers all answer
	maxShards = 1000
)

var errShares = errors.New("redis: the cluster does not tell who has which slots")

// follower keeps the lanes of a cluster as its slots are.
type follower struct {
	db      *DB
	client  rueidis.Client
	sha     string
	lanes   map[string]*lane // by node
	retired []*lane          // of nodes without slots: whoever found them in the old routes may use them a while
}

// follow makes the routes of the cluster as it is now. What it cannot learn stays as
// it was.
func (f *follower) follow(ctx context.Context) error {
	shares, err := sharesOf(ctx, f.client)
	if err != nil {
		return err
	}
	for _, l := range f.retired {
		l.stop()
	}
	f.retired = nil
	r := &routes{of: new([slots]uint16)}
	lanes := make(map[string]*lane, len(shares))
	for _, s := range shares {
		l := f.lanes[s.node]
		if l == nil {
			l = f.db.newLane(ctx, f.client, f.sha)
		}
		lanes[s.node] = l
		r.all = append(r.all, l)
		for _, of := range s.ranges {
			for n := of[0]; n <= of[1]; n++ {
				r.of[n] = uint16(len(r.all)) //nolint:gosec // maxShards at most
			}
		}
		l.aim(f.db.cfg.Prefix, s.ranges)
	}
	for node, l := range f.lanes {
		if lanes[node] == nil {
			f.retired = append(f.retired, l)
		}
	}
	f.lanes = lanes
	f.db.limits.routes.Store(r)
	return nil
}

// aim has the probe of l ask for a key in one of ranges.
func (l *lane) aim(prefix string, ranges [][2]int) {
	if at := l.probe.Load(); at != nil && within(ranges, at.slot) {
		return
	}
	for k := range 1 << 20 { // a server with one slot has one in 16,384 of them
		tag := fmt.Sprint("probe", k)
		if n := int(slot(tag)); within(ranges, n) {
			l.probe.Store(&probe{key: prefix + ":{" + tag + "}:probe", slot: n})
			return
		}
	}
}

func within(ranges [][2]int, n int) bool {
	return slices.ContainsFunc(ranges, func(r [2]int) bool { return r[0] <= n && n <= r[1] })
}

// down reports whether a server does not answer: then somebody else may have its
// slots soon.
func (f *follower) down() bool {
	for _, l := range f.lanes {
		if up, _, _ := l.breaker.status(); !up {
			return true
		}
	}
	return false
}

// sharesOf asks the servers of a cluster, one after another, who has which slots.
func sharesOf(ctx context.Context, client rueidis.Client) ([]share, error) {
	err := errShares
	for _, node := range client.Nodes() {
		limited, cancel := context.WithTimeout(ctx, patience)
		answer := node.Do(limited, node.B().ClusterSlots().Build())
		cancel()
		shares, wrong := readShares(answer)
		if wrong == nil && len(shares) > 0 {
			return shares, nil
		}
		err = errors.Join(err, wrong)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, hide(err)
}

// readShares reads what CLUSTER SLOTS answers: ranges, each with who has it first.
func readShares(answer rueidis.RedisResult) (shares []share, err error) {
	all, err := answer.ToArray()
	if err != nil {
		return nil, err
	}
	at := make(map[string]int)
	for _, one := range all {
		parts, err := one.ToArray()
		if err != nil || len(parts) < 3 {
			return nil, errors.Join(err, errShares)
		}
		from, err1 := parts[0].AsInt64()
		to, err2 := parts[1].AsInt64()
		owner, err3 := parts[2].ToArray()
		if err := errors.Join(err1, err2, err3); err != nil || len(owner) < 3 || from < 0 || to >= slots || from > to {
			return nil, errors.Join(err, errShares)
		}
		node, err := owner[2].ToString()
		if err != nil {
			return nil, err
		}
		i, known := at[node]
		if !known {
			if i = len(shares); i == maxShards {
				return nil, fmt.Errorf("%w: there are more than %d servers", errShares, maxShards)
			}
			at[node], shares = i, append(shares, share{node: node})
		}
		shares[i].ranges = append(shares[i].ranges, [2]int{int(from), int(to)})
	}
	return shares, nil
}

// newLane starts a lane, until ctx ends or it is stopped.
func (db *DB) newLane(ctx context.Context, client rueidis.Client, sha string) *lane {
	own, stop := context.WithCancel(ctx)
	l := &lane{
		client: client, sha: sha, calls: &db.limits.calls, queue: make(chan *call, maxQueued), budget: db.cfg.Budget,
		breaker: newBreaker(db.tell), stop: stop,
	}
	for range pumps {
		db.done.Go(func() { l.pump(own) })
	}
	db.done.Go(func() { l.breaker.mend(own, l.ask) })
	return l
}

// probe is a key that is asked for, and its slot.
type probe struct {
	key  string
	slot int
}

// probes is a probe that changes when slots move.
type probes = atomic.Pointer[probe]

// open makes the lanes: one of a single server, and of a cluster one for each server
// that has slots. Of a cluster it returns who keeps them so.
func (db *DB) open(ctx context.Context, client rueidis.Client, sha string) *follower {
	if client.Mode() != rueidis.ClientModeCluster {
		l := db.newLane(ctx, client, sha)
		l.aim(db.cfg.Prefix, [][2]int{{0, slots - 1}})
		db.limits.routes.Store(&routes{all: []*lane{l}})
		return nil
	}
	f := &follower{db: db, client: client, sha: sha}
	for wait := firstWait; f.follow(ctx) != nil; wait = min(2*wait, lastWait) {
		if !pause(ctx, wait) {
			break
		}
	}
	return f
}

// keep looks at the cluster now and then, and at each beat while a server of it does
// not answer.
func (f *follower) keep(ctx context.Context, beat int) {
	if f != nil && (beat%askEvery == 0 || f.down()) {
		_ = f.follow(ctx) // what was learnt last holds
	}
}
