package csrf_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/secret"
)

// The site under test, as its users see it.
const (
	own  = "https://app.example.com"
	page = own + "/orders"
)

func key1() secret.Text { return secret.New(strings.Repeat("first-", 6)) }
func key2() secret.Text { return secret.New(strings.Repeat("second", 6)) }

// pause lets the clock of a synctest bubble run.
func pause(d time.Duration) { <-time.After(d) }

func newStage(tb testing.TB, cfg csrf.Config) *csrf.Stage {
	tb.Helper()
	if cfg.Keys == nil {
		cfg.Keys = []secret.Text{key1()}
	}
	s, err := csrf.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// alice is who has a session; each name of a session is another login.
func alice(session string) exchange.Principal {
	return exchange.Principal{Issuer: "warder", Subject: "alice", Session: session, Ambient: true}
}

// sid is a cookie of a session: "s1" and "s2" are alice's, "key" stands for a
// key in a cookie, which has no session.
type sid struct{}

func (sid) Name() string            { return "cookie" }
func (sid) Challenge(string) string { return "Cookie" }
func (sid) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	value, state := credential.Cookie(x.Request.Header, "sid")
	switch {
	case state == credential.Absent:
		return exchange.Principal{}, authn.ErrNoCredential
	case state != credential.Once:
		return exchange.Principal{}, authn.Unreadable("repeated")
	case value == "s1" || value == "s2":
		return alice(value), nil
	case value == "key":
		return exchange.Principal{Issuer: "warder", Subject: "k1", KeyID: "k1", Ambient: true}, nil
	default:
		return exchange.Principal{}, authn.Wrong("unknown")
	}
}

// header is a key in a header: "good" proves k9.
type header struct{}

func (header) Name() string            { return "apiKey" }
func (header) Challenge(string) string { return "ApiKey" }
func (header) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	switch x.Request.Header.Get("X-API-Key") {
	case "":
		return exchange.Principal{}, authn.ErrNoCredential
	case "good":
		return exchange.Principal{Issuer: "warder", Subject: "k9", KeyID: "k9"}, nil
	default:
		return exchange.Principal{}, authn.Wrong("unknown")
	}
}

// api answers with what it was sent, and with who sent it.
func api() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		w.Header().Set("X-Who", exchange.From(r.Context()).Principal.Subject)
		_, _ = w.Write(body)
	})
}

// guarded is the whole of a route that a cookie, or a key in a header, opens.
func guarded(tb testing.TB, s *csrf.Stage) http.Handler {
	tb.Helper()
	keys, err := authn.New(authn.Config{Requirement: authn.Requirement{{{Scheme: header{}}}, {{Scheme: sid{}}}}})
	if err != nil {
		tb.Fatal(err)
	}
	stack := &warder.Stack{
		Edge:   warder.Edge{Forwarded: forwarded.Direct()},
		Policy: &warder.Policy{Authn: keys, CSRF: s},
	}
	return stack.Wrap(api())
}

// A sent is one request to page; its zero value is a POST of alice's browser
// without any field that tells where it comes from.
type sent struct {
	method string // POST by default
	url    string // page by default
	cookie string // "sid=s1" by default, "-" for none
	fields []string
	body   string
	reader io.Reader // instead of body, of unknown length
}

// fields makes a header of "Name: value" lines; a name may be repeated.
func (s sent) request() *http.Request {
	if s.method == "" {
		s.method = http.MethodPost
	}
	if s.url == "" {
		s.url = page
	}
	if s.cookie == "" {
		s.cookie = "sid=s1"
	}
	reader := s.reader
	if reader == nil {
		reader = strings.NewReader(s.body)
	}
	r := httptest.NewRequest(s.method, s.url, reader)
	if s.cookie != "-" {
		r.Header.Set("Cookie", s.cookie)
	}
	for _, field := range s.fields {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func (s sent) to(h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, s.request())
	return w
}

// exchangeOf is the request as csrf sees it: after forwarded and authn.
func (s sent) exchangeOf(p exchange.Principal) *exchange.Exchange {
	x := exchange.New(s.request())
	forwarded.Direct().Check(x)
	x.Principal = p
	return x
}

// tokenFor returns a token of s for p.
func tokenFor(tb testing.TB, s *csrf.Stage, p exchange.Principal) string {
	tb.Helper()
	token := s.Token(sent{}.exchangeOf(p))
	if token == "" {
		tb.Fatalf("no token for %+v", p)
	}
	return token
}

// A row is a request and what comes of it: "" for a pass, else the reason.
type row struct {
	name   string
	sent   sent
	reason string
}

// run sends each row to a route that s guards, and looks at the status, at the
// handler, and at the reason.
func run(t *testing.T, cfg csrf.Config, rows []row) {
	t.Helper()
	var reported []string
	cfg.Report = func(_ *exchange.Exchange, reason string) { reported = append(reported, reason) }
	h := guarded(t, newStage(t, cfg))
	for _, tt := range rows {
		reported = nil
		w := tt.sent.to(h)
		want := http.StatusOK
		if tt.reason != "" {
			want = http.StatusForbidden
		}
		if got := strings.Join(reported, ","); w.Code != want || got != tt.reason {
			t.Errorf("%s: status %d, reason %q; want %d, %q", tt.name, w.Code, got, want, tt.reason)
		}
		if w.Code == http.StatusForbidden && !strings.Contains(w.Body.String(), "cross-site-request") {
			t.Errorf("%s: the problem is %s", tt.name, w.Body)
		}
		if reached := w.Header().Get("X-Who") != ""; reached != (want == http.StatusOK) {
			t.Errorf("%s: the handler was reached: %v", tt.name, reached)
		}
		if want == http.StatusOK && tt.sent.reader == nil && w.Body.String() != tt.sent.body {
			t.Errorf("%s: the handler read %.60q, want %.60q", tt.name, w.Body, tt.sent.body)
		}
	}
}
