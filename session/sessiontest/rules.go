package sessiontest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/session"
)

func createRules() []rule {
	return []rule{
		{"what was created is found as it was", func(t *testing.T, s session.Store) {
			wantSame(t, mustCreate(t, s, full(1)), full(1))
			wantSame(t, mustCreate(t, s, simple(2, "bob")), simple(2, "bob"))
			wantSame(t, mustLookup(t, s, digest(1)), full(1))
		}},
		{"the revision of the given record is ignored", func(t *testing.T, s session.Store) {
			r := simple(1, "ada")
			r.Revision = 4711
			if got := mustCreate(t, s, r); got.Revision != 1 {
				t.Errorf("revision = %d, want 1", got.Revision)
			}
		}},
		{"a digest that is taken is refused, also a former one", func(t *testing.T, s session.Store) {
			r := mustCreate(t, s, simple(1, "ada"))
			r = mustReplace(t, s, r, rotated(r, 2))
			for _, n := range []int{1, 2} {
				if err := s.Create(t.Context(), simple(n, "eve")); !errors.Is(err, session.ErrExists) {
					t.Errorf("Create = %v, want ErrExists", err)
				}
			}
			wantSame(t, mustLookup(t, s, digest(2)), r)
		}},
		{"a session of nobody is refused", func(t *testing.T, s session.Store) {
			for _, user := range []session.User{{Subject: "ada"}, {Issuer: "password"}} {
				r := simple(1, "")
				r.User = user
				if err := s.Create(t.Context(), r); err == nil || errors.Is(err, session.ErrExists) {
					t.Errorf("Create = %v, want an error of its own", err)
				}
			}
			wantAbsent(t, s, digest(1))
		}},
		{"the empty digest is nobody's", func(t *testing.T, s session.Store) {
			mustCreate(t, s, simple(1, "ada")) // has an empty former digest
			wantAbsent(t, s, session.Digest{}, digest(2))
		}},
	}
}

func replaceRules() []rule {
	return []rule{
		{"a rotated session is found by both digests", func(t *testing.T, s session.Store) {
			before := mustCreate(t, s, full(1))
			after := rotated(before, 2)
			wantSame(t, mustReplace(t, s, before, after), after)
			wantSame(t, mustLookup(t, s, digest(1)), after)
			list, err := s.List(t.Context(), before.User.Issuer, before.User.Subject)
			if err != nil || len(list) != 1 {
				t.Errorf("List = %d sessions, %v, want 1", len(list), err)
			}
		}},
		{"a use keeps the digest", func(t *testing.T, s session.Store) {
			before := mustCreate(t, s, full(1))
			after := before
			after.LastUsed, after.IdleExpires = before.LastUsed.Add(time.Hour), before.Expires
			got := mustReplace(t, s, before, after)
			wantSame(t, got, after)
			if got.Revision == before.Revision {
				t.Errorf("revision = %d again", got.Revision)
			}
		}},
		{"only the last former digest counts", func(t *testing.T, s session.Store) {
			r := mustCreate(t, s, full(1))
			r = mustReplace(t, s, r, rotated(r, 2))
			r = mustReplace(t, s, r, rotated(r, 3))
			wantAbsent(t, s, digest(1))
			wantSame(t, mustLookup(t, s, digest(2)), r)
		}},
		{"user and absolute expiry stay", func(t *testing.T, s session.Store) {
			before := mustCreate(t, s, full(1))
			after := before
			after.User.Issuer, after.User.Subject = "password", "eve"
			after.Created, after.Expires = before.Created.Add(time.Hour), before.Expires.Add(time.Hour)
			wantSame(t, mustReplace(t, s, before, after), before)
			if list, err := s.List(t.Context(), "password", "eve"); err != nil || len(list) != 0 {
				t.Errorf("List of the other user = %d sessions, %v, want none", len(list), err)
			}
		}},
		{"a session that was changed is a conflict", func(t *testing.T, s session.Store) {
			before := mustCreate(t, s, full(1))
			got := mustReplace(t, s, before, rotated(before, 2))
			for name, stale := range map[string]session.Record{"former digest": before, "revision": {Digest: digest(2), Revision: before.Revision}} {
				if err := s.Replace(t.Context(), stale, rotated(before, 3)); !errors.Is(err, session.ErrConflict) {
					t.Errorf("%s: Replace = %v, want ErrConflict", name, err)
				}
			}
			wantSame(t, mustLookup(t, s, digest(2)), got)
			wantAbsent(t, s, digest(3))
		}},
		{"a session that is gone does not come back", func(t *testing.T, s session.Store) {
			before := mustCreate(t, s, full(1))
			mustDelete(t, s, before.Digest)
			for _, after := range []session.Record{before, rotated(before, 2)} {
				if err := s.Replace(t.Context(), before, after); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("Replace = %v, want ErrNotFound", err)
				}
			}
			wantAbsent(t, s, digest(1), digest(2))
		}},
		{"another session's digest is refused", func(t *testing.T, s session.Store) {
			one, two := mustCreate(t, s, full(1)), mustCreate(t, s, simple(2, "bob"))
			if err := s.Replace(t.Context(), one, rotated(one, 2)); !errors.Is(err, session.ErrExists) {
				t.Errorf("Replace = %v, want ErrExists", err)
			}
			wantSame(t, mustLookup(t, s, digest(1)), one)
			wantSame(t, mustLookup(t, s, digest(2)), two)
		}},
	}
}

