package password

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrBusy means that too many logins wait for memory, or one has waited too long:
// 503, nothing was compared.
var ErrBusy = errors.New("password: too many logins at once")

// A queue bounds the memory of hashes that are computed at once.
type queue struct {
	memory  *semaphore.Weighted // KiB
	total   int64
	waiting atomic.Int64
	limit   int64
	wait    time.Duration
}

func newQueue(memory int64, limit int, wait time.Duration) *queue {
	return &queue{memory: semaphore.NewWeighted(memory), total: memory, limit: int64(limit), wait: wait}
}

// enter waits, for a bounded time, until memory KiB are free. The caller calls
// leave when they are again.
func (q *queue) enter(ctx context.Context, memory uint32) (leave func(), err error) {
	n := int64(memory)
	if n > q.total {
		return nil, fmt.Errorf("password: a hash needs %d KiB, and Config.Memory is %d", n, q.total)
	}
	leave = func() { q.memory.Release(n) }
	if q.memory.TryAcquire(n) {
		return leave, nil
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.limit {
		return nil, ErrBusy
	}
	ctx, cancel := context.WithTimeoutCause(ctx, q.wait, ErrBusy)
	defer cancel()
	if q.memory.Acquire(ctx, n) != nil {
		return nil, context.Cause(ctx)
	}
	return leave, nil
}
