// Package upstream forwards judged requests to the protected API and brings
// its answers back. It is a reverse proxy that trusts neither side:
//
//   - What is forwarded is what was judged: the canonical path of the exchange,
//     byte for byte, and the query as sent. Nothing of a request chooses the
//     address.
//   - Remove, then add: hop-by-hop fields (RFC 9110, section 7.6.1), credentials,
//     everything identity-like and all request trailers leave the request; then
//     our identity and Forwarded fields (RFC 7239) are set. A field that we have
//     no value for is absent. Credentials leave cookies and the query alone, with
//     the rest byte for byte.
//   - An upstream that others can reach as well knows warder by a signed identity, a
//     client certificate or a credential of warder's own: fields alone are no proof.
//   - A request goes to the upstream once. Only GET, HEAD and OPTIONS without a
//     body are sent again, once, and only when a pooled connection died before
//     the first byte of a response.
//   - A request body that breaks never completes at the upstream: its connection
//     is closed in the middle and not used again.
//   - What an upstream may leave unread of a body is no next request: the
//     connection is closed after each body of a stranger, or of a method that is
//     not POST, PUT or PATCH.
//   - Failures are problems without an address; after the response began the
//     connection is cut.
//
// Deviations, on purpose: `Expect: 100-continue` ends here, and this server says
// 100 itself when the upstream is connected; interim responses of the upstream
// (RFC 9110, section 15.2) are dropped, not forwarded; request trailers are
// dropped; an upgrade other than WebSocket is not forwarded.
package upstream

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// An Upstream is an [http.Handler] that forwards to one configured address. The
// request's context must carry an exchange with the facts of the edge (client,
// scheme, host, path): [exchange.Wrap] or a Stack around it. Without them it
// refuses with 500 rather than forward a lie. It is safe for concurrent use.
type Upstream struct {
	base        address
	name        string
	host        string // of the upstream's Host field; "" for the client's
	prefix      string
	canonical   func(path string) (string, error)
	removed     nameSet // from requests
	dropped     nameSet // from responses
	untrailed   nameSet // from response trailers
	credentials credentials
	idle        time.Duration
	tunnelIdle  time.Duration
	write       time.Duration // for one piece to the client of a tunnel
	noReuse     bool          // after any body
	recheck     func(context.Context, *exchange.Exchange) exchange.Verdict
	maxAge      time.Duration // of a stream; 0 for none
	log         *slog.Logger
	transport   transport
	closeIdle   func()
	buffers     sync.Pool
	poisoned    atomic.Uint64 // connections with bytes that nobody asked for
}

// bufferSize is how much of a response is copied at once, in bytes.
const bufferSize = 32 << 10

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Upstream, error) {
	base, err := cfg.check()
	if err != nil {
		return nil, err
	}
	cfg.setDefaults()
	u := &Upstream{
		base: base, name: cfg.Name, host: cfg.HostHeader, prefix: cfg.StripPrefix, canonical: cfg.Canonical,
		removed: requestRemoved(cfg.ownedFields()), credentials: newCredentials(&cfg), dropped: responseRemoved(), untrailed: trailerRemoved(),
		idle: cfg.IdleTimeout, tunnelIdle: cfg.TunnelIdleTimeout, write: cfg.WriteTimeout, noReuse: cfg.NoReuseAfterBody, log: cfg.Log,
		recheck: cfg.Recheck, maxAge: cfg.StreamMaxAge,
	}
	w := &watch{plain: base.scheme == "http", unasked: u.unasked}
	t := newTransport(&cfg, w)
	u.transport, u.closeIdle = t, func() { w.whileClosing(t.CloseIdleConnections) }
	u.buffers.New = func() any { return new([bufferSize]byte) }
	return u, nil
}

// CloseIdleConnections closes pooled connections that no request uses: after a
// graceful stop.
func (u *Upstream) CloseIdleConnections() { u.closeIdle() }

// Poisoned is how many connections were given up because the upstream sent bytes
// on them that no request had asked for: the answer to a request that nobody
// judged, or a broken server. Over TLS it counts only those that arrive when the
// connection is used again.
func (u *Upstream) Poisoned() uint64 { return u.poisoned.Load() }

// unasked tells of such bytes, not what they are.
func (u *Upstream) unasked() {
	u.poisoned.Add(1)
	u.log.Warn("upstream sent bytes that nobody asked for: the connection is closed", slog.String("upstream", u.name))
}

// ServeHTTP forwards r and answers with what the upstream says. It panics with
// [http.ErrAbortHandler] to cut a response that cannot be completed, and when
// the client is gone.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchange.From(r.Context())
	if x == nil {
		unfit().Write(w, r, "")
		return
	}
	if reason := misfit(x); reason != "" {
		x.Refuse(w, unfit(), reason, nil)
		return
	}
	target, err := u.target(x)
	if err != nil {
		u.refuseTarget(w, x, err)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	f := &flight{u: u, x: x, w: w, rc: http.NewResponseController(w), ctx: ctx, cancel: cancel}
	step := x.Span.Timeline.Start("upstream", u.name)
	defer x.Span.Timeline.Stop(step)
	f.run(target) //nolint:contextcheck // a flight has its context
}

// unfit is the problem of a request that reached the upstream without what the
// stages before it must have found out.
func unfit() *problem.Problem {
	return problem.New(problem.Internal, "The server is set up wrongly. Quote the request id when you report it.")
}

// misfit names what makes x unfit to be forwarded; "" when nothing does.
func misfit(x *exchange.Exchange) string {
	switch r := x.Request; {
	case x.Dry:
		return "dry"
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return "method" // a tunnel, and an echo of what we add: neither is for a client
	case x.Scheme != "http" && x.Scheme != "https":
		return "no-scheme"
	case !validHost(x.Host) || !validPort(x.Port):
		return "no-host"
	case x.Principal.IsZero() && (x.Principal.KeyID != "" || x.Principal.Owner != "" || len(x.Principal.Scopes.Names()) > 0):
		return "half-a-principal" // identity without a proof
	default:
		return ""
	}
}

// validHost reports whether host is a canonical one that cannot be read as more
// than one element wherever it is written (RFC 9110, section 7.2).
func validHost(host string) bool {
	for i := range len(host) {
		if b := host[i]; b <= ' ' || b >= 0x7f || strings.IndexByte(`"\,;/?#@<>^{|}`+"`", b) >= 0 {
			return false
		}
	}
	return host != "" && (strings.IndexByte(host, ':') < 0 || host[0] == '[' && host[len(host)-1] == ']')
}

func validPort(port string) bool {
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	return len(port) <= 5
}
