package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/keyservice"
)

// asText is a line for each. It is no [format] that others print.
const asText = "text"

// A tailing is the flags of tail.
type tailing struct {
	route, key, outcome, code, last, output string
	count                                   int64
}

func newTail(p *process) *cobra.Command {
	var t tailing
	cmd := &cobra.Command{
		Use:   "tail --server URL",
		Short: "Watch what becomes of requests, while they come",
		Long: `Watch what becomes of requests, while they come: a line for each, with what the access
log says of it, and nothing of what came before.

The warder of --server tells its own decisions. Of several nodes that share keys, each
has to be watched for itself. A token that is bound to an owner sees the requests of
that owner's keys.

When the connection breaks off, it is made again, after a while that grows to 15 seconds.
What was decided meanwhile is missed, and so is what came faster than it was read: standard
error tells of both. It ends by an interrupt, after --for, after --count decisions, or
when the token may not watch any more.`,
		Example: `  warder tail --server http://127.0.0.1:8081 --token-file warder.db.admin --outcome refused
  warder tail --server http://127.0.0.1:8081 --route /orders/ --code 429 -o json
  warder tail --server http://127.0.0.1:8081 --key - --for 10m`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd, p) },
	}
	addRemoteFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&t.route, "route", "", "only of this route, by its pattern")
	f.StringVar(&t.key, "key", "", "only with this key, by its id; - for requests without one")
	f.StringVar(&t.outcome, "outcome", "", "only refused, or only passed")
	f.StringVar(&t.code, "code", "", "only with this status, such as 429, or this reason, such as revoked")
	f.StringVar(&t.last, "for", "", "end after that long, such as 30s or 1h (default: never)")
	f.Int64Var(&t.count, "count", 0, "end after so many decisions (default: never)")
	f.StringVarP(&t.output, "output", "o", asText, "text, or json, one a line")
	completeOutput(cmd, asText, asJSON)
	return cmd
}

// The pauses before a connection is made again, and how long one may say nothing: a
// server says something every 15 seconds.
const (
	firstTailPause = 250 * time.Millisecond
	lastTailPause  = 15 * time.Second
	tailSilence    = time.Minute
)

