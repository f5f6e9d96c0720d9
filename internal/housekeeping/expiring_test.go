package housekeeping_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/housekeeping"
	"github.com/warder-dev/warder/webhook"
)

const day = 24 * time.Hour

// told keeps what was announced, once for each id, as an outbox does.
type told struct {
	mu  sync.Mutex
	ids []string
	all []webhook.Event
}

func (b *told) announce(_ context.Context, e webhook.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.ids, e.ID) {
		b.ids, b.all = append(b.ids, e.ID), append(b.all, e)
	}
	return nil
}

// days returns what was told of a key, in order.
func (b *told) days(t *testing.T, id apikey.ID) (days []int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.all {
		var d struct {
			KeyID apikey.ID `json:"key_id"`
			Days  int       `json:"days"`
		}
		if err := json.Unmarshal(e.Data, &d); err != nil || e.Type != webhook.KeyExpiring {
			t.Fatalf("event %+v: %v", e, err)
		}
		if d.KeyID == id {
			days = append(days, d.Days)
		}
	}
	return days
}

// put stores a key that was made at created and expires after life.
func put(t *testing.T, s *apikey.MemoryStore, n int, created time.Time, life time.Duration, change func(*apikey.Record)) apikey.ID {
	t.Helper()
	r := apikey.Record{
		ID: apikey.ID(fmt.Sprintf("Key%09d", n)), Prefix: "wrd", Environment: "live", Name: "n", Owner: "acme", Created: created,
		Secrets: []apikey.Secret{{Digest: [32]byte{byte(n)}, Pepper: "p", Created: created, Number: 1}},
	}
	if life > 0 {
		r.Expires = created.Add(life)
	}
	if change != nil {
		change(&r)
	}
	if _, err := s.Apply(t.Context(), apikey.Change{Actor: "a", Source: "s", Op: apikey.OpCreate, At: created, After: &r}); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func TestKeysThatExpireAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := new(apikey.MemoryStore), new(told)
		now := time.Now()
		want := map[apikey.ID][]int{
			put(t, s, 1, now, 90*day, nil):                                          {30, 7, 1},
			put(t, s, 2, now, 20*day, nil):                                          {7, 1},
			put(t, s, 3, now, 7*day, nil):                                           {1},
			put(t, s, 4, now, 23*time.Hour, nil):                                    nil,
			put(t, s, 5, now, 0, nil):                                               nil,
			put(t, s, 6, now, 90*day, func(r *apikey.Record) { r.Revoked = now }):   nil,
			put(t, s, 7, now, 90*day, func(r *apikey.Record) { r.Disabled = true }): nil,
			put(t, s, 8, now.Add(-86*day), 90*day, nil):                             {7, 1}, // warder did not run before
			put(t, s, 9, now, 400*day, nil):                                         nil,
			put(t, s, 10, now, 90*day, func(r *apikey.Record) { r.Secrets[0].Retires = now.Add(100 * day) }): {30, 7, 1},
		}
		for range 2 { // two nodes
			k, err := housekeeping.Start(housekeeping.Config{Keys: s, Announce: b.announce})
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
		}
		time.Sleep(95 * day) //nolint:forbidigo // the clock of synctest
		synctest.Wait()
		for id, days := range want {
			if got := b.days(t, id); !slices.Equal(got, days) {
				t.Errorf("%s: told %v days before, want %v", id, got, days)
			}
		}
	})
}

// TestMoreThanAPage has more keys to tell of than are read at once.
func TestMoreThanAPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := new(apikey.MemoryStore), new(told)
		const keys = 1201
		for n := range keys {
			put(t, s, n, time.Now(), 31*day, nil)
		}
		k, err := housekeeping.Start(housekeeping.Config{Keys: s, Announce: b.announce})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		time.Sleep(day + time.Hour) //nolint:forbidigo // the clock of synctest
		synctest.Wait()
		if len(b.ids) != keys {
			t.Errorf("told of %d keys, want %d", len(b.ids), keys)
		}
	})
}

// A key whose end is put off is told of again before the new one.
func TestANewEndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := new(apikey.MemoryStore), new(told)
		id := put(t, s, 1, time.Now(), 60*day, nil)
		k, err := housekeeping.Start(housekeeping.Config{Keys: s, Announce: b.announce})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		time.Sleep(40 * day) //nolint:forbidigo // the clock of synctest
		before, err := s.Lookup(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		after := before
		after.Expires = after.Expires.Add(60 * day)
		if _, err := s.Apply(t.Context(), apikey.Change{Actor: "a", Source: "s", Op: apikey.OpUpdate, At: time.Now(), Before: &before, After: &after}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(90 * day) //nolint:forbidigo // the clock of synctest
		synctest.Wait()
		if got := b.days(t, id); !slices.Equal(got, []int{30, 30, 7, 1}) {
			t.Errorf("told %v days before, want 30, and 30, 7, 1", got)
		}
	})
}

func TestStartWithoutKeys(t *testing.T) {
	if _, err := housekeeping.Start(housekeeping.Config{}); err == nil || !strings.Contains(err.Error(), "Keys") {
		t.Errorf("Start = %v", err)
	}
}
