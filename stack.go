package warder

import (
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/bruteforce"
	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/securityheaders"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/trustedhost"
	"github.com/warder-dev/warder/usage"
)

// Edge is what every request of a listener meets, whatever its route: what
// arrived, and from whom. A nil stage is absent. The fields stand in the order
// in which the stages judge; another order cannot be written.
type Edge struct {
	// RequestID gives each request an id of our own, so that a client cannot
	// forge the thread that ties log lines together.
	RequestID *requestid.Stage

	// AccessLog writes one record of allow-listed fields per request, so that no
	// credential reaches a log.
	AccessLog *accesslog.Stage

	// Recover turns a panic into a logged 500, so that a failure inside never
	// becomes a pass or prints a request.
	Recover *httpserver.Recover

	// SecurityHeaders restricts what a browser does with an answer, so that data is
	// never taken for a page.
	SecurityHeaders *securityheaders.Stage

	// Forwarded finds the client's address, scheme and host, so that nobody is
	// believed who is not listed.
	Forwarded *forwarded.Stage

	// Tracing gives the request its place in a distributed trace, and records it, so
	// that what happens here is seen beside what happens before and behind it. It is
	// a stage of your own, which sets [exchange.Exchange.Span], or none.
	Tracing exchange.Stage

	// TrustedHost refuses hosts that are not listed, so that nothing is ever made of
	// a name that somebody else chose.
	TrustedHost *trustedhost.Stage

	// SNI wants the host of the handshake, so that nobody passes the handshake of
	// one name and asks for another.
	SNI *httpserver.SNI

	// Target makes one reading of the target, so that what is judged is what is
	// handled.
	Target *target.Stage

	// HTTPS sends plain HTTP to https and refuses credentials that came over it, so
	// that none is read on the way twice.
	HTTPS *httpserver.HTTPS

	// Metrics is told of every outcome, so that refusals and failures are seen.
	Metrics exchange.Finisher
}

// Policy is what the requests of one route meet. A nil stage is absent: a
// Policy without Authn is public. The fields stand in the order in which the
// stages judge. A Policy must not be changed or copied once it is in use.
type Policy struct {
	// Paths are the ambiguities that the route allows; the zero value allows
	// none, whatever the edge let through.
	Paths exchange.Ambiguity

	// SecurityHeaders restricts what a browser does with the route's answers, so that
	// a route with pages need not loosen what holds for data. It takes the place of
	// the edge's, of which it inherits nothing: what it omits is not sent.
	SecurityHeaders *securityheaders.Stage

	// CORS answers preflights, which have no credential, and says on every answer
	// of the route which other origins may read it: refusals too.
	CORS *cors.Stage

	// BodyLimit bounds the body before anything reads it.
	BodyLimit *bodylimit.Stage

	// AddressLimit counts every request of the route before anybody is asked who
	// sent it, so that guessing costs the one who guesses.
	AddressLimit *ratelimit.Stage

	// Deny refuses what came so far: the policy of requests that match no route
	// says 404 or 405 here, after the stages that protect the server itself.
	Deny *problem.Problem

	// Guard makes those wait whose credentials were wrong, so that nobody can guess
	// for long.
	Guard *bruteforce.Guard

	// Authn requires a credential, so that nobody passes unproved.
	Authn *authn.Stage

	// CSRF refuses writes that another site may have had a browser send, where the
	// credential is one that browsers send by themselves.
	CSRF *csrf.Stage

	// Authz judges what somebody who is proved may do beyond scopes, so that a right
	// ends where its conditions do. Conditions on the address and the time also
	// stand for a route without Authn.
	Authz *authz.Stage

	// Validate refuses parameters and bodies that are not what the operation takes,
	// so that nobody pays for a request that the API would have refused, and the API
	// never sees it. It is package contract's stage, or one of your own.
	Validate exchange.Stage

	// Concurrency bounds what somebody has under way at once. It holds before
	// PrincipalLimit, so that a request without a place spends nothing.
	Concurrency *ratelimit.Concurrency

	// PrincipalLimit counts the requests that nothing above refused, by who sent
	// them, so that nobody can spend what is another's.
	PrincipalLimit *ratelimit.Stage

	// Credit takes what the request costs, after everything that could refuse it, so
	// that nobody pays for an answer that he did not get.
	Credit *usage.Stage

	once  sync.Once
	links []link
}

