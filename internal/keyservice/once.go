package keyservice

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/problem"
)

// idempotencyKey is the field by which a client marks what it may ask for again.
const idempotencyKey = "Idempotency-Key"

const (
	attemptLife = 24 * time.Hour        // for how long an answer is kept
	attemptTerm = time.Minute           // for how long one without an answer counts as under way
	attemptWait = 10 * time.Second      // how long others wait for it
	attemptLook = 20 * time.Millisecond // between two looks
)

// A remembered is what is kept of an answer.
type remembered[B any] struct {
	Status   int    `json:"status,omitempty"` // absent: that of the endpoint
	ETag     string `json:"etag,omitempty"`
	Location string `json:"location,omitempty"`
	Body     B      `json:"body"`
}

// A forgetful body has something that is told once only.
type forgetful interface{ forget() any }

// once runs an operation, or returns what came of it when it was asked for before.
func once[B any](ctx context.Context, s *Service, c *caller, e endpoint, run func() (*answer[B], error)) (*answer[B], error) {
	if !e.once || c.attempt.Key == "" {
		return run()
	}
	told, err := s.begin(ctx, c.attempt)
	if err != nil {
		return nil, err
	}
	if told.Finished {
		return recall[B](told.Answer)
	}
	out, err := run()
	after := context.WithoutCancel(ctx) // the client may be gone: what was done is done
	after, cancel := context.WithTimeout(after, s.cfg.Timeout)
	defer cancel()
	if err != nil {
		if f := failureOf(err); f.GetStatus() < http.StatusInternalServerError || e.repeats {
			return nil, errors.Join(err, s.cfg.Attempts.Forget(after, c.attempt))
		}
		return nil, err
	}
	text, err := json.Marshal(remembered[any]{out.Status, out.ETag, out.Location, withoutSecret(out.Body)})
	if err == nil {
		err = s.cfg.Attempts.Finish(after, c.attempt, text)
	}
	if err != nil {
		s.log.LogAttrs(after, slog.LevelError, "an answer could not be kept for its Idempotency-Key", slog.Any("error", err))
	}
	return out, nil // it was done, and the client has to know
}

func withoutSecret(body any) any {
	if f, ok := body.(forgetful); ok {
		return f.forget()
	}
	return body
}

// recall returns an answer that was kept.
func recall[B any](text []byte) (*answer[B], error) {
	var kept remembered[B]
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, errors.New("keyservice: an answer that was kept cannot be read")
	}
	return &answer[B]{Status: kept.Status, ETag: kept.ETag, Location: kept.Location, Replayed: "true", Body: kept.Body}, nil
}

// begin begins an attempt, or waits for the answer to the one that is under way.
func (s *Service) begin(ctx context.Context, a idempotency.Attempt) (idempotency.Told, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptWait)
	defer cancel()
	for {
		told, err := s.cfg.Attempts.Begin(ctx, a, time.Now(), attemptLife)
		switch {
		case err == nil:
			return idempotency.Told{}, nil
		case !errors.Is(err, idempotency.ErrKnown):
			return idempotency.Told{}, err
		case told.Request != a.Request:
			return idempotency.Told{}, fail(problem.ReusedKey, "Take a new Idempotency-Key for each thing that you ask for.")
		case told.Finished:
			return told, nil
		case time.Since(told.Began) > attemptTerm:
			return idempotency.Told{}, fail(problem.Conflict, "What became of the first request with this Idempotency-Key is not known. Look, and ask again with another one.")
		}
		select {
		case <-ctx.Done():
			return idempotency.Told{}, underWay()
		case <-time.After(attemptLook):
		}
	}
}

func underWay() *failure {
	f := fail(problem.Conflict, "The first request with this Idempotency-Key is still under way. Ask again.")
	f.header = http.Header{"Retry-After": {"1"}}
	return f
}
