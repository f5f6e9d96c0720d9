package keyservice

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/ratelimit"
)

// Running is what the node that answers judges by, and what it counts: nothing of it
// is in the store of keys. Methods that change something call note first, once it is
// clear that the change can be made, and change nothing when it fails. They say what
// is wrong with a member by a [*FieldError]. It is safe for concurrent use.
type Running interface {
	// Limits returns all limits, by name.
	Limits() []RunningLimit

	// Refused returns at most n subjects that a limit has refused, the most often first.
	Refused(limit string, n int) ([]RefusedSubject, error)

	// Standing tells where a subject stands, and counts nothing.
	Standing(limit string, s LimitSubject) (SubjectStanding, error)

	// Reset gives a subject its whole burst again.
	Reset(ctx context.Context, limit string, s LimitSubject, note func(Operated) error) (SubjectStanding, error)

	// Override gives a subject another quota until then, or as long as the process runs
	// for the zero time. The zero quota takes it away.
	Override(limit string, s LimitSubject, q ratelimit.Quota, until time.Time, note func(Operated) error) (SubjectStanding, error)

	// Drift returns where OpenAPI documents and requests do not agree.
	Drift() []DocumentDrift

	// Confirm serves the changed document that asks for less, and returns what it asks
	// for less.
	Confirm(document string, note func(Operated) error) ([]string, error)

	// Shadow is where the shadow configuration judges otherwise; false when there is none.
	Shadow() (ShadowReport, bool)
}

// What a [Running] may say.
var (
	ErrNoLimit    = errors.New("keyservice: there is no such limit")
	ErrNoDocument = errors.New("keyservice: there is no such document")
	ErrNotHeld    = errors.New("keyservice: nothing waits to be confirmed")
	ErrNotServed  = errors.New("keyservice: the document cannot be served any more")
	ErrFull       = errors.New("keyservice: there are as many overrides as there may be")
)

// Operated is what the audit holds of a change of what runs: no value that a request
// may have as a secret.
type Operated struct {
	Subject string            `json:"subject,omitempty"` // of a limit, by its id
	Parts   map[string]string `json:"parts,omitempty"`   // of the subject, those that are no secret anywhere
	Count   int               `json:"count,omitempty"`
	Per     string            `json:"per,omitempty"`
	Burst   int               `json:"burst,omitempty"`
	Until   *time.Time        `json:"until,omitempty"`
	Less    []string          `json:"less,omitempty"` // of a document
}

// A Recorder adds entries to the audit log, for what is changed elsewhere than in its
// database. It is safe for concurrent use.
type Recorder interface {
	Append(ctx context.Context, e audit.Event) (audit.Entry, error)
}

var (
	errNoRunning = errors.New("keyservice: nothing tells what runs here")
	errNoRecord  = errors.New("keyservice: nothing takes entries of the audit here")
)

// running returns what runs.
func (s *Service) running() (Running, error) {
	if s.cfg.Running == nil {
		return nil, errNoRunning
	}
	return s.cfg.Running, nil
}

// noting returns what writes into the audit what is about to be done. Nothing is done
// unless it was written.
func (s *Service) noting(ctx context.Context, c *caller, op, kind, subject string) func(Operated) error {
	return func(o Operated) error {
		if s.cfg.Record == nil {
			return errNoRecord
		}
		after, err := json.Marshal(o)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		defer cancel()
		_, err = s.cfg.Record.Append(ctx, audit.Event{
			At: time.Now(), Actor: c.actor(), Source: c.client.String(), Op: op, Kind: kind, Subject: subject, After: after,
		})
		return err
	}
}

// runningFailure translates what a [Running] says.
func runningFailure(err error) error {
	wrong, field := errors.AsType[*FieldError](err)
	switch {
	case field:
		return invalid(Fault{wrong.Field, wrong.Message})
	case errors.Is(err, ErrNoLimit):
		return fail(problem.NotFound, "There is no such limit.")
	case errors.Is(err, ErrNoDocument):
		return fail(problem.NotFound, "There is no such OpenAPI document.")
	case errors.Is(err, ErrNotHeld):
		return fail(problem.Conflict, "There is nothing that waits to be confirmed.")
	case errors.Is(err, ErrNotServed):
		return fail(problem.Conflict, "The document cannot be served any more: the log says why.")
	case errors.Is(err, ErrFull):
		return fail(problem.Conflict, "The limit has as many overrides as there may be: take one away.")
	default:
		return err
	}
}

// ran is the answer of what runs.
func ran[B any](body B, err error) (*answer[B], error) {
	if err != nil {
		return nil, runningFailure(err)
	}
	return &answer[B]{Body: body}, nil
}
