package main

import (
	"context"
	"math"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/usage/tally"
)

// A usageSource is where usage is read: a database, or a server.
type usageSource interface {
	// Each calls each with every row, in the order of [tally.Reader.Rows].
	Each(ctx context.Context, q tally.Query, each func(r *tally.Row) error) error
	// Totals returns what [tally.Reader.Top] does, with the names of keys that still
	// exist.
	Totals(ctx context.Context, q tally.Query, by tally.By, limit int) ([]totalView, error)
	// Of returns the use of one key.
	Of(ctx context.Context, id apikey.ID, q tally.Query) (usageView, error)
}

// withUsage calls use with the usage of the database, or of --server. argument is as
// in [openRemote].
func withUsage(cmd *cobra.Command, p *process, argument string, use func(from usageSource) error) error {
	if !isRemote(cmd) {
		return withDatabase(cmd, p, func(_ *config.Config, db *database) error { return use(localUsage{db}) })
	}
	r, err := openRemote(cmd, p, argument)
	if err != nil {
		return err
	}
	defer r.Close()
	return use(remoteUsage{r})
}

// localUsage is the usage of a database.
type localUsage struct{ db *database }

func (u localUsage) Each(ctx context.Context, q tally.Query, each func(r *tally.Row) error) error {
	for {
		page, err := u.db.Usage().Rows(ctx, q)
		if err != nil {
			return err
		}
		for i := range page {
			if err := each(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < q.Limit {
			return nil
		}
		q.After = &page[len(page)-1]
	}
}

func (u localUsage) Totals(ctx context.Context, q tally.Query, by tally.By, limit int) ([]totalView, error) {
	totals, err := u.db.Usage().Top(ctx, q, by, limit)
	if err != nil {
		return nil, err
	}
	return totalViews(ctx, u.db.APIKeys(), totals, by)
}

func (u localUsage) Of(ctx context.Context, id apikey.ID, q tally.Query) (usageView, error) {
	return usageOf(ctx, u.db, id, q)
}

// remoteUsage is the usage of a server.
type remoteUsage struct{ *remote }

func (r remoteUsage) Each(ctx context.Context, q tally.Query, each func(r *tally.Row) error) error {
	asked := client.GetUsageParams{Key: q.Key, Since: q.From, Until: q.To, Per: string(q.Resolution), Limit: pageSize}
	for {
		page, err := r.GetUsage(ctx, asked)
		if err != nil {
			return r.failure(ctx, err, "usage export")
		}
		for i := range page.Value.Rows {
			one := &page.Value.Rows[i]
			row := tally.Row{At: one.At, Count: tally.Count{Key: one.Key, Route: one.Route, Outcome: outcomeOf(one.Outcome), N: one.Count}}
			if err := each(&row); err != nil {
				return err
			}
		}
		if asked.Cursor = page.Value.Next; asked.Cursor == "" {
			return nil
		}
	}
}

func (r remoteUsage) Totals(ctx context.Context, q tally.Query, by tally.By, limit int) ([]totalView, error) {
	top, err := r.TopUsage(ctx, client.TopUsageParams{By: string(by), Key: q.Key, Since: q.From, Until: q.To, Per: string(q.Resolution), Limit: int64(limit)})
	if err != nil {
		return nil, r.failure(ctx, err, "usage")
	}
	return remoteTotals(top.Value.Totals, by), nil
}

// remoteTotals are totals of the server's as the commands print them.
func remoteTotals(totals []client.UsageTotal, by tally.By) []totalView {
	views := []totalView{}
	for i := range totals {
		t := &totals[i]
		v := totalView{Name: t.Name, Requests: t.Requests, Passed: t.Passed, Limited: t.Limited, Failed: t.Failed}
		if by == tally.ByRoute {
			v.Route = &t.Route
		} else {
			v.Key = &t.Key
		}
		views = append(views, v)
	}
	return views
}

func (r remoteUsage) Of(ctx context.Context, id apikey.ID, q tally.Query) (v usageView, _ error) {
	if _, err := r.key(ctx, id); err != nil {
		return v, err
	}
	use, err := r.GetKeyUsage(ctx, string(id), client.GetKeyUsageParams{Since: q.From, Until: q.To, Per: string(q.Resolution)})
	if err != nil {
		return v, r.failure(ctx, err, "usage show")
	}
	u := &use.Value
	v = usageView{
		Key: id, LastUsed: u.LastUsed, Routes: remoteTotals(u.Routes, tally.ByRoute), Secrets: []secretUse{}, Addresses: []addressView{}, Scopes: []scopeView{},
	}
	for _, s := range u.Secrets {
		v.Secrets = append(v.Secrets, secretUse{Number: int(s.Number), LastUsed: s.LastUsed, Retires: s.Retires})
	}
	for _, a := range u.Addresses {
		v.Addresses = append(v.Addresses, addressView{a.Address, a.Requests, a.LastUsed})
	}
	for _, s := range u.Scopes {
		v.Scopes = append(v.Scopes, scopeView{s.Scope, s.LastUsed})
	}
	return v, nil
}

// outcomeOf is the reverse of [tally.Outcome.String].
func outcomeOf(name string) tally.Outcome {
	for _, o := range tally.Outcomes() {
		if o.String() == name {
			return o
		}
	}
	return math.MaxUint8 // which is called unknown
}
