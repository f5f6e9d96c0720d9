package exchange

import (
	"net/http"
	"time"

	"github.com/warder-dev/warder/problem"
)

// refusal is why a request got no answer of the handler's own.
type refusal struct {
	reason  string
	problem problem.Type
	err     error
}

// Refuse answers w with p in the way of a stage's refusal: for fronts whose
// refusal comes after the decision, such as a failed upstream. reason is the
// word for the log, err its cause or nil; neither reaches the client. w is the
// writer that [Serve] gave to the handler, or one around it.
func (x *Exchange) Refuse(w http.ResponseWriter, p *problem.Problem, reason string, err error) {
	x.late = refusal{reason: reason, err: err, problem: p.Type}
	x.refuse(w, p)
}

// Respond answers r with p: by the Refuse of the exchange that r carries, or
// plainly when no stage has run. It is for handlers that work on their own as
// well as behind a Stack.
func Respond(w http.ResponseWriter, r *http.Request, p *problem.Problem, reason string, err error) {
	if x := From(r.Context()); x != nil {
		x.Refuse(w, p, reason, err)
		return
	}
	p.Write(w, r, "")
}

// Cut ends the request without an answer, or in the middle of one: it notes
// reason and err for the finishers, as Refuse does, and panics with
// [http.ErrAbortHandler], so that nobody takes what went out for whole.
func (x *Exchange) Cut(reason string, err error) {
	x.late = refusal{reason: reason, err: err}
	panic(http.ErrAbortHandler)
}

// End notes reason for the finishers, where an answer ends early in a way that its
// protocol has for that, as gRPC's status is: what has none is [Exchange.Cut].
func (x *Exchange) End(reason string) { x.late = refusal{reason: reason} }

// refuse answers with p and, when bytes of the body may still be under way,
// closes the connection without waiting for them: they were written by somebody
// who was refused, and net/http would read up to 256 KiB of them first.
func (x *Exchange) refuse(w http.ResponseWriter, p *problem.Problem) {
	unread := x.Request.ProtoMajor == 1 && x.bodyUnread()
	if unread {
		w.Header().Set("Connection", "close")
	}
	p.Write(w, x.Request, x.ID)
	if unread {
		// An error means that the writer has no connection (a test's recorder):
		// then there is nothing to close.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
	}
}

// outcome sums the request up for the finishers.
func (x *Exchange) outcome(w *recorder, t Trace, aborted bool) Outcome {
	return Outcome{
		Trace: t, Status: w.status, Bytes: w.bytes, Duration: time.Since(x.Start),
		Reason: x.late.reason, Problem: x.late.problem, Err: x.late.err, Aborted: aborted, Hijacked: w.hijacked,
	}
}
