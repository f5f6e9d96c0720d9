package server

import (
	"context"
	"strings"

	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/redact"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
)

// explain says what would become of a request, by the gateway that judges now: by its
// policies, its keys, and its limits and credits as they stand. Nothing is counted,
// written or sent. No password of HTTP Basic is compared: as nothing is counted, the
// asker could guess one.
func (p *program) explain(ctx context.Context, asked *keyservice.Question) (keyservice.Explanation, error) {
	g := p.gateway.Load()
	q := Question{Method: asked.Method, URL: asked.URL, Header: asked.Headers, Client: asked.Client, Listener: asked.Listener}
	if _, known := g.Settings().Listeners[q.Listener]; !known && q.Listener != "" {
		return keyservice.Explanation{}, &keyservice.FieldError{Field: "listener", Message: "is none of listeners: leave it out for that of listen"}
	}
	if _, err := q.request(); err != nil {
		return keyservice.Explanation{}, fieldError(err)
	}
	key := secret.New(asked.Key)
	if asked.Holder != nil {
		var err error
		if ctx, key, err = p.verifier.StandIn(ctx, *asked.Holder); err != nil {
			return keyservice.Explanation{}, err
		}
	}
	if !key.IsZero() {
		if err := carry(g, &q, key, asked.In); err != nil {
			return keyservice.Explanation{}, &keyservice.FieldError{Field: "in", Message: err.Error()}
		}
	}
	r, err := q.request()
	if err != nil {
		return keyservice.Explanation{}, &keyservice.FieldError{Field: "key", Message: "cannot be sent as it is"}
	}
	answer := answerOf(g, q.Listener, r.WithContext(password.Unjudged(ctx)))
	return explanation(&answer), nil
}

// fieldError tells of a request that cannot be built, by the member of the question.
func fieldError(err error) error {
	field, message, _ := strings.Cut(err.Error(), ": ")
	if field == "header" {
		field = "headers"
	}
	return &keyservice.FieldError{Field: field, Message: message}
}

// explanation is an answer for the API. The path is the asker's own text, which may
// hold a secret all the same.
func explanation(a *Answer) keyservice.Explanation {
	e := keyservice.Explanation{
		Allowed: a.Allowed, Verdict: a.Verdict.String(), Status: a.Status, Reason: a.Reason, Stage: a.Stage, Detail: a.Detail, Failure: a.Failure,
		Route: a.Route, Upstream: a.Upstream, Path: redact.Path(a.Path), Principal: a.Principal.Subject, Owner: a.Principal.Owner, Scheme: a.Principal.Scheme,
		Steps: make([]keyservice.ExplainedStep, 0, len(a.Steps)),
	}
	for _, s := range a.Steps {
		step := keyservice.ExplainedStep{Stage: s.Stage, Verdict: "not reached"}
		if s.Reached {
			step.Verdict, step.Reason = s.Verdict.Kind().String(), s.Verdict.Reason()
		}
		for _, f := range s.Findings {
			step.Findings = append(step.Findings, keyservice.Finding(f))
		}
		e.Steps = append(e.Steps, step)
	}
	return e
}
