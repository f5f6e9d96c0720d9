package server_test

import (
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/webhook"
)

// Of one subject one event is told in each time of the limit: of an hour at least, and
// no more than is remembered.
func TestWhoIsNearIsToldOnce(t *testing.T) {
	const day = 24 * time.Hour
	begin := time.Unix(0, 0).Add(600 * webhook.Remembered) // where all of these begin
	for _, tt := range []struct{ per, span time.Duration }{
		{time.Second, time.Hour}, {time.Hour, time.Hour}, {day, day}, {30 * day, 30 * day}, {366 * day, webhook.Remembered},
	} {
		a := ratelimit.Digest{1}
		id := server.NearID("a", a, tt.per, begin)
		for what, same := range map[string]bool{
			server.NearID("a", a, tt.per, begin.Add(tt.span-time.Second)): true,
			server.NearID("a", a, tt.per, begin.Add(tt.span)):             false,
			server.NearID("b", a, tt.per, begin):                          false,
			server.NearID("a", ratelimit.Digest{2}, tt.per, begin):        false,
		} {
			if (what == id) != same {
				t.Errorf("per %v: %s and %s, want them the same: %v", tt.per, id, what, same)
			}
		}
		if e, err := webhook.NewEvent(id, webhook.LimitNear, begin, map[string]any{}); err != nil {
			t.Errorf("%s is no id of an event: %v, %v", id, e, err)
		}
	}
}
