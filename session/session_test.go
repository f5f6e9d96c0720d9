package session_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/session"
)

func TestNewReportsAllThatIsWrong(t *testing.T) {
	_, err := session.New(session.Config{
		Scheme: "a b", Cookie: "a;b", Absolute: time.Second, Idle: time.Hour, Remember: 365 * 24 * time.Hour, Grace: time.Hour, Timeout: -1, PerUser: -1,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Store", "Log", "Scheme", "a token", "__Host-", "Absolute is 1s", "Idle is 1h", "Remember", "Grace", "Timeout", "PerUser"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not tell of %s:\n%v", want, err)
		}
	}
	for name, cfg := range map[string]session.Config{
		"a name without the prefix":    {Cookie: "session"},
		"the prefix in other case":     {Cookie: "__host-session"},
		"insecure with the prefix":     {Cookie: "__Host-session", InsecureCookie: true},
		"insecure with its other case": {Cookie: "__HOST-session", InsecureCookie: true},
		"insecure with __Secure-":      {Cookie: "__Secure-session", InsecureCookie: true},
		"remembered for less":          {Remember: time.Hour},
	} {
		cfg.Store, cfg.Log = newStore(t), discard()
		if _, err := session.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	newManager(t, session.Config{Absolute: 5 * time.Minute}) // the default of Idle gives way
}

func TestPrincipal(t *testing.T) {
	m := newManager(t, session.Config{})
	p, reason := ask(t, m, login(t, m, ada()))
	if reason != "" || p.Issuer != "password" || p.Subject != "ada" || p.Scheme != "session" || !p.Ambient || len(p.Session) < 20 ||
		!p.Scopes.Allow("orders:read") || p.Claims["team"] != "a" || time.Until(p.Expires) < 11*time.Hour || p.Owner != "" || p.KeyID != "" {
		t.Errorf("principal = %+v, %q", p, reason)
	}
	if other, _ := ask(t, m, login(t, m, ada())); other.Session == p.Session || !other.Same(&p) {
		t.Errorf("another session of the same user: %+v", other)
	}
}

func TestWhatIsNoSession(t *testing.T) {
	h := newHooked(t)
	m := newManager(t, session.Config{Store: h})
	id := login(t, m, ada())
	start := h.lookups.Load()
	for _, tt := range []struct {
		name    string
		cookies []string
		want    string
		asks    int64
	}{
		{"none", nil, "absent", 0},
		{"empty", []string{""}, "malformed", 0},
		{"cut", []string{id[:42]}, "malformed", 0},
		{"one byte more", []string{id + "A"}, "malformed", 0},
		{"quoted", []string{`"` + id + `"`}, "malformed", 0},
		{"other alphabet", []string{"+" + id[1:]}, "malformed", 0},
		{"1 MiB", []string{strings.Repeat("A", 1<<20)}, "malformed", 0},
		{"unknown", []string{strings.Repeat("A", 43)}, "unknown", 1},
		{"twice", []string{id, id}, "repeated", 0},
		{"beside another", []string{id, strings.Repeat("A", 43)}, "repeated", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p, got := ask(t, m, tt.cookies...); got != tt.want || !p.IsZero() {
				t.Errorf("principal %q, reason %q, want %q", p.Subject, got, tt.want)
			}
			if got := h.lookups.Load() - start; got != tt.asks {
				t.Errorf("the store was asked %d times, want %d", got, tt.asks)
			}
			start = h.lookups.Load()
		})
	}
	t.Run("the same bytes by other padding bits", func(t *testing.T) {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		other := id[:42] + string(alphabet[strings.IndexByte(alphabet, id[42])^1])
		wantReason(t, m, "other padding", other, "unknown")
	})
	for want, cookies := range map[int][]string{200: {id}, 401: {"x"}, 400: {id, id}} {
		if got := status(t, m, request(cookies...)); got != want {
			t.Errorf("%d cookies: status = %d, want %d", len(cookies), got, want)
		}
	}
}

func TestFixation(t *testing.T) {
	attack.Case(t, "SESS-01", attack.Library, func(t *testing.T) {
		m := newManager(t, session.Config{})
		planted := strings.Repeat("A", 43)
		id := login(t, m, ada(), planted)
		if id == planted {
			t.Fatal("the login took a planted id")
		}
		wantReason(t, m, "an id that nobody made", planted, "unknown")
		mallory := login(t, m, session.User{Issuer: "password", Subject: "mallory"})
		again := login(t, m, ada(), mallory)
		wantReason(t, m, "the attacker's own session, planted", mallory, "unknown")
		wantReason(t, m, "ada's other session", id, "")
		third := login(t, m, ada(), again)
		wantReason(t, m, "the id from before a second login", again, "unknown")
		wantReason(t, m, "after it", third, "")
		many := login(t, m, ada(), third, planted, login(t, m, ada()))
		wantReason(t, m, "one of several planted", third, "unknown")
		wantReason(t, m, "after it", many, "")
		old := login(t, m, ada())
		rotated := rotate(t, m, old, nil)
		wantReason(t, m, "a login with the id from before a rotation", login(t, m, ada(), old), "")
		wantReason(t, m, "the session that it stood for", rotated, "unknown")
	})
}

