package redis

import (
	"context"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/warder-dev/warder/ratelimit"
)

// TakeAt is [Limits.Take] with the script as it is, but for its clock, which shows
// now, in microseconds.
func TakeAt(ctx context.Context, client rueidis.Client, l *Limits, now int64, claims []ratelimit.Claim, dry bool) error {
	script := strings.Replace(takeScript, "redis.call('TIME')", "{ARGV[3], ARGV[4]}", 1)
	keys, args, err := l.call(claims, dry)
	if err != nil {
		return err
	}
	args = append(args, strconv.FormatInt(now/1e6, 10), strconv.FormatInt(now%1e6, 10))
	answer, err := rueidis.NewLuaScript(script).Exec(ctx, client, keys, args).ToString()
	if err != nil {
		return err
	}
	return unpack(answer, claims)
}

// TakeTold is [Limits.Take] and the server's time, in microseconds, by which it judged.
func TakeTold(ctx context.Context, l *Limits, claims []ratelimit.Claim) (now int64, err error) {
	keys, args, err := l.call(claims, false)
	if err != nil {
		return 0, err
	}
	answer, err := l.lane(l.tag(claims[0].Near)).do(ctx, keys, args)
	if err != nil {
		return 0, err
	}
	return int64(math.Float64frombits(binary.LittleEndian.Uint64([]byte(answer[:8])))), unpack(answer, claims)
}

// Unpack reads an answer.
func Unpack(answer string, claims []ratelimit.Claim) error { return unpack(answer, claims) }

// Key is the name of a claim's counter.
func Key(l *Limits, c ratelimit.Claim) string { return l.name(l.tag(c.Near), c.Limit, c.Subject) }

// Slot is the slot of a hash tag.
func Slot(tag string) int { return int(slot(tag)) }

// Beat has a node look at the others, and at a cluster's slots, more often than each
// second.
func (c *Config) Beat(every time.Duration) { c.beat = every }

// NewRoll returns the call of a new roll.
func NewRoll() func(nodes int, left uint64, beat bool) int { return new(roll).call }

// A Breaker is a breaker whose probe the test answers.
type Breaker struct{ b *breaker }

// NewBreaker returns one, and starts what mends it until ctx ends.
func NewBreaker(ctx context.Context, tell func(bool, error), probe func(context.Context) error) *Breaker {
	b := newBreaker(tell)
	go b.mend(ctx, probe)
	return &Breaker{b}
}

// Enter, Leave and Report are those of the breaker.
func (b *Breaker) Enter() bool             { return b.b.enter() }
func (b *Breaker) Leave()                  { b.b.leave() }
func (b *Breaker) Report(err error, n int) { b.b.report(err, n) }

// SameLane reports whether counters with these tags go by one lane.
func SameLane(l *Limits, a, b string) bool { return l.lane(a) != nil && l.lane(a) == l.lane(b) }

// Lanes is how many lanes there are.
func Lanes(l *Limits) int {
	if r := l.routes.Load(); r != nil {
		return len(r.all)
	}
	return 0
}
