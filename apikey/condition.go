package apikey

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/netip"
	"slices"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// A Use is what a key is shown for, for those who verify without an exchange:
// what narrows a key is judged by it. A field that is empty is not known, and no
// condition on it holds.
type Use struct {
	Client      netip.Addr // the address of whoever sent it, as a listed proxy or the connection says
	Method      string
	Path        string // canonical and still percent-encoded
	Origin      string // the Origin field; "" for none, as well as for more than one
	Public      bool   // the operation takes keys of [KindPublic]
	Dry         bool   // nothing is written
	Certificate *x509.Certificate
}

// The rules of a record that may refuse a right key, as the log has them.
const (
	RuleAddress = "key-address" // not from this address
	RuleMethod  = "key-method"  // not with this method
	RulePath    = "key-path"    // not for this path
	RuleOrigin  = "key-origin"  // not by this page
	RulePublic  = "key-public"  // it is public, and the operation is for secret keys
)

// errNoPath is for a request that passed no target stage: whatever stands in the
// request's own URL has more than one reading.
var errNoPath = errors.New("apikey: the key is for some paths, and the request has no canonical one: is there a target stage before?")

// Rules returns the rules by which a right key may be refused, for metrics that
// know their words beforehand.
func Rules() []string { return []string{RuleAddress, RuleMethod, RulePath, RuleOrigin, RulePublic} }

// denials are the answers, made once: a client may know what narrows its own key.
type denials struct{ address, method, path, origin, public *problem.Problem }

func newDenials() denials {
	about := func(detail string) *problem.Problem { return problem.New(problem.Forbidden, detail) }
	return denials{
		address: about("The key may not be used from this address: its addresses are listed."),
		method:  about("The key may not be used with this method: its methods are listed."),
		path:    about("The key may not be used for this path: its paths are listed."),
		origin:  about("The key is public, and may be used by pages of its listed origins only: Origin names none of them."),
		public:  about("The key is public. This operation takes secret keys only."),
	}
}

// narrow is what narrows a key, ready to be judged.
type narrow struct {
	addresses []netip.Prefix
	methods   []string
	paths     []pathPattern
	origins   []string
	public    bool
	broken    bool // what the record says cannot be read: nothing is allowed
}

// narrowOf returns what narrows a record; nil for nothing.
func narrowOf(r *Record) *narrow {
	n := &narrow{
		addresses: unmapped(r.Addresses), methods: slices.Clone(r.Methods), origins: slices.Clone(r.Origins),
		public: r.KindOf() == KindPublic,
	}
	for _, text := range r.Paths {
		p, err := parsePath(text)
		n.broken = n.broken || err != nil
		n.paths = append(n.paths, p)
	}
	if len(n.addresses)+len(n.methods)+len(n.paths)+len(n.origins) == 0 && !n.public {
		return nil
	}
	return n
}

// refuses returns the rule that does not hold for u, and its answer; "" when all
// do.
func (n *narrow) refuses(u *Use, d *denials) (string, *problem.Problem) {
	switch {
	case n.public && !u.Public:
		return RulePublic, d.public
	case (n.public || len(n.origins) > 0) && !slices.Contains(n.origins, u.Origin):
		return RuleOrigin, d.origin
	case len(n.addresses) > 0 && !n.from(u.Client):
		return RuleAddress, d.address
	case len(n.methods) > 0 && !n.with(u.Method):
		return RuleMethod, d.method
	case n.broken || len(n.paths) > 0 && !n.leads(u.Path):
		return RulePath, d.path
	default:
		return "", nil
	}
}

// from reports whether the address is listed. A zone names an interface of this
// machine, and a mapped address is the IPv4 one.
func (n *narrow) from(client netip.Addr) bool {
	client = client.Unmap().WithZone("")
	for _, p := range n.addresses {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// with reports whether the method is listed. HEAD asks what GET would say of
// itself.
func (n *narrow) with(method string) bool {
	return slices.Contains(n.methods, method) || method == http.MethodHead && slices.Contains(n.methods, http.MethodGet)
}

func (n *narrow) leads(path string) bool {
	for i := range n.paths {
		if n.paths[i].matches(path) {
			return true
		}
	}
	return false
}

// useOf is what x uses a key for. A client that a proxy named in a way that
// nobody can read is nobody's address.
func useOf(x *exchange.Exchange) Use {
	u := Use{Client: x.Client, Method: x.Request.Method, Path: x.Path, Public: x.TakesPublicKeys}
	if x.ClientDoubtful {
		u.Client = netip.Addr{}
	}
	if lines := x.Request.Header["Origin"]; len(lines) == 1 {
		u.Origin = lines[0]
	}
	return u
}

// VerifyFor is Verify of a key that is used for something: it also judges what
// narrows the key, and its certificate. Its error is an [*authn.Denial] when the
// text proves somebody who may not use it so; Verify, which knows nothing of the
// use, denies every key that is narrowed.
func (v *Verifier) VerifyFor(ctx context.Context, text string, use Use) (exchange.Principal, error) {
	info, err := Parse(text)
	if err != nil {
		return exchange.Principal{}, v.refusals.malformed
	}
	return v.verify(ctx, claim{text: text, id: info.ID, cert: use.Certificate, dry: use.Dry, use: &use})
}

// permit returns p, or a denial when what narrows the key does not hold.
func (v *Verifier) permit(n *narrow, c *claim, p exchange.Principal) (exchange.Principal, error) {
	var use Use
	switch {
	case c.x != nil:
		use = useOf(c.x)
	case c.use != nil:
		use = *c.use
	}
	rule, answer := n.refuses(&use, &v.denials)
	switch {
	case rule == "":
		return p, nil
	case rule == RulePath && c.x != nil && c.x.Path == "":
		return exchange.Principal{}, errNoPath
	default:
		return exchange.Principal{}, &authn.Denial{Principal: p, Rule: rule, Problem: answer}
	}
}
