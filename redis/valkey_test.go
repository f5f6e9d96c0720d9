package redis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/testredis"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/ratelimit/ratelimittest"
)

// Valkey counts as Redis does, alone and in a cluster, and after a restart that left
// it without the script. The other tests of this package run with it where
// [testredis.ProgramVariable] names it.
func TestValkey(t *testing.T) {
	t.Parallel()
	start := func(args ...string) *server { return &server{testredis.StartProgram(t, testredis.Valkey, args...)} }
	s := start()
	if info, err := s.do(t, "INFO", "server").ToString(); err != nil || !strings.Contains(info, "server_name:valkey") {
		t.Fatalf("it is no Valkey: %v\n%s", err, info)
	}
	t.Run("the contract", func(t *testing.T) { keepsTheContract(t, s) })
	t.Run("the contract of sessions", func(t *testing.T) { keepsSessions(t, s) })
	t.Run("the oracle", func(t *testing.T) { againstTheOracle(t, s) })
	t.Run("a restart", func(t *testing.T) {
		store := openDB(t, nil, s.Address).Limits()
		one := func(subject int) bool {
			c := []ratelimit.Claim{claim("restarted", subject, ratelimit.Quota{Count: 1, Per: 24 * time.Hour}, 1)}
			err := store.Take(t.Context(), c, false)
			return err == nil && c[0].OK
		}
		if !one(0) || one(0) {
			t.Error("the first passes, the second does not")
		}
		s.Kill()
		if !s.Restart(t) {
			t.Fatal("it does not start again")
		}
		n := 0
		waitFor(t, "the server", func() bool { n++; return one(n) })
		if !one(0) || one(0) {
			t.Error("the first passes where all is forgotten, the second does not")
		}
	})
	t.Run("a cluster", func(t *testing.T) {
		servers := joined(t, start)
		ratelimittest.TestStore(t, func(t *testing.T) ratelimit.Store {
			t.Helper()
			must(t, servers[0], "FLUSHALL")
			must(t, servers[1], "FLUSHALL")
			must(t, servers[2], "FLUSHALL")
			return openDB(t, nil, servers[2].Address, servers[0].Address).Limits()
		})
	})
}
