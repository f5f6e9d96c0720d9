package redis_test

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/ratelimit/ratelimittest"
	"github.com/warder-dev/warder/redis"
	"github.com/warder-dev/warder/secret"
)

// Whatever a server answers is an answer of the script or an error, and never a gain.
func FuzzAnswer(f *testing.F) {
	word := func(numbers ...float64) string {
		var b []byte
		for _, n := range numbers {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n))
		}
		return string(b)
	}
	f.Add(word(1.8e15, 1, 333_333, 999), 3)
	f.Add(word(1.8e15, 0, 1<<52, 0), 3)
	f.Add(word(1.8e15, 1, -1, 0), 1)
	f.Add(word(1.8e15, math.NaN(), math.Inf(1), 0.5), 1)
	f.Add(word(1.8e15, 1, 0, 3000), 3)
	f.Add("", 1)
	f.Fuzz(func(t *testing.T, answer string, count int) {
		if count < 1 || count > 1e9 {
			return
		}
		c := []ratelimit.Claim{{Quota: ratelimit.Quota{Count: count, Per: time.Second, Burst: 1}}}
		if err := redis.Unpack(answer, c); err == nil && (c[0].Debt < 0 || c[0].Fraction < 0 || c[0].Fraction >= count || len(answer) != 32) {
			t.Errorf("%q: %+v", answer, c[0])
		}
	})
}

func TestStore(t *testing.T) { keepsTheContract(t, startServer(t)) }

func keepsTheContract(t *testing.T, s *server) {
	t.Helper()
	n := 0
	ratelimittest.TestStore(t, func(t *testing.T) ratelimit.Store {
		t.Helper()
		n++
		return openDB(t, func(c *redis.Config) {
			c.Prefix = "test" + string(rune('a'+n))
			if n%2 == 0 {
				c.HashKey = secret.New("0123456789abcdef")
			}
		}, s.Address).Limits()
	})
}
