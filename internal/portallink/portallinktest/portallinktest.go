// Package portallinktest tests stores of passes.
package portallinktest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/portallink"
)

// A Fresh store is empty. Entries returns what the audit says of a pass, the oldest
// first.
type Fresh struct {
	Store   portallink.Store
	Entries func(t *testing.T, subject string) []audit.Event
}

// TestStore tests what [portallink.Store] promises.
func TestStore(t *testing.T, fresh func(t *testing.T) Fresh) {
	t.Helper()
	t.Run("round trip", func(t *testing.T) { testRoundTrip(t, fresh(t)) })
	t.Run("once", func(t *testing.T) { testOnce(t, fresh(t)) })
	t.Run("times", func(t *testing.T) { testTimes(t, fresh(t)) })
	t.Run("keys", func(t *testing.T) { testKeys(t, fresh(t)) })
	t.Run("end", func(t *testing.T) { testEnd(t, fresh(t)) })
	t.Run("delete", func(t *testing.T) { testDelete(t, fresh(t)) })
	t.Run("full", func(t *testing.T) { testFull(t, fresh(t)) })
}

var by = audit.By{Actor: "account:k5qzn7w2t4m6c3xd", Source: "192.0.2.1"} //nolint:gochecknoglobals // whoever asks, in all tests

func moment() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if want == nil && err != nil || !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// made is a pass that s keeps.
func made(t *testing.T, s portallink.Store, owner string, at time.Time) portallink.Pass {
	t.Helper()
	p, _, err := portallink.New(portallink.Spec{
		Owner: owner, Maker: by.Actor, Return: "https://app.test/keys?a='b", Life: time.Hour, Session: time.Hour,
		Grant: portallink.Grant{
			Roll: true, Usage: true,
			Create: &portallink.Create{Keys: 3, Environment: "live", Scopes: []string{"a:b", "c"}, MaxTTL: 24 * time.Hour, Plan: "pro"},
		},
	}, at)
	must(t, err)
	must(t, s.Create(t.Context(), by, p))
	return p
}

func look(t *testing.T, s portallink.Store, id portallink.ID) portallink.Pass {
	t.Helper()
	p, err := s.Lookup(t.Context(), id)
	must(t, err)
	return p
}

func testRoundTrip(t *testing.T, f Fresh) {
	now := moment()
	p := made(t, f.Store, `o'; DROP TABLE keys; -- "é`, now)
	if got := look(t, f.Store, p.ID); !reflect.DeepEqual(got, p) {
		t.Errorf("kept is %+v, want %+v", got, p)
	}
	wants(t, "the same id again", f.Store.Create(t.Context(), by, p), portallink.ErrExists)
	_, err := f.Store.Lookup(t.Context(), "aaaaaaaaaaaaaaaa")
	wants(t, "one that there is not", err, portallink.ErrNotFound)
	_, err = f.Store.Lookup(t.Context(), "\x00\xff")
	wants(t, "what is no id", err, portallink.ErrNotFound)
	_, session := p.NewSession()
	holder := audit.By{Actor: p.Actor(), Source: "192.0.2.9"}
	must(t, f.Store.Use(t.Context(), holder, p.ID, session, now.Add(time.Second), now.Add(time.Minute)))
	want := p
	want.Used, want.Session, want.SessionExpires = now.Add(time.Second), session, now.Add(time.Minute)
	if got := look(t, f.Store, p.ID); !reflect.DeepEqual(got, want) {
		t.Errorf("used it is %+v, want %+v", got, want)
	}
	must(t, f.Store.End(t.Context(), by, p.ID, now.Add(2*time.Second)))
	want.Ended = now.Add(2 * time.Second)
	if got := look(t, f.Store, p.ID); !reflect.DeepEqual(got, want) {
		t.Errorf("ended it is %+v, want %+v", got, want)
	}
	var told []string
	for _, e := range f.Entries(t, string(p.ID)) {
		told = append(told, e.Op+" "+e.Kind+" by "+e.Actor+" from "+e.Source)
	}
	if want := []string{
		"create portal by " + by.Actor + " from " + by.Source, "use portal by " + holder.Actor + " from " + holder.Source, "end portal by " + by.Actor + " from " + by.Source,
	}; !reflect.DeepEqual(told, want) {
		t.Errorf("the audit says %q, want %q", told, want)
	}
}

// Of many at once one uses the link.
func testOnce(t *testing.T, f Fresh) {
	const many = 16
	now := moment()
	p := made(t, f.Store, "acme", now)
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			_, session := p.NewSession()
			errs[i] = f.Store.Use(t.Context(), by, p.ID, session, now, now.Add(time.Hour))
		})
	}
	all.Wait()
	used := 0
	for _, err := range errs {
		if err == nil {
			used++
		} else {
			wants(t, "a second use", err, portallink.ErrGone)
		}
	}
	if used != 1 {
		t.Errorf("the link was used %d times", used)
	}
	if entries := f.Entries(t, string(p.ID)); len(entries) != 2 {
		t.Errorf("the audit has %d entries, want 2", len(entries))
	}
}

