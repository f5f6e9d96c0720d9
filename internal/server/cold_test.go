package server_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// TestAGatewayThatStartsCold sends a gateway, from the moment that it answers, requests
// of the holders of many keys at once, over and over: the store is asked once for each
// key.
func TestAGatewayThatStartsCold(t *testing.T) {
	attack.Case(t, "FLEET-14", attack.Gateway, func(t *testing.T) {
		const keys, holders = 100, 5
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		var store *watchedStore
		var texts []string
		var now, most atomic.Int64
		slow := func(ctx context.Context) error {
			n := now.Add(1)
			defer now.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				continue
			}
			select {
			case <-time.After(20 * time.Millisecond): // so that others come meanwhile
			case <-ctx.Done():
			}
			return nil
		}
		p := start(t, upstream.URL(), settings{
			yaml:  "timeouts: {store: 30s}\nroutes: [{match: /, upstream: api}]\n",
			store: func(s apikey.Store) apikey.Store { store = watch(s); store.fault.Store(&slow); return store },
			before: func(t *testing.T, p *program) {
				t.Helper()
				for range keys {
					_, text := p.create(t, apikey.Spec{Environment: "live"})
					texts = append(texts, text)
				}
			},
		})
		var asking sync.WaitGroup
		var others atomic.Int64
		for _, text := range texts {
			for range holders {
				asking.Go(func() {
					if p.get(t, "/", text).StatusCode != http.StatusOK {
						others.Add(1)
					}
				})
			}
		}
		asking.Wait()
		if others.Load() > 0 {
			t.Errorf("%d requests with a good key did not pass", others.Load())
		}
		if got := store.lookups.Load(); got != keys || most.Load() > 256 {
			t.Errorf("%d look-ups, at most %d at a time, want %d and at most 256", got, most.Load(), keys)
		}
	})
}
