package password_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
)

func newHandler(tb testing.TB, cfg password.HandlerConfig) *password.Handler {
	tb.Helper()
	if cfg.Sessions == nil {
		cfg.Sessions = newSessions(tb)
	}
	h, err := password.NewHandler(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// post sends a form, or JSON when body begins so, to the address.
func post(h http.Handler, address, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, address, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func form(name, word string) string {
	return url.Values{"username": {name}, "password": {word}}.Encode()
}

func TestHandler(t *testing.T) {
	sessions := newSessions(t)
	h := newHandler(t, password.HandlerConfig{Checker: newChecker(t, password.Config{Users: newPeople(t, "ada")}), Sessions: sessions, Home: "/home"})
	good := form("ada", right)
	for _, tt := range []struct {
		name, address, body string
		status              int
		location            string
	}{
		{"a form", "/login", good, 303, "/home"},
		{"a form with a way back", "/login", good + "&return=%2Forders%3Fid%3D7", 303, "/orders?id=7"},
		{"a way back in the address", "/login?return=/orders", good, 303, "/orders"},
		{"a way elsewhere", "/login", good + "&return=//evil.example", 303, "/"},
		{"a way elsewhere in the address", "/login?return=https:evil", good, 303, "/"},
		{"JSON", "/login", `{"username":"ada","password":"` + right + `"}`, 204, ""},
		{"JSON, remembered", "/login", `{"username":"ada","password":"` + right + `","remember":true,"return":"/a"}`, 204, ""},
		{"a wrong password", "/login", form("ada", wrong), 401, ""},
		{"an unknown user", "/login", form("eve", right), 401, ""},
		{"no password", "/login", form("ada", ""), 401, ""},
		{"a long password", "/login", form("ada", strings.Repeat("a", 1025)), 401, ""},
		{"a field less", "/login", "username=ada", 400, ""},
		{"a field twice", "/login", good + "&password=" + right, 400, ""},
		{"two ways back", "/login", good + "&return=/a&return=/b", 400, ""},
		{"a broken form", "/login", good + "&%zz", 400, ""},
		{"the password in the address", "/login?password=x", good, 400, ""},
		{"the name in the address", "/login?username=ada", good, 400, ""},
		{"a broken address", "/login?%zz", good, 400, ""},
		{"JSON with a field more", "/login", `{"username":"ada","password":"x","admin":true}`, 400, ""},
		{"JSON with a field less", "/login", `{"username":"ada"}`, 400, ""},
		{"JSON and more", "/login", `{"username":"ada","password":"x"}{}`, 400, ""},
		{"JSON of another type", "/login", `{"username":1,"password":"x"}`, 400, ""},
		{"no JSON", "/login", `{`, 400, ""},
		{"9 KiB", "/login", strings.Repeat("a", 9<<10), 413, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := post(h, tt.address, tt.body)
			passed := tt.status == 303 || tt.status == 204
			cookie := w.Header().Get("Set-Cookie")
			if w.Code != tt.status || w.Header().Get("Location") != tt.location || passed != (cookie != "") || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("got %d to %q, cookie %q", w.Code, w.Header().Get("Location"), cookie)
			}
			if tt.status == 401 && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Cookie ") {
				t.Errorf("WWW-Authenticate = %q", w.Header().Get("WWW-Authenticate"))
			}
			if passed {
				wantSession(t, sessions, cookie)
			}
		})
	}
}

// wantSession reports that a Set-Cookie field is not that of a session of ada's.
func wantSession(t *testing.T, sessions *session.Manager, line string) {
	t.Helper()
	c, err := http.ParseSetCookie(line)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	p, err := sessions.Scheme().Authenticate(exchange.New(r))
	if err != nil || p.Issuer != "password" || p.Subject != "ada" || !p.Scopes.Allow("orders:read") {
		t.Errorf("principal = %+v, %v", p, err)
	}
}

