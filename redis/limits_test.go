package redis_test

import (
	"testing"

	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/ratelimit/ratelimittest"
	"github.com/warder-dev/warder/redis"
	"github.com/warder-dev/warder/secret"
)

func TestStore(t *testing.T) {
	s := startServer(t)
	n := 0
	ratelimittest.TestStore(t, func(t *testing.T) ratelimit.Store {
		t.Helper()
		n++
		return openDB(t, func(c *redis.Config) {
			c.Prefix = "test" + string(rune('a'+n))
			if n%2 == 0 {
				c.HashKey = secret.New("0123456789abcdef")
			}
		}, s.address).Limits()
	})
}
