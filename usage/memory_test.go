package usage_test

import (
	"testing"

	"github.com/warder-dev/warder/usage"
	"github.com/warder-dev/warder/usage/usagetest"
)

func TestMemoryStore(t *testing.T) {
	usagetest.TestStore(t, func(*testing.T) usage.Store { return new(usage.MemoryStore) })
}
