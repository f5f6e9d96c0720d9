package webhook_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/webhook"
)

// hasty is an outbox whose retries are due at once; it notes how long they would
// have waited.
type hasty struct {
	*webhook.MemoryOutbox
	mu     sync.Mutex
	waited []time.Duration
}

func (o *hasty) Retry(ctx context.Context, d webhook.Delivery, next time.Time) error {
	o.mu.Lock()
	o.waited = append(o.waited, time.Until(next))
	o.mu.Unlock()
	return o.MemoryOutbox.Retry(ctx, d, time.Now())
}

func (o *hasty) waits() []time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waited
}

// lines is a log that can be waited for.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until the log holds part.
func (l *lines) await(t *testing.T, part string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(l.String(), part) {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("the log never says %q", part)
		}
	}
}

// awaitCounts waits until so many deliveries ended so.
func awaitCounts(t *testing.T, s *webhook.Sender, want webhook.Counts) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.Counts() != want {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("counts = %+v, want %+v", s.Counts(), want)
		}
	}
}
