package redis_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/redis"
)

// A breaker that opened asks less and less often, not at the same times as others,
// and lets few through at first.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		away := errors.New("away")
		var well atomic.Bool
		var mu sync.Mutex
		var probes [2][]time.Duration
		var told []bool
		begin := time.Now()
		var both [2]*redis.Breaker
		for i := range both {
			both[i] = redis.NewBreaker(ctx, func(up bool, _ error) {
				if i == 0 {
					told = append(told, up)
				}
			}, func(context.Context) error {
				mu.Lock()
				probes[i] = append(probes[i], time.Since(begin))
				mu.Unlock()
				if well.Load() {
					return nil
				}
				return away
			})
		}
		b := both[0]
		inside := func() (n int) {
			for b.Enter() {
				if n++; n > 10_000 {
					break
				}
			}
			for range n {
				b.Leave()
			}
			return n
		}
		for range 2 {
			b.Report(away, 1)
		}
		b.Report(nil, 1)
		for range 2 {
			b.Report(away, 1)
		}
		if inside() < 10_000 {
			t.Fatal("it opened before three in a row failed")
		}
		for _, each := range both {
			for range 3 {
				each.Report(away, 1)
			}
		}
		if got := inside(); got != 0 {
			t.Errorf("%d were let through while it is open", got)
		}
		b.Report(nil, 64) // an answer that came late
		if got := inside(); got != 0 {
			t.Errorf("a late answer let %d through", got)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		mu.Lock()
		for i := range probes {
			if n := len(probes[i]); n < 20 || n > 70 {
				t.Errorf("%d probes in a minute, want one in 1 to 3 seconds", n)
			}
			if first := probes[i][0]; first > 75*time.Millisecond {
				t.Errorf("the first probe came after %v", first)
			}
		}
		if probes[0][5] == probes[1][5] {
			t.Error("two nodes ask at the same time")
		}
		mu.Unlock()
		well.Store(true)
		<-time.After(4 * time.Second)
		synctest.Wait()
		want := 8
		for range 4 {
			if got := inside(); got != want {
				t.Fatalf("%d were let through, want %d", got, want)
			}
			b.Report(nil, want) // all were answered
			want *= 2
		}
		b.Report(away, 1)
		if got := inside(); got != 0 {
			t.Errorf("after a failure %d were let through", got)
		}
		<-time.After(4 * time.Second)
		synctest.Wait()
		for range 100 {
			b.Report(nil, 64)
		}
		if inside() < 10_000 {
			t.Error("it does not shut")
		}
		if len(told) != 2 || told[0] || !told[1] {
			t.Errorf("was told %v, want of one outage and its end", told)
		}
	})
}
