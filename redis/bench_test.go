package redis_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/ratelimit"
)

// BenchmarkExact is a decision by one limit, and by two in one call, asked by 64 at once.
func BenchmarkExact(b *testing.B) {
	s := startServer(b)
	store := openDB(b, nil, s.Address).Limits()
	q := ratelimit.Quota{Count: 1_000_000_000, Per: time.Second}
	for name, limits := range map[string][]string{"one": {"a"}, "two": {"a", "b"}} {
		for _, callers := range []int{1, 64} {
			b.Run(name+" callers="+map[int]string{1: "1", 64: "64"}[callers], func(b *testing.B) {
				var next atomic.Int64
				var wg sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for range callers {
					wg.Go(func() {
						for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
							claims := make([]ratelimit.Claim, len(limits))
							for i, l := range limits {
								claims[i] = claim(l, int(n%10_000), q, 1)
							}
							if err := store.Take(b.Context(), claims, false); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
