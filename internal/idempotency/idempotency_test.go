package idempotency_test

import (
	"testing"

	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/idempotency/idempotencytest"
)

func TestMemory(t *testing.T) {
	idempotencytest.TestStore(t, func(_ *testing.T, most int) idempotency.Store { return &idempotency.Memory{Most: most} })
}
