package browser_test

import (
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/interop/browser"
)

// The hosts of the tests: one that is guarded, its sibling, and another site.
const (
	app     = "app.site.test"
	sibling = "evil.site.test"
	other   = "other.test"
)

// An arrival is a request as it came to the guarded host.
type arrival struct {
	method, path, cookie string
	header               http.Header
	reached              bool // by the handler behind the stack
}

// A guarded host is a stack and a handler; every other host shows pages.
type guarded struct {
	*browser.Site
	answer   func(w http.ResponseWriter) // before /toss of any other host is answered; may be nil
	mu       sync.Mutex
	arrivals []*arrival // guarded by mu
}

// serve serves handler behind stack under app's name.
func serve(t *testing.T, tls bool, stack *warder.Stack, handler http.Handler) *guarded {
	t.Helper()
	g := new(guarded)
	inner := stack.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.arrivals[len(g.arrivals)-1].reached = true
		g.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	all := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.Host)
		switch {
		case r.URL.Path == "/hop": // on the way through another origin
			w.Header().Set("Access-Control-Allow-Origin", "*")
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusTemporaryRedirect)
		case r.URL.Path == "/hidden": // a page that hides where it is
			w.Header().Set("Referrer-Policy", "no-referrer")
			browser.Page("hidden").ServeHTTP(w, r)
		case r.URL.Path == "/toss" && host != app && g.answer != nil:
			g.answer(w)
			browser.Page("tossed").ServeHTTP(w, r)
		case host != app || r.URL.Path == "/page":
			browser.Page(host).ServeHTTP(w, r)
		default:
			if strings.HasPrefix(r.URL.Path, "/bare") { // as by an old browser, or through a proxy that removes what it does not know
				r.Header.Del("Origin")
				r.Header.Del("Sec-Fetch-Site")
			}
			g.mu.Lock()
			g.arrivals = append(g.arrivals, &arrival{method: r.Method, path: r.URL.Path, cookie: r.Header.Get("Cookie"), header: r.Header.Clone()})
			g.mu.Unlock()
			inner.ServeHTTP(w, r)
		}
	})
	if tls {
		g.Site = browser.ServeTLS(t, all)
	} else {
		g.Site = browser.Serve(t, all)
	}
	return g
}

// seen returns what came to the guarded host since it was last asked.
func (g *guarded) seen() []arrival {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]arrival, len(g.arrivals))
	for i, a := range g.arrivals {
		all[i] = *a
	}
	g.arrivals = nil
	return all
}

// session is the scheme of a session's cookie: each value is a session of its own.
type session struct{ cookie string }

func (session) Name() string            { return "cookie" }
func (session) Challenge(string) string { return "Cookie" }
func (s session) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	value, state := credential.Cookie(x.Request.Header, s.cookie)
	switch {
	case state == credential.Absent:
		return exchange.Principal{}, authn.ErrNoCredential
	case state != credential.Once:
		return exchange.Principal{}, authn.Unreadable("repeated")
	case value != "alice" && value != "mallory":
		return exchange.Principal{}, authn.Wrong("unknown")
	default:
		return exchange.Principal{Issuer: "warder", Subject: value, Session: "of " + value, Ambient: true}, nil
	}
}

// require is authn's stage for the cookie of that name.
func require(t *testing.T, cookie string) *authn.Stage {
	t.Helper()
	s, err := authn.New(authn.Config{Requirement: authn.Require(session{cookie})})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func edge() warder.Edge { return warder.Edge{Forwarded: forwarded.Direct()} }

// webSocket accepts every handshake (RFC 6455, section 4.2.2), and hangs up.
func webSocket(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	answer := []string{
		"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]), "", "",
	}
	_, _ = conn.Write([]byte(strings.Join(answer, "\r\n")))
	_, _ = conn.Write([]byte{0x88, 0x00}) // a close frame
	_ = conn.Close()
}
