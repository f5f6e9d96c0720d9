package ratelimit_test

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/ratelimit"
)

// oracle is the same algorithm in exact numbers of any size.
type oracle struct {
	interval, span, tat *big.Rat
}

func newOracle(q ratelimit.Quota) *oracle {
	if q.Burst == 0 {
		q.Burst = q.Count
	}
	interval := big.NewRat(int64(q.Per), int64(q.Count))
	return &oracle{interval, new(big.Rat).Mul(interval, big.NewRat(int64(q.Burst), 1)), new(big.Rat)}
}

func number(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

// start is the later one of the arrival time and now.
func (o *oracle) start(now int64) *big.Rat {
	if n := number(now); o.tat.Cmp(n) < 0 {
		return n
	}
	return o.tat
}

func (o *oracle) take(now int64, n uint64) bool {
	next := new(big.Rat).Mul(o.interval, new(big.Rat).SetUint64(n))
	next.Add(next, o.start(now))
	if next.Cmp(new(big.Rat).Add(number(now), o.span)) > 0 {
		return false
	}
	o.tat = next
	return true
}

func floor(r *big.Rat) *big.Int { return new(big.Int).Div(r.Num(), r.Denom()) }
func ceil(r *big.Rat) *big.Int {
	negative := floor(new(big.Rat).Neg(r))
	return negative.Neg(negative)
}

func (o *oracle) left(now int64) uint64 {
	d := new(big.Rat).Add(number(now), o.span)
	d.Sub(d, o.start(now))
	return floor(d.Quo(d, o.interval)).Uint64()
}

func atLeastZero(n *big.Int) int64 {
	if n.Sign() < 0 {
		return 0
	}
	return n.Int64()
}

func (o *oracle) wait(now int64, n uint64) int64 {
	d := new(big.Rat).Mul(o.interval, new(big.Rat).SetUint64(n))
	d.Add(d, o.tat).Sub(d, o.span).Sub(d, number(now))
	return atLeastZero(ceil(d))
}

func (o *oracle) whole(now int64) int64 {
	return atLeastZero(ceil(new(big.Rat).Sub(o.tat, number(now))))
}

func compare(t *testing.T, q ratelimit.Quota, steps int, next func() (advance int64, n uint64)) {
	t.Helper()
	c, err := ratelimit.NewCounter(q)
	if err != nil {
		t.Fatal(err)
	}
	o, now := newOracle(q), int64(0)
	for range steps {
		advance, n := next()
		if now += advance; now > 1<<61 {
			return // 73 years after the start of a process
		}
		if got, want := c.Left(now), o.left(now); got != want {
			t.Fatalf("%+v at %d: left %d, want %d", q, now, got, want)
		}
		if got, want := c.Wait(now, n), o.wait(now, n); got != want {
			t.Fatalf("%+v at %d: wait for %d %d, want %d", q, now, n, got, want)
		}
		if got, want := c.Whole(now), o.whole(now); got != want {
			t.Fatalf("%+v at %d: whole in %d, want %d", q, now, got, want)
		}
		if got, want := c.Take(now, n), o.take(now, n); got != want {
			t.Fatalf("%+v at %d: take %d = %v, want %v", q, now, n, got, want)
		}
		if c.At().Cmp(o.tat) != 0 {
			t.Fatalf("%+v at %d: arrival time %v, want %v", q, now, c.At(), o.tat)
		}
	}
}

// Against exact numbers, nothing differs, and nothing drifts.
func TestAgainstTheOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	quotas := []ratelimit.Quota{
		{Count: 1, Per: time.Second},
		{Count: 3, Per: time.Second},
		{Count: 7, Per: time.Minute, Burst: 2},
		{Count: 1000, Per: time.Hour, Burst: 5000},
		{Count: 1_000_000_000, Per: time.Millisecond, Burst: 1_000_000_000},
		{Count: 999_999_937, Per: 366 * 24 * time.Hour, Burst: 1},
		{Count: 1, Per: 366 * 24 * time.Hour, Burst: 10},
		{Count: 1_000_000_000, Per: 366 * 24 * time.Hour, Burst: 1_000_000_000},
	}
	for range 40 {
		quotas = append(quotas, ratelimit.Quota{Count: 1 + r.IntN(1000), Per: time.Duration(1+r.Int64N(int64(time.Hour)/1e6)) * time.Millisecond, Burst: 1 + r.IntN(50)})
	}
	for _, q := range quotas {
		burst := uint64(q.Burst)
		if burst == 0 {
			burst = uint64(q.Count)
		}
		interval := int64(q.Per)/int64(q.Count) + 1
		compare(t, q, 400, func() (int64, uint64) {
			n := uint64(1)
			if r.IntN(4) == 0 {
				n = 1 + r.Uint64N(burst)
			}
			switch r.IntN(4) {
			case 0:
				return 0, n
			case 1:
				return r.Int64N(4), n
			default:
				return r.Int64N(3 * interval), n
			}
		})
	}
}

func FuzzQuota(f *testing.F) {
	f.Add(3, int64(time.Second), 5, uint64(1), uint64(7))
	f.Add(1_000_000_000, int64(366*24*time.Hour), 1_000_000_000, uint64(9), uint64(1))
	f.Add(7, int64(time.Millisecond), 0, uint64(1), uint64(1<<40))
	f.Fuzz(func(t *testing.T, count int, per int64, burst int, seed, most uint64) {
		q := ratelimit.Quota{Count: count, Per: time.Duration(per), Burst: burst}
		if _, err := ratelimit.NewCounter(q); err != nil {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		size := uint64(max(burst, 1))
		compare(t, q, 50, func() (int64, uint64) { return int64(r.Uint64N(most%(1<<50) + 1)), 1 + r.Uint64N(size) })
	})
}

func TestQuotasThatAreNone(t *testing.T) {
	tests := []struct {
		name string
		q    ratelimit.Quota
		want string
	}{
		{"the zero value", ratelimit.Quota{}, "Count is 0"},
		{"negative", ratelimit.Quota{Count: -1, Per: time.Second, Burst: -1}, "Burst is -1"},
		{"too many", ratelimit.Quota{Count: 1_000_000_001, Per: time.Second}, "Count is 1000000001"},
		{"too short", ratelimit.Quota{Count: 1, Per: time.Microsecond}, "Per is 1µs"},
		{"too long", ratelimit.Quota{Count: 1, Per: 367 * 24 * time.Hour}, "Per is"},
		{"a burst that never refills", ratelimit.Quota{Count: 1, Per: 366 * 24 * time.Hour, Burst: 11}, "10 years"},
		{"a burst beyond 64 bits", ratelimit.Quota{Count: 1, Per: 366 * 24 * time.Hour, Burst: 1_000_000_000}, "10 years"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ratelimit.NewCounter(tt.q); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one that says %s", err, tt.want)
			}
		})
	}
}
