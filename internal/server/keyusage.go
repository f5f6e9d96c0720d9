package server

import (
	"context"

	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/usage/tally"
)

// usageOf reads for the admin API what keys were used for.
type usageOf struct{ reader tally.Reader }

// Rows implements keyservice.Usage.
func (u usageOf) Rows(ctx context.Context, q keyservice.UsageQuery) ([]keyservice.UsageRow, error) {
	asked := tally.Query{Resolution: tally.Resolution(q.Per), From: q.Since, To: q.Until, Key: q.Key, Limit: q.Limit}
	if a := q.After; a != nil {
		asked.After = &tally.Row{At: a.At, Count: tally.Count{Key: a.Key, Route: a.Route, Outcome: outcomeNamed(a.Outcome)}}
	}
	rows, err := u.reader.Rows(ctx, asked)
	if err != nil {
		return nil, err
	}
	all := make([]keyservice.UsageRow, len(rows))
	for i, r := range rows {
		all[i] = keyservice.UsageRow{At: r.At, Key: r.Key, Route: r.Route, Outcome: r.Outcome.String(), Count: r.N}
	}
	return all, nil
}

// outcomeNamed is the reverse of [tally.Outcome.String]; the first for what is none.
func outcomeNamed(name string) tally.Outcome {
	for _, o := range tally.Outcomes() {
		if o.String() == name {
			return o
		}
	}
	return 0
}

// keyUsage is what the admin API reads; nil when usage is not counted.
func (p *program) keyUsage() keyservice.Usage {
	if p.options.Usage == nil {
		return nil
	}
	return usageOf{p.options.Usage}
}

// keyCounts is what the admin API adds up; nil when usage is not counted.
func (p *program) keyCounts() keyservice.Counts {
	if p.options.Usage == nil {
		return nil
	}
	return p.options.Usage
}