func TestHandlerTakesPostsOfItsOwnPagesOnly(t *testing.T) {
	h := newHandler(t, password.HandlerConfig{Checker: newChecker(t, password.Config{Users: newPeople(t, "ada")})})
	for _, tt := range []struct {
		name, method string
		header       [2]string
		want         int
	}{
		{"from the same origin", http.MethodPost, [2]string{"Sec-Fetch-Site", "same-origin"}, 303},
		{"from another site", http.MethodPost, [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"from a sibling", http.MethodPost, [2]string{"Sec-Fetch-Site", "same-site"}, 403},
		{"from another origin", http.MethodPost, [2]string{"Origin", "https://evil.example"}, 403},
		{"GET", http.MethodGet, [2]string{"Sec-Fetch-Site", "same-origin"}, 405},
		{"another type", http.MethodPost, [2]string{"Content-Type", "text/plain"}, 400},
		{"a broken type", http.MethodPost, [2]string{"Content-Type", ";"}, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/login", strings.NewReader(form("ada", right)))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(tt.header[0], tt.header[1])
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != tt.want {
				t.Errorf("status = %d, want %d", w.Code, tt.want)
			}
		})
	}
}

func TestNothingTellsAnUnknownUserFromAWrongPassword(t *testing.T) {
	attack.Case(t, "SESS-09", attack.Library, func(t *testing.T) {
		p := newPeople(t, "ada", "gone")
		gone := p.users["gone"]
		gone.Disabled = true
		p.set(gone)
		h := newHandler(t, password.HandlerConfig{Checker: newChecker(t, password.Config{Users: p})})
		first := post(h, "/login", form("ada", wrong))
		for name, word := range map[string]string{"eve": wrong, "gone": right, "\xff": right} {
			w := post(h, "/login", form(name, word))
			if w.Code != first.Code || w.Body.String() != first.Body.String() || len(w.Header()) != len(first.Header()) {
				t.Errorf("%q: %d %s, want %d %s", name, w.Code, w.Body, first.Code, first.Body)
			}
			for field := range first.Header() {
				if w.Header().Get(field) != first.Header().Get(field) {
					t.Errorf("%q: %s = %q, want %q", name, field, w.Header().Get(field), first.Header().Get(field))
				}
			}
		}
	})
}

func TestHandlerThrottles(t *testing.T) {
	attack.Case(t, "SESS-10", attack.Library, func(t *testing.T) {
		h := newHandler(t, password.HandlerConfig{Checker: newChecker(t, password.Config{Users: newPeople(t, "ada")})})
		for range 5 {
			if w := post(h, "/login", form("ada", wrong)); w.Code != 401 {
				t.Fatalf("status = %d, want 401", w.Code)
			}
		}
		w := post(h, "/login", form("ada", right))
		if after := w.Header().Get("Retry-After"); w.Code != 429 || after != "1" || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("status %d, Retry-After %q, want 429 and 1", w.Code, after)
		}
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(form("ada", right)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		x := exchange.New(r)
		x.Client = home(7) // as the edge found it, through a proxy
		w = httptest.NewRecorder()
		if h.ServeHTTP(w, x.Request); w.Code != 303 {
			t.Errorf("from another address through the same proxy: status %d, want 303", w.Code)
		}
	})
}

func TestLongPasswordsAreNotRead(t *testing.T) {
	attack.Case(t, "SESS-11", attack.Library, func(t *testing.T) {
		p := newPeople(t, "ada")
		h := newHandler(t, password.HandlerConfig{Checker: newChecker(t, password.Config{Users: p})})
		text, err := json.Marshal(map[string]string{"username": "ada", "password": strings.Repeat("a", 1<<20)})
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{form("ada", strings.Repeat("a", 1<<20)), string(text)} {
			if w := post(h, "/login", body); w.Code != 413 || p.asked != 0 {
				t.Errorf("status = %d after %d look-ups, want 413 and none", w.Code, p.asked)
			}
		}
	})
}

// A password that is changed between its comparison and the session's begin
// begins none.
func TestPasswordChangedMeanwhile(t *testing.T) {
	attack.Case(t, "SESS-04", attack.Library, func(t *testing.T) {
		p, sessions := newPeople(t, "ada"), newSessions(t)
		h := newHandler(t, password.HandlerConfig{Checker: newChecker(t, password.Config{Users: p}), Sessions: sessions})
		lookups := 0
		p.hook = func(string) {
			if lookups++; lookups != 2 { // the second is the confirmation: the session is there
				return
			}
			if all, err := sessions.Sessions(t.Context(), "password", "ada"); err != nil || len(all) != 1 {
				t.Errorf("sessions at the confirmation = %d, %v, want 1", len(all), err)
			}
			u := p.users["ada"]
			u.Hash = "$argon2id$changed"
			p.users["ada"] = u
		}
		if w := post(h, "/login", form("ada", right)); w.Code != 503 || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("status = %d, cookie %q, want 503 and none", w.Code, w.Header().Get("Set-Cookie"))
		}
		if all, err := sessions.Sessions(t.Context(), "password", "ada"); err != nil || len(all) != 0 {
			t.Errorf("sessions = %d, %v, want none", len(all), err)
		}
	})
}

