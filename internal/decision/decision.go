// Package decision is the front for proxies that ask before they forward:
// nginx's auth_request, Caddy's forward_auth, Traefik's ForwardAuth. It decides
// by the same Stack as the gateway and forwards nothing.
//
// A request is allowed, with 200, when every stage of the Stack passed it, and
// never otherwise: what a stage answers by itself (a preflight, a redirect) goes
// out as a denial, whose real status is in [StatusField]. Every identity field is
// in the answer, empty where nothing is known, since proxies keep the client's
// otherwise.
package decision

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/upstream"
)

// Fields of answers that are for the proxy alone.
const (
	// StatusField is the status that the client ought to get.
	StatusField = "X-Warder-Status"

	// ProblemField is the problem that the client ought to get, as one line of JSON,
	// for proxies that pass on no body of ours.
	ProblemField = "X-Warder-Problem"
)

// Path is where decisions are asked for, with any method: proxies ask with GET or
// with the client's own. Behind it, Envoy has the client's target.
const Path = "/authz"

// Config configures a [Front]. Every field is required but Lasting and the Remove ones.
type Config struct {
	_ [0]func()

	// Stack decides. Its Forwarded stage must be forwarded.Direct: the front makes
	// the request that it judges, with the client as the peer.
	Stack *warder.Stack

	Dialect Dialect
	Proxies []netip.Prefix // who is answered
	Log     *slog.Logger

	// RemoveHeaders and RemoveCookies carry credentials, which [EnvoyHTTP] takes out
	// for the upstream. For other dialects the guide's wiring does. They may be nil.
	RemoveHeaders, RemoveCookies []string
	// Lasting says for how long a pass may be kept. nil: nobody may keep one.
	Lasting *Lasting
}

// A Front answers proxies. It is safe for concurrent use.
type Front struct {
	cfg     Config
	handler atomic.Pointer[http.Handler]
	peers   *Peers
	fields  []string // of every answer, empty where nothing is known

	// Values that all answers share; nobody changes them.
	empty, noStore []string

	notFound, stranger, unreadable *problem.Problem
}

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Front, error) {
	var errs []error
	if cfg.Stack == nil {
		errs = append(errs, errors.New("decision: Stack is missing"))
	}
	if cfg.Dialect.name == "" {
		errs = append(errs, errors.New("decision: Dialect is missing"))
	}
	if len(cfg.Proxies) == 0 {
		errs = append(errs, errors.New("decision: Proxies is empty: nobody would be answered"))
	}
	if cfg.Log == nil {
		errs = append(errs, errors.New("decision: Log is missing"))
	}
	if l := cfg.Lasting; l != nil && (l.Fresh == nil || l.Revision == nil || l.MaxAge < 0) {
		errs = append(errs, errors.New("decision: Lasting: want Fresh and Revision, and no MaxAge below 0"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f := &Front{
		cfg: cfg, peers: NewPeers(cfg.Proxies, cfg.Log), fields: cfg.Lasting.fields(upstream.IdentityFields()), empty: []string{""}, noStore: []string{"no-store"},
		notFound:   problem.New(problem.NotFound, "Ask "+Path+"."),
		stranger:   problem.New(problem.Forbidden, "This listener answers the proxies that it knows."),
		unreadable: problem.New(problem.InvalidTarget, "The proxy must name the request by method, target, scheme, host and client, each once: see the guide for the wiring."),
	}
	f.Replace(cfg.Stack)
	return f, nil
}

// Replace lets stack decide from now on, which is as [Config.Stack] is. What is
// being decided is decided by the one before.
func (f *Front) Replace(stack *warder.Stack) {
	handler := stack.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.allow(w, r, stack) }))
	f.handler.Store(&handler)
}

// Refused is how many requests came from peers that are not listed.
func (f *Front) Refused() uint64 { return f.peers.Refused() }

// ServeHTTP answers whether the request that r tells of may pass.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Cache-Control"] = f.noStore // limits, revocation and time are judged anew each time, unless allow knows better
	if r.ContentLength != 0 {
		h.Set("Connection", "close") // a proxy may announce the client's body and never send it: do not wait
	}
	switch {
	case !f.peers.Answered(r.RemoteAddr):
		f.stranger.Write(w, r, "")
		return
	case !f.cfg.Dialect.asks(r):
		f.notFound.Write(w, r, "")
		return
	}
	asked, err := f.cfg.Dialect.read(r)
	if err != nil {
		f.cfg.Log.Warn("a proxy asked in a form that names no request: is decision.dialect the kind of that proxy?", slog.String("dialect", f.cfg.Dialect.name), slog.String("fields", err.Error()))
		f.refuse(w, r)
		return
	}
	a := newAnswer(w, &f.cfg.Dialect, f.fields)
	if f.cfg.Dialect.replayed {
		a.remove = f.removal(asked.Header)
	}
	a.known = f.cfg.Lasting.known() // before anything is judged: a poll that ends meanwhile may know more
	(*f.handler.Load()).ServeHTTP(a, asked)
	a.finish()
}

// refuse answers what names no request, in the form that the proxy can pass on:
// nginx makes 500 of a plain 400.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request) {
	a := newAnswer(w, &f.cfg.Dialect, f.fields)
	f.unreadable.Write(a, &http.Request{Method: r.Method, Header: f.cfg.Dialect.header(r.Header)}, "")
	a.finish()
}

// allow answers what every stage of the stack passed.
func (f *Front) allow(w http.ResponseWriter, r *http.Request, stack *warder.Stack) {
	a, ok := answerOf(w)
	if !ok {
		panic("decision: the Stack hides the writer") // never a pass by accident
	}
	h := w.Header()
	for _, name := range f.fields {
		h[name] = f.empty
	}
	x := exchange.From(r.Context())
	upstream.SetIdentity(h, &x.Principal)
	a.remove.add(h)
	f.cfg.Lasting.keep(h, stack, x, a.known)
	a.allowed = true
	w.WriteHeader(http.StatusOK)
}