func testTimes(t *testing.T, f Fresh) {
	now := moment()
	p := made(t, f.Store, "acme", now)
	_, session := p.NewSession()
	use := func(id portallink.ID, at time.Time) error {
		return f.Store.Use(t.Context(), by, id, session, at, at.Add(time.Minute))
	}
	wants(t, "at its end", use(p.ID, p.Expires), portallink.ErrGone)
	wants(t, "one that there is not", use("aaaaaaaaaaaaaaaa", now), portallink.ErrGone)
	wants(t, "a key before it is used", f.Store.Take(t.Context(), p.ID, 1, now), portallink.ErrGone)
	last := p.Expires.Add(-time.Microsecond)
	must(t, use(p.ID, last))
	wants(t, "a key at the end of the session", f.Store.Take(t.Context(), p.ID, 1, last.Add(time.Minute)), portallink.ErrGone)
	must(t, f.Store.Take(t.Context(), p.ID, 1, last.Add(time.Minute-time.Microsecond)))
}

// No more keys than the link says, whoever asks at once.
func testKeys(t *testing.T, f Fresh) {
	const most, many = 5, 20
	now := moment()
	p := made(t, f.Store, "acme", now)
	_, session := p.NewSession()
	must(t, f.Store.Use(t.Context(), by, p.ID, session, now, now.Add(time.Hour)))
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = f.Store.Take(t.Context(), p.ID, most, now) })
	}
	all.Wait()
	taken := 0
	for _, err := range errs {
		if err == nil {
			taken++
		} else {
			wants(t, "one too many", err, portallink.ErrSpent)
		}
	}
	if made := look(t, f.Store, p.ID).Made; taken != most || made != most {
		t.Errorf("%d keys, and %d counted, want %d", taken, made, most)
	}
	must(t, f.Store.GiveBack(t.Context(), p.ID))
	must(t, f.Store.Take(t.Context(), p.ID, most, now))
	wants(t, "one more than was given back", f.Store.Take(t.Context(), p.ID, most, now), portallink.ErrSpent)
	for range most + 2 {
		must(t, f.Store.GiveBack(t.Context(), p.ID))
	}
	if made := look(t, f.Store, p.ID).Made; made != 0 {
		t.Errorf("%d counted after all were given back", made)
	}
}

func testEnd(t *testing.T, f Fresh) {
	now := moment()
	link, running := made(t, f.Store, "acme", now), made(t, f.Store, "acme", now)
	_, session := running.NewSession()
	must(t, f.Store.Use(t.Context(), by, running.ID, session, now, now.Add(time.Hour)))
	for _, id := range []portallink.ID{link.ID, running.ID} {
		must(t, f.Store.End(t.Context(), by, id, now))
		must(t, f.Store.End(t.Context(), by, id, now.Add(time.Minute)))
		if p := look(t, f.Store, id); !p.Ended.Equal(now) {
			t.Errorf("it ended at %v, want the first time, %v", p.Ended, now)
		}
		wants(t, "a key after the end", f.Store.Take(t.Context(), id, 1, now), portallink.ErrGone)
	}
	wants(t, "the link after its end", f.Store.Use(t.Context(), by, link.ID, session, now, now.Add(time.Hour)), portallink.ErrGone)
	wants(t, "one that there is not", f.Store.End(t.Context(), by, "aaaaaaaaaaaaaaaa", now), portallink.ErrNotFound)
	if entries := f.Entries(t, string(link.ID)); len(entries) != 2 {
		t.Errorf("the audit has %d entries of a link that was ended twice, want 2", len(entries))
	}
}

func testDelete(t *testing.T, f Fresh) {
	now := moment()
	old, ended, running, waiting := made(t, f.Store, "acme", now.Add(-2*time.Hour)), made(t, f.Store, "acme", now), made(t, f.Store, "acme", now.Add(-30*time.Minute)), made(t, f.Store, "acme", now)
	_, session := running.NewSession()
	must(t, f.Store.Use(t.Context(), by, running.ID, session, now.Add(-30*time.Minute), now.Add(2*time.Hour)))
	must(t, f.Store.End(t.Context(), by, ended.ID, now))
	at := now.Add(45 * time.Minute) // behind the link's end of the one that runs
	total := 0
	for range 3 {
		n, err := f.Store.DeleteOver(t.Context(), at, 1)
		must(t, err)
		total += n
	}
	if total != 2 {
		t.Errorf("%d were removed, want 2", total)
	}
	for id, want := range map[portallink.ID]error{old.ID: portallink.ErrNotFound, ended.ID: portallink.ErrNotFound, running.ID: nil, waiting.ID: nil} {
		_, err := f.Store.Lookup(t.Context(), id)
		wants(t, "look up", err, want)
	}
}

// An owner's passes are bounded; those that are over do not count.
func testFull(t *testing.T, f Fresh) {
	now := moment()
	p := made(t, f.Store, "acme", now.Add(-2*time.Hour))
	for n := range portallink.MostOfOwner {
		p.ID, p.Created, p.Expires = numbered(n), now, now.Add(time.Hour)
		must(t, f.Store.Create(t.Context(), by, p))
	}
	p.ID = numbered(portallink.MostOfOwner)
	wants(t, "one more", f.Store.Create(t.Context(), by, p), portallink.ErrFull)
	made(t, f.Store, "other", now)
	must(t, f.Store.End(t.Context(), by, numbered(0), now))
	must(t, f.Store.Create(t.Context(), by, p))
}

// numbered is the n-th of many ids.
func numbered(n int) portallink.ID {
	const letters = "abcdefghij"
	id := []byte("zzzzzzzzzzzzzzzz")
	for i, c := range fmt.Sprintf("%04d", n) {
		id[i] = letters[c-'0']
	}
	return portallink.ID(id)
}
