package keyservice

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage"
)

// An endpoint is what the document says of an operation.
type endpoint struct {
	id, method, path, tag string
	summary, description  string
	right                 Right
	status                int   // of success; default 200
	once                  bool  // it takes an Idempotency-Key
	repeats               bool  // to do it again does no harm, so that an attempt without an answer is none
	urgent                bool  // it wants no fresh login, whatever its right does
	also                  []int // statuses that it may answer with, beside those of all
}

// Where an operation keeps its right, and whether it is urgent.
const (
	rightMetadata  = "right"
	urgentMetadata = "urgent"
)

func isUrgent(op *huma.Operation) bool {
	urgent, _ := op.Metadata[urgentMetadata].(bool)
	return urgent
}

func rightOf(op *huma.Operation) Right {
	r, _ := op.Metadata[rightMetadata].(Right)
	return r
}

// An answer is what an operation answers with.
type answer[B any] struct {
	Status   int    // that of the endpoint, unless it says another one
	ETag     string `header:"ETag" doc:"the state of what is answered, for If-Match"`
	Location string `header:"Location" doc:"where what was made is"`
	Replayed string `header:"Idempotency-Replayed" doc:"true when this is the answer to an earlier request with the same Idempotency-Key, without what is told once" enum:"true"`
	Body     B
}

// register adds an operation to the API.
func register[I, B any](s *Service, e endpoint, run func(context.Context, *caller, *I) (*answer[B], error)) {
	huma.Register(s.api, s.operation(e), func(ctx context.Context, in *I) (*answer[B], error) {
		c := callerOf(ctx)
		out, err := once(ctx, s, c, e, func() (*answer[B], error) { return run(ctx, c, in) })
		if err != nil {
			return nil, s.failed(ctx, c, e.id, err)
		}
		out.Status = cmp.Or(out.Status, e.status, http.StatusOK)
		return out, nil
	})
}

// operation is what huma is told of an endpoint.
func (s *Service) operation(e endpoint) huma.Operation {
	op := huma.Operation{
		OperationID: e.id, Method: e.method, Path: e.path, Tags: []string{e.tag}, Summary: e.summary, Description: e.description,
		DefaultStatus: e.status, SkipValidateBody: true, SkipValidateParams: true,
		Metadata: map[string]any{rightMetadata: e.right, urgentMetadata: e.urgent}, Responses: map[string]*huma.Response{},
	}
	for _, scheme := range s.cfg.Schemes {
		scopes := []string{}
		if e.right != "" {
			scopes = []string{string(e.right)}
		}
		op.Security = append(op.Security, map[string][]string{scheme.Name(): scopes})
	}
	for _, status := range append([]int{400, 401, 403, 421, 500, 503}, e.also...) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + responseName(status)}
	}
	return op
}

// failed translates an error of an operation.
func (s *Service) failed(ctx context.Context, c *caller, operation string, err error) *failure {
	f := failureOf(err)
	if f.kind == problem.Unavailable || f.kind == problem.Internal {
		s.log.LogAttrs(ctx, slog.LevelError, "an operation of the key service failed", slog.String("operation", operation), slog.String("id", c.requestID), slog.Any("error", err))
	}
	f.requestID = c.requestID
	return f
}

// failureOf returns what the client is told of err. What has no name of its own is
// a store that gave no answer.
func failureOf(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if faults := faultsOf(err); len(faults) > 0 {
		return invalid(faults...)
	}
	if f := accountFailure(err); f != nil {
		return f
	}
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return notFound()
	case errors.Is(err, apikey.ErrConflict):
		return fail(problem.ChangedMeanwhile, "Get it again, and decide anew.")
	case errors.Is(err, apikey.ErrRevoked):
		return fail(problem.Conflict, "The key is revoked, for good. Make another one.")
	case errors.Is(err, apikey.ErrExpired):
		return fail(problem.Conflict, "The key has expired. Give it another end first, or make another one.")
	case errors.Is(err, apikey.ErrNoOwner):
		return fail(problem.NotFound, "There is no record of this owner. Keys may bear its id nevertheless.")
	case errors.Is(err, apikey.ErrOwnerExists):
		return fail(problem.ChangedMeanwhile, "There is a record of the owner by now. Get it, and decide anew.")
	case errors.Is(err, usage.ErrNoAccount):
		return fail(problem.NotFound, "There is no account of credits.")
	case errors.Is(err, usage.ErrTooMany):
		return invalid(Fault{"credits", usage.ErrTooMany.Error()[len("usage: "):]})
	default:
		f := fail(problem.Unavailable, "The store gave no answer. What was asked for may have been done: look before you ask again.")
		f.header = http.Header{"Retry-After": {"1"}}
		return f
	}
}

// notFound is the answer for every key that is none of the caller's business.
func notFound() *failure { return fail(problem.NotFound, "There is no such key.") }

// faultsOf returns the fields that err names.
func faultsOf(err error) (faults []Fault) {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			faults = append(faults, faultsOf(one)...)
		}
		return faults
	}
	if item, ok := errors.AsType[*apikey.ItemError](err); ok {
		return within(item.Index, faultsOf(item.Err))
	}
	if spec, ok := errors.AsType[*apikey.SpecError](err); ok {
		return []Fault{{spec.Field, spec.Reason}}
	}
	if field, ok := errors.AsType[*account.FieldError](err); ok {
		return []Fault{{field.Field, field.Reason}}
	}
	return nil
}