func mustDelete(t *testing.T, s session.Store, d session.Digest) {
	t.Helper()
	if err := s.Delete(t.Context(), d); err != nil {
		t.Fatalf("Delete = %v, want no error", err)
	}
}

func deleteRules() []rule {
	return []rule{
		{"a deleted session is gone, others stay", func(t *testing.T, s session.Store) {
			mustCreate(t, s, full(1))
			other := mustCreate(t, s, full(2))
			mustDelete(t, s, digest(1))
			mustDelete(t, s, digest(1)) // again: no error
			wantAbsent(t, s, digest(1))
			wantSame(t, mustLookup(t, s, digest(2)), other)
		}},
		{"by the former digest", func(t *testing.T, s session.Store) {
			r := mustCreate(t, s, full(1))
			mustReplace(t, s, r, rotated(r, 2))
			mustDelete(t, s, digest(1))
			wantAbsent(t, s, digest(1), digest(2))
		}},
		{"the empty digest deletes nothing", func(t *testing.T, s session.Store) {
			r := mustCreate(t, s, full(1))
			mustDelete(t, s, session.Digest{})
			wantSame(t, mustLookup(t, s, digest(1)), r)
		}},
		{"all of a user, rotated ones too, and nobody else's", deleteUser},
	}
}

func deleteUser(t *testing.T, s session.Store) {
	one := mustCreate(t, s, simple(1, "ada"))
	mustReplace(t, s, one, rotated(one, 9))
	mustCreate(t, s, simple(2, "ada"))
	bob := mustCreate(t, s, simple(3, "bob"))
	other := simple(4, "ada")
	other.User.Issuer = "https://id.example"
	elsewhere := mustCreate(t, s, other)
	for _, want := range []int{2, 0} {
		if n, err := s.DeleteUser(t.Context(), "password", "ada"); err != nil || n != want {
			t.Errorf("DeleteUser = %d, %v, want %d", n, err, want)
		}
	}
	wantAbsent(t, s, digest(1), digest(2), digest(9))
	wantSame(t, mustLookup(t, s, digest(3)), bob)
	wantSame(t, mustLookup(t, s, digest(4)), elsewhere)
	mustCreate(t, s, simple(5, "ada")) // a later login
}

func listRules() []rule {
	return []rule{
		{"the least recently used first, whole, of that user alone", func(t *testing.T, s session.Store) {
			for _, n := range []int{3, 1, 2} {
				mustCreate(t, s, simple(n, "ada"))
			}
			mustCreate(t, s, simple(4, "ADA"))
			mustCreate(t, s, simple(5, "ada "))
			list, err := s.List(t.Context(), "password", "ada")
			if err != nil || len(list) != 3 {
				t.Fatalf("List = %d sessions, %v, want 3", len(list), err)
			}
			for i, r := range list {
				wantSame(t, r, simple(i+1, "ada"))
			}
		}},
		{"nobody's is empty", func(t *testing.T, s session.Store) {
			mustCreate(t, s, simple(1, "ada"))
			for _, subject := range []string{"", "eve", "a%", "\x00", "\xff"} {
				if list, err := s.List(t.Context(), "password", subject); err != nil || len(list) != 0 {
					t.Errorf("List of %q = %d sessions, %v, want none", subject, len(list), err)
				}
			}
		}},
	}
}

