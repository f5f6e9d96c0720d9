package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/session"
)

func TestRotation(t *testing.T) {
	attack.Case(t, "SESS-06", attack.Library, func(t *testing.T) {
		t.Run("both ids are one session until the grace ends", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, session.Config{})
				old := login(t, m, ada())
				id := rotate(t, m, old, nil)
				one, _ := ask(t, m, old)
				two, _ := ask(t, m, id)
				if one.Session != two.Session || !one.Same(&two) || id == old || !one.Expires.Equal(two.Expires) {
					t.Errorf("old id: %+v\nnew id: %+v", one, two)
				}
				pause(10*time.Second - time.Microsecond)
				wantReason(t, m, "old id just before the end of the grace", old, "")
				pause(time.Microsecond)
				wantReason(t, m, "old id at its end", old, "replaced")
				wantReason(t, m, "new id", id, "")
			})
		})
		t.Run("a late request takes no cookie away", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, session.Config{})
				old := login(t, m, ada())
				rotate(t, m, old, nil)
				pause(time.Minute)
				w := httptest.NewRecorder()
				if err := m.Rotate(w, request(old), nil); !errors.Is(err, session.ErrNoSession) || len(w.Header()) != 0 {
					t.Errorf("Rotate = %v, header %v, want ErrNoSession and none", err, w.Header())
				}
			})
		})
		t.Run("many at once, some of which rotate", func(t *testing.T) { rotateAtOnce(t, newStore(t)) })
		t.Run("the old id gains nothing", oldIDGainsNothing)
		t.Run("a use between reading and rotating", rotateBesideUse)
	})
}

// rotateAtOnce sends many requests with one id, half of which rotate.
func rotateAtOnce(t *testing.T, store session.Store) {
	t.Helper()
	m := newManager(t, session.Config{Store: store, Grace: time.Minute})
	for range 20 {
		id := login(t, m, ada())
		var cookies, refused atomic.Int64
		var current atomic.Value
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				w := httptest.NewRecorder()
				if i%2 == 0 {
					switch err := m.Rotate(w, request(id), nil); {
					case err == nil:
						cookies.Add(1)
						current.Store(sent(t, w.Header()))
					case !errors.Is(err, session.ErrRotated) || len(w.Header()) != 0:
						t.Errorf("Rotate = %v, header %v, want ErrRotated and none", err, w.Header())
					}
				}
				if status(t, m, request(id)) != http.StatusOK {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if refused.Load() != 0 || cookies.Load() != 1 {
			t.Fatalf("%d requests were refused, %d cookies sent, want none and 1", refused.Load(), cookies.Load())
		}
		wantReason(t, m, "the new id", fmt.Sprint(current.Load()), "")
		if all, err := m.Sessions(t.Context(), "password", "ada"); err != nil || len(all) != 1 {
			t.Fatalf("%d sessions, %v, want 1", len(all), err)
		}
		if _, err := m.RevokeUser(t.Context(), "password", "ada"); err != nil {
			t.Fatal(err)
		}
	}
}

func oldIDGainsNothing(t *testing.T) {
	p, l := exchange.PatternScopes, exchange.LiteralScopes
	for _, tt := range []struct {
		name          string
		before, after exchange.Scopes
		allowed       []string
		denied        []string
	}{
		{"more rights", p("orders:read"), p("orders:read", "admin:*"), []string{"orders:read"}, []string{"admin:read"}},
		{"all rights", p("orders:read"), p("*"), []string{"orders:read"}, []string{"admin:read"}},
		{"fewer rights", p("*"), p("orders:read"), []string{"orders:read"}, []string{"admin:read", "orders:write"}},
		{"a pattern less", p("orders:*", "invoices:*"), p("orders:*"), []string{"orders:read"}, []string{"invoices:read"}},
		{"others", p("orders:read"), p("orders:write"), nil, []string{"orders:read", "orders:write"}},
		{"literal before", l("orders:*", "orders:read"), p("orders:*"), []string{"orders:read"}, []string{"orders:write"}},
		{"literal after", p("orders:*"), l("orders:read"), []string{"orders:read"}, []string{"orders:write"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newManager(t, session.Config{})
			u := ada()
			u.Scopes, u.Claims = tt.before, map[string]any{"acr": "1", "team": "a", "groups": []any{"x"}}
			old := login(t, m, u)
			id := rotate(t, m, old, func(u *session.User) {
				u.Scopes, u.Claims = tt.after, map[string]any{"acr": "2", "team": "a", "mfa": true, "groups": []any{"x"}}
				u.Issuer, u.Subject = "password", "root"
			})
			got, _ := ask(t, m, old)
			for _, scope := range tt.allowed {
				if !got.Scopes.Allow(scope) {
					t.Errorf("the old id has lost %s", scope)
				}
			}
			for _, scope := range tt.denied {
				if got.Scopes.Allow(scope) {
					t.Errorf("the old id grants %s", scope)
				}
			}
			if got.Claims["acr"] != nil || got.Claims["mfa"] != nil || got.Claims["team"] != "a" || got.Claims["groups"] == nil {
				t.Errorf("claims of the old id = %v", got.Claims)
			}
			now, _ := ask(t, m, id)
			if now.Claims["acr"] != "2" || now.Subject != "ada" || len(now.Scopes.Names()) != len(tt.after.Names()) {
				t.Errorf("the new id = %+v", now)
			}
			info, err := m.Current(request(old))
			if err != nil || len(info.User.Scopes.Names()) != len(got.Scopes.Names()) || info.Name != now.Session {
				t.Errorf("Current of the old id = %+v, %v", info, err)
			}
		})
	}
}

// rotateBesideUse has another request note its use while a rotation is under
// way: the rotation begins anew and succeeds.
func rotateBesideUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHooked(t)
		m := newManager(t, session.Config{Store: h})
		id := login(t, m, ada())
		pause(2 * time.Minute)
		var once atomic.Bool
		h.fail(func(_ context.Context, call string) error {
			if call == "Replace" && once.CompareAndSwap(false, true) {
				wantReason(t, m, "the other request", id, "") //nolint:contextcheck // a request of its own
			}
			return nil
		})
		wantReason(t, m, "after the rotation", rotate(t, m, id, nil), "")
	})
}

func TestRotateWithoutASession(t *testing.T) {
	m := newManager(t, session.Config{})
	id := login(t, m, ada())
	for name, r := range map[string]*http.Request{"none": request(), "unknown": request("x"), "two": request(id, id)} {
		w := httptest.NewRecorder()
		if err := m.Rotate(w, r, nil); !errors.Is(err, session.ErrNoSession) || len(w.Header()) != 0 {
			t.Errorf("%s: Rotate = %v, want ErrNoSession and no header", name, err)
		}
		if _, err := m.Current(r); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("%s: Current = %v, want ErrNoSession", name, err)
		}
	}
	if err := m.Rotate(httptest.NewRecorder(), request(id), func(u *session.User) { u.Name = "\x00" }); err == nil {
		t.Error("Rotate took a user that no session can hold")
	}
	wantReason(t, m, "after it failed", id, "")
}