func TestHandlerWhenUsersAreAway(t *testing.T) {
	attack.Case(t, "SESS-07", attack.Library, func(t *testing.T) {
		var j journal
		p := newPeople(t, "ada")
		h := newHandler(t, password.HandlerConfig{Checker: newChecker(t, password.Config{Users: p, Log: j.log()})})
		p.fail(errDown)
		if w := post(h, "/login", form("ada", right)); w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "away") {
			t.Errorf("%d %s, want 503", w.Code, w.Body)
		}
		if !strings.Contains(j.String(), "users are away") {
			t.Errorf("the log does not tell why: %s", j.String())
		}
	})
}

func TestLogOfLogins(t *testing.T) {
	var j journal
	h := newHandler(t, password.HandlerConfig{Checker: newChecker(t, password.Config{Users: newPeople(t, "ada"), Log: j.log()})})
	post(h, "/login", form("ada", "canary-1"))
	post(h, "/login", form("canary-2", "canary-1")) // a password in the wrong field
	got := j.String()
	if strings.Contains(got, "canary") || !strings.Contains(got, "reason=wrong-password user=ada") || !strings.Contains(got, "reason=unknown-user\n") ||
		!strings.Contains(got, "client=192.0.2.1") {
		t.Errorf("log:\n%s", got)
	}
}

func TestRefusedByAPage(t *testing.T) {
	h := newHandler(t, password.HandlerConfig{
		Checker: newChecker(t, password.Config{Users: newPeople(t, "ada")}),
		Refused: func(w http.ResponseWriter, _ *http.Request, p *problem.Problem) {
			w.WriteHeader(p.Type.Status())
			_, _ = w.Write([]byte("<form>" + p.Detail))
		},
	})
	if w := post(h, "/login", form("ada", wrong)); w.Code != 401 || w.Body.String() != "<form>The name or the password is wrong." {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestNewHandlerReportsAllThatIsWrong(t *testing.T) {
	_, err := password.NewHandler(password.HandlerConfig{Home: "//evil.example"})
	for _, want := range []string{"Checker", "Sessions", "Home"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error does not tell of %s: %v", want, err)
		}
	}
}

// Behind a Stack the refusal is the stack's: with its id, and for its log.
func TestHandlerBehindAStage(t *testing.T) {
	sessions := newSessions(t)
	stage, err := authn.New(authn.Config{Requirement: append(authn.Require(sessions.Scheme()), authn.Alternative{})})
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, password.HandlerConfig{Checker: newChecker(t, password.Config{Users: newPeople(t, "ada")}), Sessions: sessions})
	var reason string
	w := post(exchange.Wrap(finishing{stage, &reason}, h), "/login", form("ada", wrong))
	if w.Code != 401 || reason != "wrong-password" {
		t.Errorf("status %d, reason %q", w.Code, reason)
	}
}

type finishing struct {
	exchange.Stage
	reason *string
}

func (f finishing) Done(_ *exchange.Exchange, o exchange.Outcome) { *f.reason = o.Reason }

var _ password.Users = (*people)(nil)

func FuzzForm(f *testing.F) {
	h := newHandler(f, password.HandlerConfig{Checker: newChecker(f, password.Config{Users: nobody{}})})
	for _, body := range []string{form("ada", right), `{"username":"ada","password":"x"}`, "username=a&password=b&return=/c", "%zz", "{}"} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		switch w := post(h, "/login", body); w.Code {
		case 400, 401, 413, 503:
		default:
			t.Errorf("%q: status %d", body, w.Code)
		}
	})
}

// nobody has no users, and does not let a hash be computed.
type nobody struct{}

func (nobody) Lookup(context.Context, string) (password.User, error) {
	return password.User{}, errDown
}
