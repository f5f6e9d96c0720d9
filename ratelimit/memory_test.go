package ratelimit_test

import (
	"testing"

	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/ratelimit/ratelimittest"
)

func newMemory(tb testing.TB, capacity int) *ratelimit.Memory {
	tb.Helper()
	m, err := ratelimit.NewMemory(capacity)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestMemoryStore(t *testing.T) {
	ratelimittest.TestStore(t, func(t *testing.T) ratelimit.Store {
		t.Helper()
		return newMemory(t, 1000)
	})
}
