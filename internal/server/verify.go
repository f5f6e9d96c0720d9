package server

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/decision"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/tracing"
	"github.com/warder-dev/warder/session/password"
)

// asked judges what the key service is asked about, by the gateway in force.
type asked struct {
	program *program
	current atomic.Pointer[askedStack]
}

// An askedStack is the stack of one gateway, made once.
type askedStack struct {
	gateway *gateway.Gateway
	stack   *warder.Stack
}

// stack is that of the gateway in force.
func (a *asked) stack() *askedStack {
	g := a.program.gateway.Load()
	known := a.current.Load()
	if known == nil || known.gateway != g {
		known = &askedStack{g, a.program.traceAsked(a.program.decider(g), frontVerify)}
		a.current.Store(known)
	}
	return known
}

// Judge implements [keyservice.Policy].
func (a *asked) Judge(ctx context.Context, q *keyservice.Request) (keyservice.Judgement, error) {
	s := a.stack()
	question := decision.Question{Method: q.Method, Target: q.Target, Scheme: q.Scheme, Host: q.Host, Client: q.Client, Header: make(http.Header)}
	if q.Origin != "" {
		question.Header.Set("Origin", q.Origin)
	}
	ctx = tracing.Within(gateway.Told(bare{ctx}), exchange.From(ctx))
	if q.Dry {
		ctx = password.Unjudged(ctx)
	}
	r, err := question.Request(ctx) //nolint:contextcheck // bare ends as ctx does
	if err != nil {
		return keyservice.Judgement{}, err
	}
	policy := gateway.PolicyOf(s.stack, r)
	if policy != nil && !s.gateway.Keep(policy) {
		return keyservice.Judgement{}, keyservice.ErrUnjudgeable
	}
	if q.Key != "" && s.gateway.Carry(r, policy, q.Key) != nil { // no key has such a text: whatever else is none stands for it, where a stage looks
		if err := s.gateway.Carry(r, policy, noKey); err != nil {
			return keyservice.Judgement{}, err
		}
	}
	d := &deciding{Stack: s.stack, Recover: s.stack.Edge.Recover}
	w := &unsent{header: make(http.Header)}
	x := exchange.New(r)
	x.Dry, x.Hearsay = q.Dry, q.Hearsay
	exchange.Serve(w, x.Request, d, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	return d.judgement(w)
}

// noKey is a text that is no key, and can stand wherever one is looked for.
const noKey = "-"

// bare is a context without the exchange of the question itself: the request that
// is judged is another.
type bare struct{ context.Context } //nolint:containedctx // it hides what the one inside carries

// Value implements [context.Context].
func (bare) Value(any) any { return nil }

// deciding is a stack that notes what came of the one request that it judges.
type deciding struct {
	*warder.Stack
	*httpserver.Recover

	x       *exchange.Exchange
	outcome exchange.Outcome
}

// Done implements [exchange.Finisher].
func (d *deciding) Done(x *exchange.Exchange, o exchange.Outcome) {
	d.x, d.outcome = x, o
	d.Stack.Done(x, o)
}

func (d *deciding) judgement(w *unsent) (keyservice.Judgement, error) {
	v := d.outcome.Trace.Verdict
	allowed := d.outcome.Trace.Allowed() && w.status == http.StatusOK && !d.outcome.Aborted
	if !allowed && w.status >= http.StatusInternalServerError {
		return keyservice.Judgement{}, errUnknown
	}
	j := keyservice.Judgement{
		Allowed: allowed, Status: w.status, Reason: d.outcome.Reason, Stage: d.outcome.Trace.Stage, Route: d.x.Route, Header: w.header, Principal: d.x.Principal,
	}
	if p := v.Problem(); p != nil {
		j.Kind, j.Detail = p.Type, p.Detail
	}
	return j, nil
}

// errUnknown means that a stage gave no answer; its own record says why.
var errUnknown = errors.New("a stage of the gateway gave no answer: see the record of the request that was asked about")

// unsent is an answer that nobody gets.
type unsent struct {
	header http.Header
	status int
}

// Header implements [http.ResponseWriter].
func (w *unsent) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *unsent) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
}

// Write implements [http.ResponseWriter].
func (w *unsent) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(p), nil
}
