package redis

import (
	"context"
	_ "embed" // the scripts of beats and of the last one
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/warder-dev/warder/ratelimit"
)

//go:embed beat.lua
var beatScript string

//go:embed goodbye.lua
var goodbyeScript string

const (
	beatEvery  = time.Second
	rememberUS = "5000000" // microseconds for which a node is remembered: five beats
)

// run connects, opens the lanes, and keeps the others informed, until ctx ends.
func (db *DB) run(ctx context.Context) {
	client := db.connect(ctx)
	if client == nil {
		return
	}
	defer client.Close()
	sha := db.load(ctx, client)
	if sha == "" {
		return
	}
	db.limits.anew = func(ctx context.Context, key string) error { return db.forget(ctx, client, key) }
	db.sessions.client.Store(&client)
	_ = db.beat(ctx, client, false)
	follower := db.open(ctx, client, sha)
	for n := 1; pause(ctx, db.cfg.beat); n++ {
		_ = db.beat(ctx, client, false) // what was last seen holds
		follower.keep(ctx, n)
	}
	db.goodbye(ctx, client)
}

// connect returns the first client that could be made; nil when ctx ends.
func (db *DB) connect(ctx context.Context) rueidis.Client {
	for wait, told := firstWait, false; ; wait = min(2*wait, lastWait) {
		client, err := rueidis.NewClient(db.cfg.option())
		if err == nil {
			if told {
				db.tell(true, nil)
			}
			return client
		}
		if client != nil {
			client.Close()
		}
		if !told {
			db.tell(false, err)
			told = true
		}
		if !pause(ctx, wait) {
			return nil
		}
	}
}

// load has every server know the script, and returns its digest; "" when ctx ends.
func (db *DB) load(ctx context.Context, client rueidis.Client) string {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		if sha, err := loadScript(ctx, client); err == nil {
			return sha
		}
		if !pause(ctx, wait) {
			return ""
		}
	}
}

func loadScript(ctx context.Context, client rueidis.Client) (sha string, err error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, node := range client.Nodes() {
		if s, e := node.Do(limited, node.B().ScriptLoad().Script(takeScript).Build()).ToString(); e == nil {
			sha = s
		} else {
			err = e
		}
	}
	if sha != "" {
		return sha, nil // a replica or a server that is away gets the script when it is asked
	}
	return "", hide(errors.Join(err, ErrAway))
}

// ask writes to the lane's server. It fails when that takes longer than a decision
// may.
func (l *lane) ask(ctx context.Context) error {
	probe := l.probe.Load()
	if probe == nil {
		return ErrAway
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begun := time.Now()
	if err := l.client.Do(limited, l.client.B().Set().Key(probe.key).Value("1").Px(patience).Build()).Error(); err != nil {
		return hide(err)
	}
	if time.Since(begun) <= l.budget {
		return nil
	}
	begun = time.Now() // the first one may have had to connect
	if err := l.client.Do(limited, l.client.B().Set().Key(probe.key).Value("1").Px(patience).Build()).Error(); err != nil {
		return hide(err)
	}
	if time.Since(begun) > l.budget {
		return ErrLate
	}
	return nil
}

// beat tells the others of this node, and learns of them.
func (db *DB) beat(ctx context.Context, client rueidis.Client, anew bool) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begin := ""
	if anew {
		begin = "1"
	}
	fleet := db.cfg.Prefix + ":{fleet}:"
	said, err := client.Do(limited, client.B().Eval().Script(beatScript).Numkeys(3).Key(fleet+"nodes", fleet+"epoch", fleet+"left").Arg(db.node, rememberUS, begin).Build()).ToArray()
	if err != nil || len(said) != 3 {
		return hide(errors.Join(err, ErrAway))
	}
	nodes, err := said[0].AsInt64()
	epoch, err2 := said[1].AsUint64()
	left, err3 := said[2].AsUint64()
	if err := errors.Join(err, err2, err3); err != nil {
		return hide(err)
	}
	db.limits.fleet.Store(&ratelimit.Fleet{Nodes: db.roll.call(int(max(1, min(nodes, maxNodes))), left, !anew), Epoch: epoch})
	return nil
}

// forget removes a counter, and begins a new epoch.
func (db *DB) forget(ctx context.Context, client rueidis.Client, key string) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := client.Do(limited, client.B().Del().Key(key).Build()).Error(); err != nil {
		return hide(err)
	}
	return db.beat(ctx, client, true)
}

// goodbye tells the others that this node is gone, if that can be done at once.
func (db *DB) goodbye(ctx context.Context, client rueidis.Client) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), db.cfg.Budget)
	defer cancel()
	fleet := db.cfg.Prefix + ":{fleet}:"
	_ = client.Do(limited, client.B().Eval().Script(goodbyeScript).Numkeys(2).Key(fleet+"nodes", fleet+"left").Arg(db.node).Build()).Error() // they see for themselves soon
}

// tell logs that the server is away, or back.
func (db *DB) tell(up bool, err error) {
	if up {
		db.cfg.Log.Info("redis answers again: limits are exact", slog.Any("addresses", db.cfg.Addresses))
		return
	}
	db.cfg.Log.Warn("redis does not answer: each limit does what its outage says", slog.Any("addresses", db.cfg.Addresses), slog.Any("error", hide(err)))
}

// Status is how a server is doing.
type Status struct {
	Up    bool
	Nodes int       // last seen, this one included; one that is gone without a goodbye counts ten seconds more
	Since time.Time // when that changed; zero before the first connection
	Err   error     // why it is not up
}

// Status returns how the server is doing; of a cluster, how the one is doing that is
// doing worst.
func (db *DB) Status() Status {
	s := Status{Nodes: db.limits.Fleet().Nodes, Err: ErrAway}
	routes := db.limits.routes.Load()
	if routes == nil {
		return s
	}
	s.Up, s.Err = true, nil
	for _, l := range routes.all {
		up, since, err := l.breaker.status()
		if s.Up && (!up || since.After(s.Since)) {
			s.Up, s.Since, s.Err = up, since, err
		}
	}
	return s
}

// down reports whether err is of the server as a whole, not of one key.
func down(err error) bool {
	if err == nil {
		return false
	}
	e, ok := rueidis.IsRedisErr(err)
	if !ok {
		return true
	}
	if e.IsNil() {
		return false
	}
	code, _, _ := strings.Cut(e.Error(), " ")
	switch code {
	case "LOADING", "READONLY", "OOM", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "BUSY", "NOAUTH", "WRONGPASS", "NOPERM", "MOVED", "ASK", "TRYAGAIN":
		return true
	default:
		return strings.Contains(e.Error(), "OOM ") || strings.Contains(e.Error(), "READONLY ")
	}
}

// hide returns err as one of this package.
func hide(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redis: %w", err)
}