func (t *tailing) run(cmd *cobra.Command, p *process) error {
	form, err := parseFormat(t.output, asText, asJSON)
	if err != nil {
		return err
	}
	if !isRemote(cmd) {
		return fail(exitUsage, "warder tail --server http://127.0.0.1:8081 --token-file warder.db.admin", "--server is missing: name the warder that is watched")
	}
	if t.count < 0 {
		return fail(exitUsage, "", "--count %d: want 1 or more", t.count)
	}
	if t.key != "" && t.key != "-" {
		if _, err := writtenID(t.key, "warder keys list shows the ids; --key - watches requests without a key"); err != nil {
			return err
		}
	}
	ctx := cmd.Context()
	if t.last != "" {
		d, err := config.ParseDuration(t.last)
		if err != nil || d <= 0 {
			return fail(exitUsage, "", "--for %q: want a duration such as 30s or 1h", printable(t.last))
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return err
	}
	defer r.Close()
	w := &tailWatch{remote: r, form: form, stdout: p.stdout, stderr: p.stderr, left: t.count, params: client.WatchDecisionsParams{Route: t.route, Key: t.key, Outcome: t.outcome, Code: t.code}}
	if t.key == "-" {
		w.params.Key = "none"
	}
	return w.run(ctx)
}

// A tailWatch is one tail, over as many connections as it takes.
type tailWatch struct {
	*remote

	params         client.WatchDecisionsParams
	form           format
	stdout, stderr io.Writer
	left           int64     // decisions until the end; 0 for no end
	broke          time.Time // when the connection broke off; zero while there is one
}

// errEnough means that as many decisions were told as were asked for.
var errEnough = errors.New("enough")

// run watches until ctx ends, enough was told, or the server refuses.
func (w *tailWatch) run(ctx context.Context) error {
	for pause := firstTailPause; ; pause = min(2*pause, lastTailPause) {
		begun := time.Now()
		watched, err := w.connect(ctx)
		if over := ctx.Err() != nil || errors.Is(err, errEnough); over {
			return nil
		}
		if err != nil && (!watched && w.broke.IsZero() || final(err)) {
			return err
		}
		if watched && time.Since(begun) > lastTailPause { // one that ends at once is no success
			pause = firstTailPause
		}
		if w.broke.IsZero() {
			w.broke = time.Now()
			w.say("the connection to %s is gone: it is made again, and what is decided meanwhile is missed", w.server)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// final reports whether to try again is of no use: the server would refuse again, or
// nobody reads what is told.
func final(err error) bool {
	if _, ours := errors.AsType[outputError](err); ours {
		return true
	}
	f, ok := errors.AsType[*failure](err)
	return ok && f.code != exitServer
}

// outputError is one of our own output.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// connect watches over one connection. watched is whether there was one; a nil error
// is its end.
func (w *tailWatch) connect(ctx context.Context) (watched bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := w.WatchDecisions(ctx, w.params)
	if err != nil {
		return false, w.failure(ctx, err, "tail")
	}
	defer stream.Close() //nolint:errcheck // read only
	if w.broke.IsZero() {
		w.say("watching %s: the decisions of this node, from now on", w.server)
	} else {
		w.say("watching again: what was decided between %s and %s is missed", w.broke.UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339))
		w.broke = time.Time{}
	}
	silence := time.AfterFunc(tailSilence, cancel)
	defer silence.Stop()
	err = readEvents(stream, func() { silence.Reset(tailSilence) }, w.event)
	if errors.Is(err, errEnough) || final(err) {
		return true, err
	}
	return true, nil // whatever it was, the connection is made again
}

// event shows an event.
func (w *tailWatch) event(name string, data []byte) error {
	switch name {
	case "decision":
		var d keyservice.Decision
		if json.Unmarshal(data, &d) != nil {
			return outputError{fail(exitServer, "", "tail: the server's answer is not what was expected: is it a warder of this version?")}
		}
		if err := w.show(&d); err != nil {
			return outputError{err}
		}
		if w.left--; w.left == 0 {
			return errEnough
		}
	case "missed":
		var m client.Missed
		if json.Unmarshal(data, &m) == nil && m.Count != nil {
			w.say("%d decisions came faster than they were read, and are missed", *m.Count)
		} else {
			w.say("decisions came faster than they were read, and some are missed")
		}
	}
	return nil
}

func (w *tailWatch) show(d *keyservice.Decision) error {
	if w.form == asJSON {
		e := json.NewEncoder(w.stdout)
		e.SetEscapeHTML(false)
		return e.Encode(d)
	}
	_, err := fmt.Fprintln(w.stdout, decisionLine(d))
	return err
}

// decisionLine is a decision for a person.
func decisionLine(d *keyservice.Decision) string {
	what := "-"
	if d.Reason != "" {
		what = cmp.Or(d.Stage, "handler") + ": " + d.Reason
	}
	words := []string{
		d.Time.Local().Format("15:04:05.000"), strconv.Itoa(d.Status), d.Method, cmp.Or(d.Path, d.Route, "-"), what,
		"key=" + cmp.Or(d.KeyID, "-"), "from=" + cmp.Or(d.Client, "-"), (time.Duration(d.DurationUS) * time.Microsecond).String(),
	}
	for _, mark := range []struct {
		is   bool
		text string
	}{
		{d.Route != "", "route=" + strconv.Quote(d.Route)},
		{d.Aborted, "aborted"},
		{d.Upgraded, "upgraded"},
		{d.Error != "", "error=" + strconv.Quote(d.Error)},
		{d.ID != "", "id=" + d.ID},
	} {
		if mark.is {
			words = append(words, mark.text)
		}
	}
	return shown(strings.Join(words, "  "))
}

// say tells the person, not the results.
func (w *tailWatch) say(text string, args ...any) {
	_, _ = fmt.Fprintf(w.stderr, "warder: "+text+"\n", args...)
}