func TestCookieAttributes(t *testing.T) {
	attack.Case(t, "SESS-02", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name     string
			cfg      session.Config
			remember bool
			value    string
			want     string
		}{
			{"for the browser's life", session.Config{}, false, cookieName, "Path=/; HttpOnly; Secure; SameSite=Lax"},
			{"remembered, where nobody is", session.Config{}, true, cookieName, "Path=/; HttpOnly; Secure; SameSite=Lax"},
			{"not remembered, where one can be", session.Config{Remember: 24 * time.Hour}, false, cookieName, "Path=/; HttpOnly; Secure; SameSite=Lax"},
			{"remembered", session.Config{Remember: 24 * time.Hour}, true, cookieName, "Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
			{"another name", session.Config{Cookie: "__Host-sid"}, false, "__Host-sid", "Path=/; HttpOnly; Secure; SameSite=Lax"},
			{"insecure", session.Config{InsecureCookie: true}, false, "session", "Path=/; HttpOnly; SameSite=Lax"},
		} {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, tt.cfg)
				w := httptest.NewRecorder()
				w.Header()["Set-Cookie"] = []string{"other=1", tt.value + "=old; Path=/"}
				u := ada()
				u.Remember = tt.remember
				if err := m.Login(w, request(), u); err != nil {
					t.Fatal(err)
				}
				lines := w.Header().Values("Set-Cookie")
				if len(lines) != 2 || lines[0] != "other=1" {
					t.Fatalf("%s: Set-Cookie = %q", tt.name, lines)
				}
				name, rest, _ := strings.Cut(lines[1], "=")
				id, attributes, _ := strings.Cut(rest, "; ")
				if name != tt.value || len(id) != 43 || attributes != tt.want || w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s: %s, %q, want %s, %q", tt.name, name, attributes, tt.value, tt.want)
				}
				w = httptest.NewRecorder()
				if err := m.Logout(w, request(id)); err != nil {
					t.Fatal(err)
				}
				secure := ""
				if !tt.cfg.InsecureCookie {
					secure = "; Secure"
				}
				want := tt.value + "=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly" + secure + "; SameSite=Lax"
				if got := w.Header().Get("Set-Cookie"); got != want {
					t.Errorf("%s: logout sets %q, want %q", tt.name, got, want)
				}
			})
		}
	})
}

func TestExpiry(t *testing.T) {
	attack.Case(t, "SESS-03", attack.Library, func(t *testing.T) {
		const tick = time.Microsecond
		t.Run("idle", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, session.Config{})
				one, two := login(t, m, ada()), login(t, m, ada())
				pause(30*time.Minute - tick)
				wantReason(t, m, "just before", one, "")
				pause(tick)
				wantReason(t, m, "unused, at the instant", two, "idle")
				pause(30*time.Minute - 2*tick)
				wantReason(t, m, "used before", one, "")
			})
		})
		t.Run("a use within the minute moves nothing", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, session.Config{})
				id := login(t, m, ada())
				pause(time.Minute - tick)
				wantReason(t, m, "used", id, "")
				pause(29*time.Minute + tick)
				wantReason(t, m, "after the idle time", id, "idle")
			})
		})
		t.Run("absolute, used all the time and rotated", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, session.Config{Absolute: 2 * time.Hour})
				id := login(t, m, ada())
				for range 11 {
					pause(10 * time.Minute)
					wantReason(t, m, "in use", id, "")
					id = rotate(t, m, id, nil)
				}
				pause(10*time.Minute - tick)
				wantReason(t, m, "just before", id, "")
				pause(tick)
				wantReason(t, m, "at the instant", id, "expired")
				if err := m.Rotate(httptest.NewRecorder(), request(id), nil); !errors.Is(err, session.ErrNoSession) {
					t.Errorf("Rotate of an expired session = %v, want ErrNoSession", err)
				}
			})
		})
		t.Run("remembered: unused, to the absolute end", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, session.Config{Remember: 30 * 24 * time.Hour})
				u := ada()
				u.Remember = true
				id := login(t, m, u)
				pause(30*24*time.Hour - tick)
				wantReason(t, m, "just before", id, "")
				pause(tick)
				wantReason(t, m, "at the instant", id, "expired")
			})
		})
	})
}

