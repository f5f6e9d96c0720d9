package exchange

import (
	"errors"
	"net/http"

	"github.com/warder-dev/warder/problem"
)

// A Verdict is what a stage says of a request. The zero value is a failure, so
// that a forgotten verdict never lets a request pass.
type Verdict struct {
	kind    Kind
	reason  string
	problem *problem.Problem
	answer  http.Handler
	err     error
}

// Kind is the sort of a [Verdict].
type Kind uint8

// The kinds of verdicts.
const (
	Failed   Kind = iota // the stage could not judge: 503
	Passed               // the request may go on
	Refused              // a problem is the answer
	Answered             // the stage answers by itself: a redirect, a preflight's answer
)

// String returns the kind's name in lower case, for logs and metrics.
func (k Kind) String() string {
	switch k {
	case Passed:
		return "passed"
	case Refused:
		return "refused"
	case Answered:
		return "answered"
	case Failed:
		return "failed"
	default:
		return "failed"
	}
}

// Pass lets the request go on to the next stage.
func Pass() Verdict { return Verdict{kind: Passed} }

// Refuse ends the request with p. reason is for the operator's log and metrics
// only: a constant such as "revoked", never request data.
func Refuse(p *problem.Problem, reason string) Verdict {
	return Verdict{kind: Refused, problem: p, reason: reason}
}

// Answer ends the request with a response of the stage's own. It is not a pass:
// a front that can only say yes or no says no.
func Answer(h http.Handler, reason string) Verdict {
	return Verdict{kind: Answered, answer: h, reason: reason}
}

// Fail ends the request with 503: the stage could not judge. err goes to the
// log, never to the client.
func Fail(err error) Verdict { return Verdict{kind: Failed, err: err} }

// Kind returns the verdict's kind.
func (v Verdict) Kind() Kind { return v.kind }

// Passed reports whether the request may go on. It is the only test for "allowed".
func (v Verdict) Passed() bool { return v.kind == Passed }

// Reason returns the word for the log: why the request was refused or answered.
func (v Verdict) Reason() string {
	switch {
	case v.reason != "":
		return v.reason
	case v.kind == Refused && v.problem != nil:
		return string(v.problem.Type)
	case v.kind == Failed:
		return string(problem.Unavailable)
	default:
		return ""
	}
}

// Handler returns the answer of an [Answered] request; nil for the other kinds.
func (v Verdict) Handler() http.Handler {
	if v.kind != Answered {
		return nil
	}
	return v.answer
}

var errNoVerdict = errors.New("exchange: a stage gave no verdict")

// Err returns why the stage could not judge; nil unless the kind is [Failed].
func (v Verdict) Err() error {
	if v.kind == Failed && v.err == nil {
		return errNoVerdict
	}
	return v.err
}

// retryAfter is the Retry-After of a 503, in seconds: a store that restarts is
// back in about that time.
const retryAfter = "5"

func unavailable() *problem.Problem {
	return problem.New(problem.Unavailable, "Try again later. Nothing is wrong with the request.").With("Retry-After", retryAfter)
}

// Problem returns what to answer a [Refused] or [Failed] request with; nil for
// the other kinds.
func (v Verdict) Problem() *problem.Problem {
	switch v.kind {
	case Passed, Answered:
		return nil
	case Refused:
		if v.problem != nil {
			return v.problem
		}
		return unavailable()
	case Failed:
		return unavailable()
	default:
		return unavailable()
	}
}

// A Trace is how a decision came about.
type Trace struct {
	Verdict Verdict
	Stage   string // name of the stage that decided; "" when every stage passed
}

// Allowed reports whether every stage passed the request.
func (t Trace) Allowed() bool { return t.Verdict.Passed() }
