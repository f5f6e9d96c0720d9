package session_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/session"
)

// edited answers with records that were changed on the way.
type edited struct {
	session.Store
	edit func(r *session.Record)
}

func (e edited) Lookup(ctx context.Context, d session.Digest) (session.Record, error) {
	r, err := e.Store.Lookup(ctx, d)
	e.edit(&r)
	return r, err
}

func TestAStoreThatIsAway(t *testing.T) {
	attack.Case(t, "SESS-07", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHooked(t)
			m := newManager(t, session.Config{Store: h})
			id := login(t, m, ada())
			for name, f := range map[string]func(ctx context.Context, call string) error{
				"fails": func(context.Context, string) error { return errDown },
				"hangs": func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() },
			} {
				h.fail(f)
				for cookie, want := range map[string]int{id: 503, strings.Repeat("A", 43): 503, "malformed": 401} {
					start := time.Now()
					if got := status(t, m, request(cookie)); got != want || time.Since(start) > 2*time.Second {
						t.Errorf("store %s, cookie %.9s: status %d after %v, want %d", name, cookie, got, time.Since(start), want)
					}
				}
				if got := status(t, m, request()); got != 401 {
					t.Errorf("store %s: no cookie: status %d, want 401", name, got)
				}
				w := httptest.NewRecorder()
				if err := m.Login(w, request(), ada()); err == nil || len(w.Header()) != 0 {
					t.Errorf("store %s: Login = %v, header %v", name, err, w.Header())
				}
				if err := m.Rotate(w, request(id), nil); err == nil || len(w.Header()) != 0 {
					t.Errorf("store %s: Rotate = %v, header %v", name, err, w.Header())
				}
				if err := m.Logout(w, request(id)); err == nil {
					t.Errorf("store %s: Logout is silent", name)
				}
				if _, err := m.RevokeUser(t.Context(), "password", "ada"); err == nil {
					t.Errorf("store %s: RevokeUser is silent", name)
				}
				w = httptest.NewRecorder()
				r := request(id)
				r.Method = http.MethodPost
				if m.LogoutHandler("/").ServeHTTP(w, r); w.Code != 503 {
					t.Errorf("store %s: the logout handler answers %d, want 503", name, w.Code)
				}
			}
			h.fail(func(context.Context, string) error { return nil })
			wantReason(t, m, "when the store is back", id, "")
		})
		for name, edit := range map[string]func(*session.Record){
			"another session": func(r *session.Record) { r.Digest[0]++ },
			"nobody's":        func(r *session.Record) { r.User.Subject = "" },
		} {
			store := newStore(t)
			id := login(t, newManager(t, session.Config{Store: store}), ada())
			wantReason(t, newManager(t, session.Config{Store: edited{store, edit}}), name, id, "error")
		}
		store := newStore(t)
		id := login(t, newManager(t, session.Config{Store: store}), ada())
		timeless := newManager(t, session.Config{Store: edited{store, func(r *session.Record) { r.Expires = time.Time{} }}})
		wantReason(t, timeless, "without an end", id, "expired")
	})
}

// A login whose store fails half way leaves no session that nobody knows of.
func TestLoginThatFailsHalfWay(t *testing.T) {
	for _, call := range []string{"Lookup", "List", "Create", "Delete"} {
		h := newHooked(t)
		m := newManager(t, session.Config{Store: h})
		old := login(t, m, ada())
		h.fail(func(_ context.Context, c string) error {
			if c == call {
				return errDown
			}
			return nil
		})
		w := httptest.NewRecorder()
		if err := m.Login(w, request(old), ada()); !errors.Is(err, errDown) || len(w.Header()) != 0 {
			t.Errorf("%s fails: Login = %v, header %v", call, err, w.Header())
		}
		h.fail(func(context.Context, string) error { return nil })
		if all, err := m.Sessions(t.Context(), "password", "ada"); err != nil || len(all) > 1 {
			t.Errorf("%s failed: %d sessions, %v, want the old one at most", call, len(all), err)
		}
	}
}