func expiredRules() []rule {
	return []rule{
		{"idle or absolute, at the instant, up to the limit", func(t *testing.T, s session.Store) {
			now := at().Add(time.Minute)
			for n, ends := range map[int][2]int{1: {0, 60}, 2: {60, 0}, 3: {-1, -1}, 4: {1, 1}, 5: {60, 60}} {
				r := simple(n, "ada")
				r.IdleExpires, r.Expires = now.Add(time.Duration(ends[0])*time.Microsecond), now.Add(time.Duration(ends[1])*time.Microsecond)
				mustCreate(t, s, r)
			}
			for _, want := range []int{2, 1, 0} {
				if n, err := s.DeleteExpired(t.Context(), now, 2); err != nil || n != want {
					t.Errorf("DeleteExpired = %d, %v, want %d", n, err, want)
				}
			}
			wantAbsent(t, s, digest(1), digest(2), digest(3))
			mustLookup(t, s, digest(4))
			mustLookup(t, s, digest(5))
		}},
		{"without a limit it refuses", func(t *testing.T, s session.Store) {
			if _, err := s.DeleteExpired(t.Context(), at(), 0); err == nil {
				t.Error("no error")
			}
		}},
		{"an expired session is found until it is removed", func(t *testing.T, s session.Store) {
			r := simple(1, "ada")
			r.IdleExpires, r.Expires = at(), at()
			wantSame(t, mustCreate(t, s, r), r)
		}},
	}
}

func concurrentRules() []rule {
	return []rule{
		{"of many rotations at once one wins, and one session is left", func(t *testing.T, s session.Store) {
			before := mustCreate(t, s, full(1))
			var won atomic.Int64
			var wg sync.WaitGroup
			for n := range 16 {
				wg.Go(func() {
					switch err := s.Replace(t.Context(), before, rotated(before, 100+n)); {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, session.ErrConflict):
						t.Errorf("Replace = %v, want ErrConflict", err)
					}
				})
			}
			wg.Wait()
			list, err := s.List(t.Context(), before.User.Issuer, before.User.Subject)
			if won.Load() != 1 || err != nil || len(list) != 1 {
				t.Fatalf("%d rotations won, %d sessions, %v, want 1 and 1", won.Load(), len(list), err)
			}
			wantSame(t, mustLookup(t, s, digest(1)), list[0])
		}},
		{"uses and rotations beside the end bring no session back", func(t *testing.T, s session.Store) {
			for round := range 10 {
				before := mustCreate(t, s, full(1))
				var wg sync.WaitGroup
				for n := range 4 {
					wg.Go(func() {
						after := before
						if n%2 == 0 {
							after = rotated(before, 100+4*round+n)
						}
						if err := s.Replace(t.Context(), before, after); err != nil && !errors.Is(err, session.ErrConflict) && !errors.Is(err, session.ErrNotFound) {
							t.Errorf("Replace = %v", err)
						}
					})
				}
				wg.Go(func() {
					if _, err := s.DeleteUser(t.Context(), before.User.Issuer, before.User.Subject); err != nil {
						t.Errorf("DeleteUser = %v", err)
					}
				})
				wg.Wait()
				wantAbsent(t, s, digest(1))
			}
		}},
		{"many at once", func(t *testing.T, s session.Store) {
			var wg sync.WaitGroup
			for n := range 8 {
				wg.Go(func() {
					for i := range 10 {
						r := simple(1+n*10+i, string(rune('a'+n)))
						if err := s.Create(t.Context(), r); err != nil {
							t.Errorf("Create = %v", err)
						}
						if _, err := s.Lookup(t.Context(), r.Digest); err != nil {
							t.Errorf("Lookup = %v", err)
						}
					}
				})
			}
			wg.Wait()
			for n := range 8 {
				if list, err := s.List(t.Context(), "password", string(rune('a'+n))); err != nil || len(list) != 10 {
					t.Errorf("List = %d sessions, %v, want 10", len(list), err)
				}
			}
		}},
	}
}

func contextRules() []rule {
	return []rule{
		{"after the end of its context a method gives no answer", func(t *testing.T, s session.Store) {
			before := mustCreate(t, s, full(1))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, lookup := s.Lookup(ctx, digest(1))
			_, list := s.List(ctx, before.User.Issuer, before.User.Subject)
			_, user := s.DeleteUser(ctx, before.User.Issuer, before.User.Subject)
			_, expired := s.DeleteExpired(ctx, at().Add(24*time.Hour), 1)
			errs := map[string]error{
				"Lookup": lookup, "List": list, "DeleteUser": user, "DeleteExpired": expired, "Create": s.Create(ctx, full(2)),
				"Replace": s.Replace(ctx, before, rotated(before, 3)), "Delete": s.Delete(ctx, digest(1)),
			}
			for name, err := range errs {
				if !errors.Is(err, context.Canceled) || slices.Contains([]error{session.ErrNotFound, session.ErrConflict, session.ErrExists}, err) {
					t.Errorf("%s = %v, want the end of the context", name, err)
				}
			}
			wantSame(t, mustLookup(t, s, digest(1)), before)
			wantAbsent(t, s, digest(2), digest(3))
		}},
	}
}