// A Route finds the policy of a request whose target is canonical, and sets
// [exchange.Exchange.Route]. nil fails the request with 503: a route that
// matches nothing returns a Policy with Deny. Implementations are safe for
// concurrent use.
type Route interface {
	Match(x *exchange.Exchange) *Policy
}

// A Stack judges requests: the Edge's stages, then the Route, then its Policy's
// stages. It passes a request only when every one of them did. A Stack is safe
// for concurrent use and must not be changed or copied once it is in use.
type Stack struct {
	Edge  Edge
	Route Route

	// Policy judges every request when Route is nil. One of both is required: a
	// Stack without either refuses everything.
	Policy *Policy

	once  sync.Once
	links []link
}

// A link is one stage with its optional abilities.
type link struct {
	name    string
	stage   exchange.Stage
	headers exchange.HeaderWriter
	finish  exchange.Finisher
	timed   bool // what it takes is worth a step of a recorded request
}

// chain collects the stages that are present.
type chain []link

func (c *chain) add(name string, present bool, s exchange.Stage) {
	if !present {
		return // s holds a typed nil
	}
	l := link{name: name, stage: s, timed: worthAStep(name)}
	l.headers, _ = s.(exchange.HeaderWriter)
	l.finish, _ = s.(exchange.Finisher)
	*c = append(*c, l)
}

// worthAStep reports whether the stage may wait for somebody, or reads what a client
// can make long.
func worthAStep(name string) bool {
	switch name {
	case "addresslimit", "authn", "authz", "validate", "concurrency", "principallimit", "credit":
		return true
	default:
		return false
	}
}

// order is the order of the edge's stages. Recover is none: it holds no opinion.
func (e *Edge) order() []link {
	var c chain
	c.add("requestid", e.RequestID != nil, e.RequestID)
	c.add("accesslog", e.AccessLog != nil, e.AccessLog)
	c.add("securityheaders", e.SecurityHeaders != nil, e.SecurityHeaders)
	c.add("forwarded", e.Forwarded != nil, e.Forwarded)
	c.add("tracing", e.Tracing != nil, e.Tracing)
	c.add("trustedhost", e.TrustedHost != nil, e.TrustedHost)
	c.add("sni", e.SNI != nil, e.SNI)
	c.add("target", e.Target != nil, e.Target)
	c.add("https", e.HTTPS != nil, e.HTTPS)
	return c
}

// order is the order of a policy's stages.
func (p *Policy) order() []link {
	var c chain
	c.add("paths", true, paths{allowed: p.Paths})
	c.add("securityheaders", p.SecurityHeaders != nil, p.SecurityHeaders)
	c.add("cors", p.CORS != nil, p.CORS)
	c.add("bodylimit", p.BodyLimit != nil, p.BodyLimit)
	c.add("addresslimit", p.AddressLimit != nil, p.AddressLimit)
	c.add("route", p.Deny != nil, deny{p.Deny})
	c.add("guard", p.Guard != nil, p.Guard)
	if p.Guard != nil && p.Authn != nil {
		c.add("authn", true, guarded{p.Authn, p.Guard})
	} else {
		c.add("authn", p.Authn != nil, p.Authn)
	}
	c.add("csrf", p.CSRF != nil, p.CSRF)
	c.add("authz", p.Authz != nil, p.Authz)
	c.add("validate", p.Validate != nil, p.Validate)
	c.add("concurrency", p.Concurrency != nil, p.Concurrency)
	c.add("principallimit", p.PrincipalLimit != nil, p.PrincipalLimit)
	c.add("credit", p.Credit != nil, p.Credit)
	return c
}

func (p *Policy) compiled() []link {
	p.once.Do(func() { p.links = p.order() })
	return p.links
}

func (s *Stack) compiled() []link {
	s.once.Do(func() { s.links = s.Edge.order() })
	return s.links
}

// guarded is Authn that tells the Guard at once what it has passed: no guess,
// however long the rest takes.
type guarded struct {
	*authn.Stage

	guard *bruteforce.Guard
}

func (s guarded) Check(x *exchange.Exchange) exchange.Verdict {
	v := s.Stage.Check(x)
	if v.Passed() {
		s.guard.Passed(x)
	}
	return v
}

// paths refuses the ambiguities that the edge let through for other routes.
type paths struct{ allowed exchange.Ambiguity }

