// Package exchange is the vocabulary of a decision: what is known of a request
// ([Exchange]), whom it proves ([Principal]), what a stage says ([Verdict]) and
// what came of it ([Outcome]).
//
// A [Stage] reads the exchange and gives a verdict. [Serve] is the one adapter
// from that to net/http; [Wrap] uses it for a single stage, warder.Stack for
// all of them.
package exchange

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/netip"
	"time"
)

// An Exchange is one request on its way through the stages. The stage that is
// named at a field sets it, every later one may read it, and nothing else
// changes it. An Exchange belongs to its request's goroutine.
type Exchange struct {
	// Request is the request as the handler will see it: a shallow copy of what
	// net/http read. Stages never edit RemoteAddr, Host or a credential in it.
	Request *http.Request

	Start time.Time // when the first stage saw the request
	ID    string    // requestid: unique, made here, safe to log

	// Set by forwarded, from the connection or from listed peers.
	Peer   netip.AddrPort // who holds the connection; invalid for a Unix socket
	Client netip.Addr     // whom the request comes from; without zone, IPv4 never mapped
	Scheme string         // "http" or "https"; "" where forwarded refused what says which
	Host   string         // canonical: lower case, no port, no trailing dot, IPv6 in brackets
	Port   string         // as sent with the host, digits only; "" when absent

	// PeerListed is set by forwarded: who holds the connection is believed about where
	// requests come from.
	PeerListed bool

	// ClientDoubtful is set by forwarded: a listed peer named the client in a way
	// that nobody can read, and Client is the last listed hop instead. No rule that
	// lets addresses in holds for such a request.
	ClientDoubtful bool

	// ClientCert is set by forwarded: the certificate that the client proved in the
	// TLS handshake and that was verified there, or that a listed peer forwarded;
	// nil for none. What a listed peer proved for itself is not the client's.
	ClientCert *x509.Certificate

	// Set by target.
	Path         string    // canonical and still percent-encoded: what is matched and judged; "*" for OPTIONS *
	UpstreamPath string    // what is forwarded: Path, with path parameters where the route allows them
	RawQuery     string    // as sent
	Ambiguity    Ambiguity // what had to be resolved to make Path

	// Set by the route.
	Route string // the pattern that matched; "" for none

	// Policy is the Stack's own note of the policy that the route chose.
	Policy any

	// Claim is set by apikey: the key id that the request claims, proven or not.
	// For logs only.
	Claim string

	// Attempt is bruteforce's own note of a credential that may be a guess.
	Attempt Attempt

	// TakesPublicKeys is set by authn before it asks for credentials: the operation
	// takes those that a page holds, and everybody can read there.
	TakesPublicKeys bool

	// Set by authn. The zero Principal is nobody.
	Principal Principal

	// NearLimit is set by ratelimit: the name of a limit that the request's subject
	// has nearly reached, for the upstream; "" for none.
	NearLimit string

	// Set by bodylimit: bytes that the handler may read, 0 for no limit. The
	// adapter enforces it.
	BodyLimit int64

	// Charge is set by usage: the credits that the request took.
	Charge Charge

	// Span is set by tracing: the request's place in a distributed trace.
	Span Span

	// Dry asks every stage to read and never write: explain, a shadow
	// configuration and policy tests judge without a trace.
	Dry bool

	// Hearsay says that who tells of the request may make its client up: what counts by
	// address alone is read and never written, so that nobody's address is used up by
	// strangers. What counts by who is proved counts.
	Hearsay bool

	writer     recorder
	body       trackedBody
	late       refusal
	idField    [1]string
	queryTaken bool
	hidden     bool   // the URL as it was sent holds a credential
	sentQuery  string // as it was before a credential was taken out of it
}

// An Attempt is where a credential counts as one that nobody has judged yet, by
// the numbers of bruteforce; 0 for nowhere. Passed says that it was right, or that
// there was none.
type Attempt struct {
	Address, Pair uint64
	Passed        bool
}

// SetQuery makes raw the query of the request, for everybody who comes later. A
// scheme that found a credential in the query takes it out with this, so that
// neither the handler nor the upstream sees it. The request becomes a shallow
// copy: the one that net/http read keeps what was sent.
func (x *Exchange) SetQuery(raw string) {
	address := *x.Request.URL
	if !x.queryTaken {
		x.sentQuery = x.RawQuery
	}
	address.RawQuery, address.ForceQuery = raw, false
	r := *x.Request
	r.URL, r.RequestURI = &address, address.RequestURI()
	x.Request, x.RawQuery, x.queryTaken, x.hidden = &r, raw, true, true
}

// QueryTaken reports whether SetQuery was called: the URL as it was sent holds a
// credential, so that nobody may store the answer or name the URL to others.
func (x *Exchange) QueryTaken() bool { return x.queryTaken }

// IDField returns the request id as the values of a header field, at no cost.
// They are valid as long as the exchange; the caller must not change them.
func (x *Exchange) IDField() []string {
	x.idField[0] = x.ID
	return x.idField[:]
}

// carrier is the context that carries an Exchange: one allocation for both.
type carrier struct {
	context.Context
	x Exchange
}

type contextKey struct{}

// Value returns the exchange for the package's key, and else what the request's
// own context holds.
func (c *carrier) Value(key any) any {
	if key == (contextKey{}) {
		return &c.x
	}
	return c.Context.Value(key)
}

// From returns the exchange that ctx carries, or nil when no stage has run.
func From(ctx context.Context) *Exchange {
	x, _ := ctx.Value(contextKey{}).(*Exchange)
	return x
}

// New returns a fresh exchange for r, whose Request carries it in its context.
// r itself is not changed. Fronts call New; stages never do.
func New(r *http.Request) *Exchange {
	c := &carrier{Context: r.Context()}
	c.x.Start = time.Now()
	c.x.Request = r.WithContext(c)
	return &c.x
}
