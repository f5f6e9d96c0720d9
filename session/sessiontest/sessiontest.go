// Package sessiontest is the contract of [session.Store] as tests. Every
// implementation runs [TestStore]; what it does not test, a store may do as it
// likes.
package sessiontest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/session"
)

// TestStore tests the store that open returns. open is called once per subtest
// and gives an empty store each time; it closes it with t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) session.Store) {
	t.Helper()
	for _, g := range []struct {
		name  string
		rules []rule
	}{
		{"Create", createRules()},
		{"Replace", replaceRules()},
		{"Delete", deleteRules()},
		{"List", listRules()},
		{"Expired", expiredRules()},
		{"Concurrent", concurrentRules()},
		{"Context", contextRules()},
	} {
		t.Run(g.name, func(t *testing.T) {
			for _, r := range g.rules {
				t.Run(r.name, func(t *testing.T) { r.check(t, open(t)) })
			}
		})
	}
}

// A rule is one sentence of the contract and its test on an empty store.
type rule struct {
	name  string
	check func(t *testing.T, s session.Store)
}

// at is when the sessions of the tests begin, with microseconds.
func at() time.Time { return time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.UTC) }

// digest returns the nth digest; none is empty, and they have bytes that no text
// has.
func digest(n int) (d session.Digest) {
	for i := range d {
		d[i] = byte(n*37 + i*11 + 200)
	}
	d[0], d[1] = byte(n), byte(n>>8)
	return d
}

// full returns the nth session, with every field set that Create takes.
func full(n int) session.Record {
	return session.Record{
		Digest: digest(n),
		User: session.User{
			Issuer: "https://id.example/realm", Subject: `ada "ü" %_'`, Name: "Ada Lovelace",
			Scopes:          exchange.PatternScopes("orders:*", "invoices:read"),
			Claims:          map[string]any{"groups": []any{"admin", "dev"}, "level": 2.5, "mfa": true, "nothing": nil, "deep": map[string]any{"a": "b"}},
			AuthenticatedAt: at().Add(-time.Minute), Remember: true,
		},
		Created: at(), LastUsed: at().Add(time.Second), IdleExpires: at().Add(time.Hour), Expires: at().Add(2 * time.Hour),
	}
}

// simple returns the nth session of the user, with as little as there can be.
func simple(n int, subject string) session.Record {
	return session.Record{
		Digest: digest(n), User: session.User{Issuer: "password", Subject: subject, AuthenticatedAt: at()},
		Created: at(), LastUsed: at().Add(time.Duration(n) * time.Second), IdleExpires: at().Add(time.Hour), Expires: at().Add(time.Hour),
	}
}

// rotated returns r under the nth digest, its own being the former one.
func rotated(r session.Record, n int) session.Record {
	after := r
	after.Former = session.Former{Digest: r.Digest, Until: at().Add(10 * time.Second), User: r.User}
	after.Former.User.Scopes = exchange.LiteralScopes("orders:read")
	after.Former.User.Claims = map[string]any{"level": 1.0}
	after.Digest = digest(n)
	after.User.Scopes = exchange.LiteralScopes("orders:read", "orders:write")
	after.LastUsed = r.LastUsed.Add(time.Minute)
	after.IdleExpires = r.IdleExpires.Add(time.Minute)
	return after
}

func mustCreate(t *testing.T, s session.Store, r session.Record) session.Record {
	t.Helper()
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatalf("Create = %v, want no error", err)
	}
	return mustLookup(t, s, r.Digest)
}

func mustLookup(t *testing.T, s session.Store, d session.Digest) session.Record {
	t.Helper()
	r, err := s.Lookup(t.Context(), d)
	if err != nil {
		t.Fatalf("Lookup = %v, want a session", err)
	}
	return r
}

func mustReplace(t *testing.T, s session.Store, before, after session.Record) session.Record {
	t.Helper()
	if err := s.Replace(t.Context(), before, after); err != nil {
		t.Fatalf("Replace = %v, want no error", err)
	}
	return mustLookup(t, s, after.Digest)
}

// wantAbsent reports that a session is there.
func wantAbsent(t *testing.T, s session.Store, digests ...session.Digest) {
	t.Helper()
	for _, d := range digests {
		if r, err := s.Lookup(t.Context(), d); err != session.ErrNotFound || !reflect.DeepEqual(r, session.Record{}) { //nolint:errorlint // itself, so that no store dresses it up
			t.Errorf("Lookup = %+v, %v, want ErrNotFound", r, err)
		}
	}
}

// wantSame reports where got differs from want, but for the revision.
func wantSame(t *testing.T, got, want session.Record) {
	t.Helper()
	if got.Revision == 0 {
		t.Error("the revision is 0")
	}
	got.Revision, want.Revision = 0, 0
	if g, w := show(got), show(want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

// show returns r as text that two records share only when they are the same.
func show(r session.Record) string {
	return fmt.Sprintf("%x %x until %v: %s | %s | %v %v %v %v", r.Digest, r.Former.Digest, r.Former.Until, showUser(r.Former.User), showUser(r.User),
		r.Created, r.LastUsed, r.IdleExpires, r.Expires)
}

func showUser(u session.User) string {
	return fmt.Sprintf("%q %q %q %q %v %#v %v %v", u.Issuer, u.Subject, u.Name, u.Scopes.Names(), u.Scopes.Patterns(), sorted(u.Claims), u.AuthenticatedAt, u.Remember)
}

// sorted returns claims as text in order of their names.
func sorted(claims map[string]any) []string {
	var all []string
	for name, value := range claims {
		all = append(all, fmt.Sprintf("%s=%#v", name, value))
	}
	slices.Sort(all)
	return all
}