func (p paths) Check(x *exchange.Exchange) exchange.Verdict {
	if over := x.Ambiguity &^ p.allowed; over != 0 {
		return exchange.Refuse(target.Ambiguous(), over.String())
	}
	return exchange.Pass()
}

// deny refuses everything.
type deny struct{ problem *problem.Problem }

func (d deny) Check(*exchange.Exchange) exchange.Verdict { return exchange.Refuse(d.problem, "") }

var errNoPolicy = errors.New("warder: the Stack has neither a Route nor a Policy for the request")

// Decide judges x: it is the core that every front asks. x is allowed when the
// trace says so, and never otherwise. Decide writes nothing to a client.
func (s *Stack) Decide(x *exchange.Exchange) exchange.Trace {
	if t := judge(s.compiled(), x); !t.Allowed() {
		return t
	}
	p := s.Policy
	if s.Route != nil {
		p = s.Route.Match(x)
	}
	if p == nil {
		return exchange.Trace{Verdict: exchange.Fail(errNoPolicy), Stage: "route"}
	}
	x.Policy = p
	return judge(p.compiled(), x)
}

// judge asks the stages in order, up to the first that does not pass x.
func judge(links []link, x *exchange.Exchange) exchange.Trace {
	if x.Span.Timeline != nil {
		return timed(links, x)
	}
	for i := range links {
		if v := links[i].stage.Check(x); !v.Passed() {
			return exchange.Trace{Verdict: v, Stage: links[i].name}
		}
	}
	return exchange.Trace{Verdict: exchange.Pass()}
}

// timed is judge for a request that is recorded.
func timed(links []link, x *exchange.Exchange) exchange.Trace {
	for i := range links {
		if v := links[i].recorded(x); !v.Passed() {
			return exchange.Trace{Verdict: v, Stage: links[i].name}
		}
	}
	return exchange.Trace{Verdict: exchange.Pass()}
}

// recorded is the stage's verdict, which is a step of x where it may take long. What
// panics leaves its step without an end.
func (l *link) recorded(x *exchange.Exchange) exchange.Verdict {
	if !l.timed {
		return l.stage.Check(x)
	}
	step := x.Span.Timeline.Start(l.name, "")
	v := l.stage.Check(x)
	x.Span.Timeline.Stop(step)
	return v
}

// Wrap is Decide as net/http middleware: next runs for requests that are
// allowed; all others are answered.
func (s *Stack) Wrap(next http.Handler) http.Handler {
	var d exchange.Decider = s
	if s.Edge.Recover != nil {
		d = recovering{s, s.Edge.Recover}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { exchange.Serve(w, r, d, next) })
}

// recovering is a Stack whose panics are handled.
type recovering struct {
	*Stack
	*httpserver.Recover
}

// Headers adds every stage's response fields, inner stages first, so that an
// outer one has the last word; but a policy's SecurityHeaders stand in place of
// the edge's; and nobody has a word where the URL holds a credential, see
// [exchange.Exchange.HideURL]. Fronts call it before the first response byte.
func (s *Stack) Headers(x *exchange.Exchange, h http.Header) {
	replaced := ""
	if policy, _ := x.Policy.(*Policy); policy != nil {
		writeHeaders(policy.compiled(), "", x, h)
		if policy.SecurityHeaders != nil {
			replaced = "securityheaders"
		}
	}
	writeHeaders(s.compiled(), replaced, x, h)
	x.Hide(h)
}

// writeHeaders adds the fields of all links but the one that is called except.
func writeHeaders(links []link, except string, x *exchange.Exchange, h http.Header) {
	for i := range slices.Backward(links) {
		if l := &links[i]; l.headers != nil && l.name != except {
			l.headers.Headers(x, h)
		}
	}
}

// Done tells every stage what came of x, inner stages first. Fronts call it
// once, after the last byte.
func (s *Stack) Done(x *exchange.Exchange, o exchange.Outcome) {
	if policy, _ := x.Policy.(*Policy); policy != nil {
		finish(policy.compiled(), x, o)
	}
	finish(s.compiled(), x, o)
	if s.Edge.Metrics != nil {
		s.Edge.Metrics.Done(x, o)
	}
}

func finish(links []link, x *exchange.Exchange, o exchange.Outcome) {
	for _, link := range slices.Backward(links) {
		if link.finish != nil {
			link.finish.Done(x, o)
		}
	}
}
