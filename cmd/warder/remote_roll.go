package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
)

// ifMatch is --if-revision as the server wants it (RFC 9110, section 13.1.1).
func ifMatch(revision int64) string {
	if revision == 0 {
		return "*"
	}
	return strconv.Quote(strconv.FormatInt(revision, 10))
}

// rollRemote is keys roll on a server.
func rollRemote(cmd *cobra.Command, p *process, argument string, id apikey.ID, o *rollOptions, spec apikey.RollSpec, form format) error {
	r, err := openRemote(cmd, p, argument)
	if err != nil {
		return err
	}
	defer r.Close()
	body := client.RollKeyRequest{Overlap: spec.Overlap.String()}
	if spec.IdleRetire > 0 {
		body.IdleRetire = spec.IdleRetire.String()
	}
	made, err := r.RollKey(cmd.Context(), string(id), client.RollKeyParams{IfMatch: ifMatch(o.revision), IdempotencyKey: rand.Text()}, body)
	if err != nil {
		return r.failure(cmd.Context(), err, "the key is not rolled")
	}
	v := remoteView(&made.Value.Key)
	if err := showMade(p, form, v, made.Value.Text.Text); err != nil {
		return fail(exitServer, "roll it again", "the key %s was rolled, but its new text could not be written: %w", v.ID, err)
	}
	if len(v.Secrets) > 1 && v.Secrets[1].Retires != nil {
		_, _ = fmt.Fprintf(p.stderr, "The old one works until %s; `warder keys end-overlap %s` ends it now.\n", v.Secrets[1].Retires.Format(time.RFC3339), v.ID)
	}
	return nil
}

// overlapOn ends an overlap on a server.
func overlapOn(revision int64) remoteTurn {
	return remoteTurn{
		done: "left with its new text alone", already: func(k *client.Key) bool { return len(k.Secrets) < 2 },
		change: func(ctx context.Context, r *remote, id, wait string) (client.Result[client.KeyChanged], error) {
			return r.EndOverlap(ctx, id, client.EndOverlapParams{IfMatch: ifMatch(revision), IdempotencyKey: rand.Text(), Wait: wait})
		},
	}
}
