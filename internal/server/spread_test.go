package server_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/ratelimit"
)

// A placeStore passes everything, and notes where each limit counted.
type placeStore struct {
	mu     sync.Mutex
	places map[string][]ratelimit.Digest // by limit
	calls  [][]string                    // the limits of each
}

func (s *placeStore) Take(_ context.Context, claims []ratelimit.Claim, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for i := range claims {
		claims[i].OK = true
		names = append(names, claims[i].Limit)
		s.places[claims[i].Limit] = append(s.places[claims[i].Limit], claims[i].Near)
	}
	s.calls = append(s.calls, names)
	return nil
}

func (s *placeStore) Reset(context.Context, string, ratelimit.Digest, ratelimit.Digest) error {
	return nil
}

func (s *placeStore) Fleet() ratelimit.Fleet { return ratelimit.Fleet{Nodes: 1} }

// distinct is how many places a limit counted in, and whether one is that of all
// limits that lie nowhere in particular.
func (s *placeStore) distinct(limit string) (n int, nowhere bool) {
	seen := make(map[ratelimit.Digest]bool)
	for _, place := range s.places[limit] {
		seen[place] = true
	}
	return len(seen), seen[ratelimit.Digest{}]
}

// TestCountersAreSpread: in a cluster a limit's counters lie on all servers, as
// far apart as what one request asks for in one call lets them.
func TestCountersAreSpread(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	store := &placeStore{places: make(map[string][]ratelimit.Digest)}
	p := start(t, upstream.URL(), settings{limit: store, yaml: `
redis: {addresses: ["127.0.0.1:1"]}
rate_limits:
  alone: {count: 100, per: 366d, by: [key], store: redis}
  owner: {count: 100, per: 366d, by: [owner], store: redis}
  both: {count: 100, per: 366d, by: [key, owner], store: redis}
  tried: {count: 100, per: 366d, by: [owner, "header:X-A"], store: redis, shadow: true}
  one: {count: 100, per: 366d, by: [key], store: redis}
  other: {count: 100, per: 366d, by: [owner], store: redis}
  judged: {count: 100, per: 366d, by: ["cel:request.method", owner], store: redis}
  early: {count: 100, per: 366d, by: [address], store: redis}
routes:
  - {match: "/alone", upstream: api, rate_limits: [early, alone]}
  - {match: "/owned", upstream: api, rate_limits: [owner, both, tried]}
  - {match: "/apart", upstream: api, rate_limits: [one, other]}
  - {match: "/judged", upstream: api, rate_limits: [judged]}
`})
	keys := []string{p.key}
	for _, owner := range []string{"acme", "other"} { // the first one has two keys
		_, text := p.create(t, apikey.Spec{Environment: "live", Name: owner, Owner: owner, Scopes: []string{"orders:*"}})
		keys = append(keys, text)
	}
	for _, path := range []string{"/alone", "/owned", "/apart", "/judged"} {
		for _, key := range keys {
			if w := p.get(t, path, key); w.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d, want 200", path, w.StatusCode)
			}
		}
	}
	store.mu.Lock()
	defer store.mu.Unlock()
	for limit, want := range map[string]struct {
		places  int
		nowhere bool
	}{
		"alone": {3, false}, "early": {1, false}, "owner": {2, false}, "both": {2, false}, "tried": {2, false},
		"one": {1, true}, "other": {1, true}, "judged": {2, false},
	} {
		if n, nowhere := store.distinct(limit); n != want.places || nowhere != want.nowhere {
			t.Errorf("%s: counted in %d places (in that of all: %t), want %d (%t)", limit, n, nowhere, want.places, want.nowhere)
		}
	}
	if !slices.Equal(store.places["owner"], store.places["both"]) || !slices.Equal(store.places["owner"], store.places["tried"]) {
		t.Error("limits that count together lie apart")
	}
	together := slices.ContainsFunc(store.calls, func(names []string) bool {
		return len(names) == 3 && slices.Contains(names, "owner") && slices.Contains(names, "both") && slices.Contains(names, "tried")
	})
	if !together {
		t.Errorf("what one request asks for was asked for in several calls: %v", store.calls)
	}
}
