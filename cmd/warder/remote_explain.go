package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/client"
)

// askServer asks the warder of --server.
func (e *explaining) askServer(cmd *cobra.Command, p *process) (answerView, error) {
	for _, name := range serveFlags() {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			return answerView{}, fail(exitUsage, "leave one of them out", "--%s is of a configuration, and --server of a warder that has its own", name)
		}
	}
	argument := ""
	if e.keyStdin {
		argument = "-"
	}
	r, err := openRemote(cmd, p, argument)
	if err != nil {
		return answerView{}, err
	}
	question := client.RequestQuestion{URL: e.url, Method: e.method, Headers: e.header, Listener: e.listener, Address: e.ip, KeyID: e.keyID, In: e.scheme}
	if e.keyStdin {
		line, err := pastedLine(p.stdin)
		if err != nil {
			return answerView{}, err
		}
		question.Key = client.NewText(line)
	}
	said, err := r.ExplainRequest(cmd.Context(), question)
	if err != nil {
		return answerView{}, r.failure(cmd.Context(), err, "explain")
	}
	return e.remoteView(&said.Value), nil
}

// remoteView is the server's explanation as the command prints its own.
func (e *explaining) remoteView(said *client.Explanation) answerView {
	v := answerView{
		Method: e.method, URL: e.url, Allowed: said.Allowed, Verdict: said.Verdict, Reason: said.Reason, Stage: said.Stage, Detail: said.Detail, Failure: said.Failure,
		Route: said.Route, Upstream: said.Upstream, Path: said.Path, Principal: said.Principal, Owner: said.Owner, Scheme: said.Scheme,
	}
	if v.Method == "" {
		v.Method = http.MethodGet
	}
	if said.Status != nil {
		v.Status = int(*said.Status)
	}
	for _, s := range said.Steps {
		step := stepView{Stage: s.Stage, Verdict: s.Verdict, Reason: s.Reason}
		for _, f := range s.Findings {
			step.Findings = append(step.Findings, findingView{Rule: f.Rule, Result: f.Result, Detail: f.Detail})
		}
		v.Steps = append(v.Steps, step)
	}
	return v
}
