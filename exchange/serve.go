package exchange

import (
	"net/http"
	"runtime/debug"

	"github.com/warder-dev/warder/problem"
)

// Wrap is s as net/http middleware: next runs when s passes the request. An
// exchange that an outer Wrap or Stack began is continued, so that stages see
// what earlier ones found.
//
// Code outside of Wrap does not see what stages set further in through its own
// request's context; read [From] inside, or be a [Finisher].
func Wrap(s Stage, next http.Handler) http.Handler {
	d := single{stage: s}
	d.headers, _ = s.(HeaderWriter)
	d.finish, _ = s.(Finisher)
	var decider Decider = d
	recoverer, recovers := s.(Recoverer)
	if recovers {
		decider = recovering{d, recoverer}
	}
	plain := d.headers == nil && d.finish == nil && !recovers
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if x := From(r.Context()); x != nil && plain { // nothing to hook in: no writer of its own
			x.Request = r
			x.act(w, s.Check(x), next)
			return
		}
		Serve(w, r, decider, next)
	})
}

// single is a Decider of one stage.
type single struct {
	stage   Stage
	headers HeaderWriter
	finish  Finisher
}

// recovering is a single stage that is a [Recoverer] as well.
type recovering struct {
	single
	Recoverer
}

func (d single) Decide(x *Exchange) Trace {
	v := d.stage.Check(x)
	if v.Passed() {
		return Trace{Verdict: v}
	}
	return Trace{Verdict: v, Stage: "stage"}
}

func (d single) Headers(x *Exchange, h http.Header) {
	if d.headers != nil {
		d.headers.Headers(x, h)
	}
}

func (d single) Done(x *Exchange, o Outcome) {
	if d.finish != nil {
		d.finish.Done(x, o)
	}
}

// Serve asks d about r, and calls next when d passes it. Everything else is
// answered here: a refusal with its problem, a failure with 503, an answer with
// the stage's handler. A refusal of a request whose body was not read to the end
// closes the connection at once (RFC 9112, section 9.3), since what follows on
// it was written by somebody who was refused.
//
// A panic goes to d when it is a [Recoverer]: the client gets a 500 problem, or
// a cut connection when the response had begun. Without one, and for
// [http.ErrAbortHandler], the panic goes on to net/http.
func Serve(w http.ResponseWriter, r *http.Request, d Decider, next http.Handler) {
	x := From(r.Context())
	var rec *recorder
	if x == nil {
		x = New(r)
		rec = &x.writer
	} else {
		x.Request = r
		rec = new(recorder)
	}
	*rec = recorder{ResponseWriter: w, x: x, hooks: d}
	var trace Trace
	defer finish(x, rec, d, &trace)
	trace = d.Decide(x)
	x.act(rec, trace.Verdict, next)
}

// act does what v says.
func (x *Exchange) act(w http.ResponseWriter, v Verdict, next http.Handler) {
	switch v.Kind() {
	case Passed:
		x.trackBody()
		next.ServeHTTP(w, x.Request)
	case Answered:
		x.late = refusal{reason: v.Reason()}
		v.answer.ServeHTTP(w, x.Request)
	case Refused, Failed:
		x.Refuse(w, v.Problem(), v.Reason(), v.Err())
	default: // a kind of a later version: nobody knows that it passes
		x.Refuse(w, v.Problem(), v.Reason(), v.Err())
	}
}

// finish completes the response, tells d, and deals with a panic. It must be
// deferred directly, since it recovers.
func finish(x *Exchange, w *recorder, d Decider, trace *Trace) {
	value := recover()
	aborted := value != nil
	if aborted && value != http.ErrAbortHandler {
		if r, ok := d.(Recoverer); ok {
			r.Recovered(x, value, debug.Stack())
			value = nil
			if w.status == 0 && !w.hijacked {
				x.Refuse(w, internalProblem(), "panic", nil)
			} else {
				value = http.ErrAbortHandler // the answer is half out: cut it, so that nobody takes it for whole
			}
		}
	}
	if value == nil && !w.hijacked && w.status == 0 {
		w.WriteHeader(http.StatusOK) // what net/http would do, but with the header hooks
	}
	d.Done(x, x.outcome(w, *trace, aborted))
	if value != nil {
		panic(value)
	}
}

func internalProblem() *problem.Problem {
	return problem.New(problem.Internal, "The server failed. Quote the request id when you report it.")
}