// A use that cannot be noted fails no request, and is not tried again by each.
func TestUseThatCannotBeNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		h := newHooked(t)
		m := newManager(t, session.Config{Store: h, Log: j.log()})
		id := login(t, m, ada())
		h.fail(func(ctx context.Context, call string) error {
			if call == "Replace" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		pause(2 * time.Minute)
		writes := h.writes.Load()
		for range 100 {
			wantReason(t, m, "while no use is noted", id, "")
		}
		if got := h.writes.Load() - writes; got != 1 || strings.Count(j.String(), "not noted") != 1 {
			t.Errorf("%d writes, log:\n%s\nwant 1 of each", got, j.String())
		}
		pause(28 * time.Minute)
		wantReason(t, m, "at the idle end", id, "idle")
	})
}

func TestUseIsNotedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHooked(t)
		m := newManager(t, session.Config{Store: h})
		id := login(t, m, ada())
		start := h.writes.Load()
		for range 600 {
			pause(time.Second)
			wantReason(t, m, "in use", id, "")
		}
		if got := h.writes.Load() - start; got != 10 {
			t.Errorf("%d writes in 10 minutes, want 10", got)
		}
		x := exchange.New(request(id))
		x.Dry = true
		pause(2 * time.Minute)
		if _, err := m.Scheme().Authenticate(x); err != nil || h.writes.Load()-start != 10 {
			t.Errorf("a dry run: %v, %d writes, want none", err, h.writes.Load()-start-10)
		}
	})
}

// A session that is revoked while its use is noted is refused.
func TestRevokedBetweenLookupAndUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHooked(t)
		m := newManager(t, session.Config{Store: h})
		id := login(t, m, ada())
		pause(2 * time.Minute)
		h.fail(func(ctx context.Context, call string) error {
			if call == "Replace" {
				_, err := h.Store.DeleteUser(ctx, "password", "ada")
				return err
			}
			return nil
		})
		wantReason(t, m, "revoked meanwhile", id, "unknown")
	})
}

func TestExpiredSessionsAreSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		m := newManager(t, session.Config{Store: store})
		for range 5 {
			login(t, m, ada())
		}
		pause(time.Hour)
		login(t, m, session.User{Issuer: "password", Subject: "bob"})
		if left, err := store.List(t.Context(), "password", "ada"); err != nil || len(left) != 0 {
			t.Errorf("%d expired sessions are left, %v", len(left), err)
		}
	})
}

// What is logged and what errors say proves nothing.
func TestNothingSecretIsTold(t *testing.T) {
	attack.Case(t, "SESS-08", attack.Library, func(t *testing.T) {
		var j journal
		h := newHooked(t)
		m := newManager(t, session.Config{Store: h, Log: j.log()})
		id := login(t, m, ada())
		second := rotate(t, m, id, nil)
		info, err := m.Current(request(second))
		if err != nil {
			t.Fatal(err)
		}
		if id == second || len(id) != 43 {
			t.Errorf("ids %d and %d bytes long", len(id), len(second))
		}
		seen := make(map[string]bool)
		for range 1000 {
			seen[login(t, m, ada())] = true
		}
		if len(seen) != 1000 {
			t.Errorf("%d different ids of 1000", len(seen))
		}
		h.fail(func(context.Context, string) error { return errDown })
		_, authErr := m.Scheme().Authenticate(exchange.New(request(second)))
		told := j.String() + errors.Join(authErr, m.Login(httptest.NewRecorder(), request(second), ada()), m.Logout(httptest.NewRecorder(), request(second))).Error()
		if !strings.Contains(told, info.Name) {
			t.Error("the log does not name the session")
		}
		h.fail(func(context.Context, string) error { return nil })
		records, err := h.Store.List(t.Context(), "password", "ada")
		if err != nil || len(records) == 0 {
			t.Fatal(err)
		}
		for _, secret := range []string{id, second, string(records[0].Digest[:]), hex.EncodeToString(records[0].Digest[:])} {
			if strings.Contains(told, secret) || strings.Contains(info.Name, secret) {
				t.Errorf("told: %.10q", secret)
			}
		}
		if records[0].Digest.Name() == hex.EncodeToString(records[0].Digest[:]) || len(info.Name) != 24 {
			t.Errorf("name = %s", info.Name)
		}
		if _, reason := ask(t, m, info.Name); reason != "malformed" {
			t.Errorf("the name as a cookie: %q, want malformed", reason)
		}
	})
}