func TestTheEnd(t *testing.T) {
	attack.Case(t, "SESS-04", attack.Library, func(t *testing.T) {
		m := newManager(t, session.Config{})
		bob := login(t, m, session.User{Issuer: "password", Subject: "bob"})
		t.Run("logout", func(t *testing.T) {
			one, two := login(t, m, ada()), login(t, m, ada())
			if err := m.Logout(httptest.NewRecorder(), request(one)); err != nil {
				t.Fatal(err)
			}
			wantReason(t, m, "logged out", one, "unknown")
			wantReason(t, m, "another session", two, "")
		})
		t.Run("logout with the id from before a rotation", func(t *testing.T) {
			old := login(t, m, ada())
			id := rotate(t, m, old, nil)
			if err := m.Logout(httptest.NewRecorder(), request(old)); err != nil {
				t.Fatal(err)
			}
			wantReason(t, m, "old id", old, "unknown")
			wantReason(t, m, "new id", id, "unknown")
		})
		t.Run("change of password", func(t *testing.T) {
			old := login(t, m, ada())
			w := httptest.NewRecorder()
			if err := m.LoginAlone(w, request(old), ada()); err != nil {
				t.Fatal(err)
			}
			wantReason(t, m, "the id from before", old, "unknown")
			wantReason(t, m, "the new one", sent(t, w.Header()), "")
			if all, err := m.Sessions(t.Context(), "password", "ada"); err != nil || len(all) != 1 {
				t.Errorf("sessions = %d, %v, want 1", len(all), err)
			}
		})
		t.Run("revoke one", func(t *testing.T) {
			one, two := login(t, m, ada()), login(t, m, ada())
			p, _ := ask(t, m, one)
			if ok, err := m.Revoke(t.Context(), "password", "bob", p.Session); ok || err != nil {
				t.Errorf("Revoke of somebody else's session = %v, %v, want none", ok, err)
			}
			for _, want := range []bool{true, false} {
				if ok, err := m.Revoke(t.Context(), "password", "ada", p.Session); ok != want || err != nil {
					t.Errorf("Revoke = %v, %v, want %v", ok, err, want)
				}
			}
			wantReason(t, m, "revoked", one, "unknown")
			wantReason(t, m, "another", two, "")
		})
		t.Run("revoke all", func(t *testing.T) {
			old := login(t, m, ada())
			ids := []string{login(t, m, ada()), old, rotate(t, m, old, nil)}
			if n, err := m.RevokeUser(t.Context(), "password", "ada"); n < 2 || err != nil {
				t.Errorf("RevokeUser = %d, %v", n, err)
			}
			for _, id := range ids {
				wantReason(t, m, "revoked", id, "unknown")
			}
		})
		wantReason(t, m, "somebody else", bob, "")
	})
}

// A login that raced with a change of password is undone.
func TestLoginIfUndoesWhatIsNotConfirmed(t *testing.T) {
	m := newManager(t, session.Config{})
	changed := errors.New("the password was changed")
	w := httptest.NewRecorder()
	err := m.LoginIf(w, request(), ada(), func(ctx context.Context) error {
		if all, err := m.Sessions(ctx, "password", "ada"); err != nil || len(all) != 1 {
			t.Errorf("sessions while confirming = %d, %v, want 1", len(all), err)
		}
		return changed
	})
	if !errors.Is(err, changed) || sent(t, w.Header()) != "" {
		t.Errorf("LoginIf = %v, cookie %q, want the error and none", err, sent(t, w.Header()))
	}
	if all, err := m.Sessions(t.Context(), "password", "ada"); err != nil || len(all) != 0 {
		t.Errorf("sessions afterwards = %d, %v, want none", len(all), err)
	}
}

func TestOneUserCannotFillTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, session.Config{PerUser: 3})
		var ids []string
		for range 4 {
			ids = append(ids, login(t, m, ada()))
			pause(time.Minute)
			wantReason(t, m, "the first, in use", ids[0], "")
		}
		wantReason(t, m, "the one unused longest", ids[1], "unknown")
		for _, i := range []int{0, 2, 3} {
			wantReason(t, m, "another", ids[i], "")
		}
	})
}

