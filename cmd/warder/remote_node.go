package main

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/keyservice"
)

// A remoteNode is the warder that answers at --server.
type remoteNode struct{ *remote }

// withRemoteNode calls use with the server.
func withRemoteNode(cmd *cobra.Command, p *process, use func(n node) error) error {
	if f := cmd.Flags().Lookup("admin-listen"); f != nil && f.Changed {
		return fail(exitUsage, "leave one of them out", "--admin-listen is of the warder that runs here, and --server of another")
	}
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return err
	}
	defer r.Close()
	return use(remoteNode{r})
}

// answerOf is an answer as the commands print it, or why there is none. The types have the
// same members, by name, since the client's are made from the API's document.
func answerOf[V, A any](ctx context.Context, r remoteNode, doing string, answer client.Result[A], err error) (v V, _ error) {
	if err != nil {
		return v, r.failure(ctx, err, doing)
	}
	text, err := json.Marshal(answer.Value)
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil { // such as a count below 0
		return v, fail(exitServer, "is it a warder of this version?", "%s: the server's answer is not what was expected", doing)
	}
	return v, nil
}

func (r remoteNode) Place() string { return r.server }

func (r remoteNode) Limits(ctx context.Context) (keyservice.RunningLimits, error) {
	all, err := r.ListLimits(ctx)
	return answerOf[keyservice.RunningLimits](ctx, r, "limits show", all, err)
}

func (r remoteNode) Refused(ctx context.Context, limit string, number int) (keyservice.RefusedSubjects, error) {
	all, err := r.TopOfLimit(ctx, limit, client.TopOfLimitParams{N: int64(number)})
	return answerOf[keyservice.RefusedSubjects](ctx, r, "limits top", all, err)
}

func (r remoteNode) Subject(ctx context.Context, what, limit string, q keyservice.LimitOverride) (keyservice.SubjectStanding, error) {
	doing := "limits " + what
	var v client.Result[client.SubjectStanding]
	var err error
	switch what {
	case "standing":
		doing = "limits show"
		v, err = r.LimitStanding(ctx, limit, client.LimitSubject{Parts: q.Parts, Subject: q.Subject})
	case "reset":
		v, err = r.ResetLimit(ctx, limit, client.LimitSubject{Parts: q.Parts, Subject: q.Subject})
	default:
		v, err = r.OverrideLimit(ctx, limit, overrideOf(&q))
	}
	return answerOf[keyservice.SubjectStanding](ctx, r, doing, v, err)
}

// overrideOf is q as it is sent: a burst of 0 is none that was asked for.
func overrideOf(q *keyservice.LimitOverride) client.LimitOverride {
	body := client.LimitOverride{Parts: q.Parts, Subject: q.Subject, Count: int64(q.Count), Per: q.Per, For: q.For}
	if q.Burst != 0 {
		body.Burst = new(int64(q.Burst))
	}
	return body
}

func (r remoteNode) Drift(ctx context.Context) (keyservice.OpenAPIDrift, error) {
	all, err := r.OpenapiDrift(ctx)
	return answerOf[keyservice.OpenAPIDrift](ctx, r, "openapi drift", all, err)
}

func (r remoteNode) Confirm(ctx context.Context, document string) (keyservice.DocumentConfirmed, error) {
	v, err := r.ConfirmDocument(ctx, document)
	return answerOf[keyservice.DocumentConfirmed](ctx, r, "openapi confirm", v, err)
}

func (r remoteNode) Shadow(ctx context.Context) (keyservice.ShadowReport, error) {
	v, err := r.ShadowReport(ctx)
	return answerOf[keyservice.ShadowReport](ctx, r, "shadow report", v, err)
}
