package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/usage/tally"
)

// healthRemote is keys health on a server.
func healthRemote(cmd *cobra.Command, p *process, args []string, id apikey.ID, idle time.Duration, reduce bool, form format) error {
	argument := ""
	if len(args) > 0 {
		argument = args[0]
	}
	r, err := openRemote(cmd, p, argument)
	if err != nil {
		return err
	}
	defer r.Close()
	if reduce {
		return r.reduce(cmd.Context(), p, id)
	}
	views, err := r.health(cmd.Context(), id, idle)
	if err != nil {
		return err
	}
	return form.print(p.stdout, views, nil, func(w io.Writer) error { return printHealth(w, views) })
}

// health asks for every page, or for one key.
func (r *remote) health(ctx context.Context, id apikey.ID, idle time.Duration) ([]healthView, error) {
	views := []healthView{}
	if id != "" {
		k, err := r.key(ctx, id)
		if err != nil {
			return nil, err
		}
		views = append(views, healthView{ID: id, Name: k.Name, Owner: k.Owner, Findings: []illView{}})
	}
	asked := client.KeyHealthParams{Key: string(id), Idle: idle.String(), Limit: pageSize}
	for {
		page, err := r.KeyHealth(ctx, asked)
		if err != nil {
			return nil, r.failure(ctx, err, "keys health")
		}
		for i := range page.Value.Keys {
			views = append(views, remoteHealth(&page.Value.Keys[i]))
		}
		if asked.Cursor = page.Value.Next; asked.Cursor == "" {
			break
		}
	}
	if id != "" { // as it was told last
		return views[len(views)-1:], nil
	}
	slices.SortFunc(views, func(a, b healthView) int { return cmp.Compare(a.ID, b.ID) })
	return views, nil
}

func remoteHealth(k *client.KeyHealth) healthView {
	v := healthView{ID: apikey.ID(k.Key.ID), Name: k.Key.Name, Owner: k.Key.Owner, Findings: []illView{}}
	for i := range k.Findings {
		ill := &k.Findings[i]
		f := tally.Finding{Ill: tally.Ill(ill.Finding), Scopes: ill.Scopes}
		if ill.Since != nil {
			f.Since = *ill.Since
		}
		if ill.Ends != nil {
			f.Ends = *ill.Ends
		}
		if ill.Secret != nil {
			f.Secret = int(*ill.Secret)
		}
		if ill.Addresses != nil {
			f.Count = int(*ill.Addresses)
		}
		v.Findings = append(v.Findings, illOf(&f))
	}
	return v
}

// reduce leaves a key the scopes that it needed.
func (r *remote) reduce(ctx context.Context, p *process, id apikey.ID) error {
	before, err := r.key(ctx, id)
	if err != nil {
		return err
	}
	changed, err := r.ReduceKey(ctx, string(id), client.ReduceKeyParams{IfMatch: ifMatch(before.Revision), IdempotencyKey: rand.Text()})
	if err != nil {
		return r.failure(ctx, err, "keys health --reduce")
	}
	return printReduced(p, before.Scopes, changed.Value.Key.Scopes)
}

// printReduced says what a reduction did.
func printReduced(p *process, before, now []string) error {
	if slices.Equal(slices.Sorted(slices.Values(before)), slices.Sorted(slices.Values(now))) {
		_, err := fmt.Fprintln(p.stderr, "The key has needed every scope that it has.")
		return err
	}
	_, err := fmt.Fprintf(p.stderr, "Scopes before: %s\nScopes now:    %s\n", dash(strings.Join(before, " ")), dash(strings.Join(now, " ")))
	return err
}