func TestUsersThatNoSessionCanHold(t *testing.T) {
	m := newManager(t, session.Config{})
	for name, edit := range map[string]func(u *session.User){
		"no issuer":         func(u *session.User) { u.Issuer = "" },
		"no subject":        func(u *session.User) { u.Subject = "" },
		"a blank subject":   func(u *session.User) { u.Subject = " " },
		"NUL":               func(u *session.User) { u.Subject = "a\x00" },
		"a line break":      func(u *session.User) { u.Name = "a\nb" },
		"no UTF-8":          func(u *session.User) { u.Name = "\xff" },
		"long":              func(u *session.User) { u.Subject = strings.Repeat("a", 256) },
		"a malformed scope": func(u *session.User) { u.Scopes = exchange.LiteralScopes("a b") },
		"many scopes":       func(u *session.User) { u.Scopes = exchange.LiteralScopes(slices.Repeat([]string{"a"}, 101)...) },
		"large claims":      func(u *session.User) { u.Claims = map[string]any{"a": strings.Repeat("a", 4096)} },
		"claims of no JSON": func(u *session.User) { u.Claims = map[string]any{"a": make(chan int)} },
		"NUL in a claim":    func(u *session.User) { u.Claims = map[string]any{"a": "\x00"} },
	} {
		u := ada()
		edit(&u)
		w := httptest.NewRecorder()
		if err := m.Login(w, request(), u); err == nil || len(w.Header()) != 0 {
			t.Errorf("%s: Login = %v, header %v, want an error and none", name, err, w.Header())
		}
	}
	u := ada()
	u.Claims = map[string]any{"level": 2, "groups": []string{"a"}}
	id := login(t, m, u)
	p, _ := ask(t, m, id)
	if want := map[string]any{"level": 2.0, "groups": []any{"a"}}; !reflect.DeepEqual(p.Claims, want) {
		t.Errorf("claims = %#v, want them as JSON has them", p.Claims)
	}
}

func TestDescribe(t *testing.T) {
	m := newManager(t, session.Config{Scheme: "login"})
	doc := new(openapi.Document)
	if _, err := authn.Require(m.Scheme()).Describe(doc); err != nil {
		t.Fatal(err)
	}
	got := doc.Components.SecuritySchemes["login"]
	if got.Type != openapi.TypeAPIKey || got.In != openapi.InCookie || got.Name != cookieName {
		t.Errorf("described as %+v", got)
	}
	if got := m.Scheme().Challenge("x"); got != `Cookie realm="x", name="__Host-session"` {
		t.Errorf("challenge = %s", got)
	}
	if m.Cookie() != cookieName || m.Scheme().Cookie() != cookieName {
		t.Errorf("cookie = %s", m.Cookie())
	}
}

func TestLogoutHandler(t *testing.T) {
	m := newManager(t, session.Config{})
	h := m.LogoutHandler("//evil.example")
	for _, tt := range []struct {
		name, method string
		header       http.Header
		want         int
	}{
		{"of the own page", http.MethodPost, http.Header{"Sec-Fetch-Site": {"same-origin"}}, 303},
		{"of the address bar", http.MethodPost, http.Header{"Sec-Fetch-Site": {"none"}}, 303},
		{"of a program", http.MethodPost, nil, 303},
		{"of an old browser", http.MethodPost, http.Header{"Origin": {"https://own.example"}}, 303},
		{"another site", http.MethodPost, http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"a sibling", http.MethodPost, http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"said twice", http.MethodPost, http.Header{"Sec-Fetch-Site": {"same-origin", "cross-site"}}, 403},
		{"an unknown word", http.MethodPost, http.Header{"Sec-Fetch-Site": {""}}, 403},
		{"another origin", http.MethodPost, http.Header{"Origin": {"https://evil.example"}}, 403},
		{"no origin to speak of", http.MethodPost, http.Header{"Origin": {"null"}}, 403},
		{"two origins", http.MethodPost, http.Header{"Origin": {"https://own.example", "https://own.example"}}, 403},
		{"GET", http.MethodGet, nil, 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := login(t, m, ada())
			r := request(id)
			r.Method = tt.method
			maps.Copy(r.Header, tt.header)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status = %d, want %d", w.Code, tt.want)
			}
			after := ""
			if w.Code == 303 {
				after = "unknown"
				if got := w.Header().Get("Location"); got != "/" {
					t.Errorf("Location = %q, want /", got)
				}
			}
			wantReason(t, m, "afterwards", id, after)
		})
	}
}

func TestFromElsewhereByTheExchange(t *testing.T) {
	for _, tt := range []struct {
		origin, scheme, host, port string
		want                       bool
	}{
		{"https://own.example", "https", "own.example", "", false},
		{"https://own.example", "https", "own.example", "443", false},
		{"https://own.example:8443", "https", "own.example", "8443", false},
		{"https://own.example", "https", "own.example", "8443", true},
		{"http://own.example", "https", "own.example", "", true},
		{"https://inside.example", "https", "own.example", "", true},
		{"http://own.example", "http", "own.example", "80", false},
	} {
		x := exchange.New(httptest.NewRequest(http.MethodPost, "https://inside.example/", nil))
		x.Scheme, x.Host, x.Port = tt.scheme, tt.host, tt.port
		x.Request.Header.Set("Origin", tt.origin)
		if got := session.FromElsewhere(x.Request); got != tt.want {
			t.Errorf("%s at %s://%s:%s: %v, want %v", tt.origin, tt.scheme, tt.host, tt.port, got, tt.want)
		}
	}
}
