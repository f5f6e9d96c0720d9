package keyservice

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/warder-dev/warder/problem"
)

// A direct operation is asked for with every request of somebody's, so that what
// huma does for any operation costs more than the answer. Its requests are admitted
// as all others are: the guard and [Service.check] come first. What is left is to
// read a body that was checked, and to write one.
type direct func(ctx context.Context, c *caller, body []byte) (any, error)

// registerDirect lets run answer the operation id, which is registered: it has
// nothing but a body, and is not one that an Idempotency-Key marks.
func registerDirect[I, B any](s *Service, id string, run func(context.Context, *caller, *struct{ Body I }) (*answer[B], error)) {
	s.direct[id] = func(ctx context.Context, c *caller, body []byte) (any, error) {
		var in struct{ Body I }
		if err := json.Unmarshal(body, &in.Body); err != nil {
			return nil, invalid(Fault{"request", "cannot be read"}) // as [Service.translate] says it
		}
		out, err := run(ctx, c, &in)
		if err != nil {
			return nil, err
		}
		return out.Body, nil
	}
}

// answer writes what a direct operation answers, as huma would.
func (s *Service) answer(a *admitted, c *caller, run direct) {
	body, err := run(a.ctx, c, a.body)
	if err != nil {
		s.refuse(a, c, s.failed(a.ctx, c, a.Operation().OperationID, err))
		return
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		s.refuse(a, c, s.failed(a.ctx, c, a.Operation().OperationID, fail(problem.Internal, "The answer cannot be written.")))
		return
	}
	a.SetHeader("Content-Type", "application/json")
	a.SetStatus(http.StatusOK)
	_, _ = a.BodyWriter().Write(text.Bytes()) // the client may be gone
}
