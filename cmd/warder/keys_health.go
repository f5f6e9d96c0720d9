package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/usage/tally"
)

func isNotFound(err error) bool { return errors.Is(err, apikey.ErrNotFound) }

// A healthView is a key with what is wrong with it.
type healthView struct {
	ID       apikey.ID `json:"id"`
	Name     string    `json:"name"`
	Owner    string    `json:"owner"`
	Findings []illView `json:"findings"`
}

type illView struct {
	Ill    tally.Ill  `json:"ill"`
	Text   string     `json:"text"`
	Since  *time.Time `json:"since,omitempty"`
	Ends   *time.Time `json:"ends,omitempty"`
	Secret int        `json:"secret,omitempty"`
	Scopes []string   `json:"scopes,omitempty"`
}

func newKeysHealth(p *process) *cobra.Command {
	var idle, output string
	var reduce bool
	cmd := &cobra.Command{
		Use:   "health [ID|-]",
		Short: "Show what is wrong with the keys that work",
		Long: `Show what is wrong with the keys that work.

never-expires: it works for ever. idle: it was not used for 90 days, or never.
over-scoped: it has scopes that no request of it has needed; --reduce takes these
away from the key that is named. many-addresses: it was used from 16 addresses or more
within 30 days. old-secret: a secret that a roll replaced is still in use.

What was needed is what routes have asked for since usage is counted: give --config, so
that scopes by which plans go are left alone, and wait until a month is counted.`,
		Args: wants("a key's id at most", 0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(output, asTable, asJSON)
			if err != nil {
				return err
			}
			bound, err := config.ParseDuration(idle)
			if err != nil || bound <= 0 {
				return fail(exitUsage, "", "--idle %q: want a duration such as 90d", printable(idle))
			}
			if reduce && len(args) == 0 {
				return fail(exitUsage, "", "--reduce: want the id of the key whose scopes are taken away")
			}
			var id apikey.ID
			if len(args) > 0 {
				if id, err = keyID(cmd, p, args[0]); err != nil {
					return err
				}
			}
			if isRemote(cmd) {
				return healthRemote(cmd, p, args, id, bound, reduce, form)
			}
			return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
				plans := cfg.PlanScopes()
				h := health{p: p, db: db, rules: tally.HealthConfig{Idle: bound, Ignore: func(scope string) bool { return slices.Contains(plans, scope) }}}
				if reduce {
					return h.reduce(cmd.Context(), id)
				}
				views, err := h.all(cmd.Context(), id)
				if err != nil {
					return err
				}
				return form.print(p.stdout, views, nil, func(w io.Writer) error { return printHealth(w, views) })
			})
		},
	}
	addConfigFlags(cmd, "db")
	f := cmd.Flags()
	f.StringVar(&idle, "idle", "90d", "for how long a key is not used before it is told")
	f.BoolVar(&reduce, "reduce", false, "leave the key the scopes that it needed, and no more")
	f.StringVarP(&output, "output", "o", string(asTable), "table or json")
	return cmd
}

// health judges keys.
type health struct {
	p     *process
	db    *database
	rules tally.HealthConfig
}

func judged(r *apikey.Record) *tally.Key {
	k := &tally.Key{ID: string(r.ID), Scopes: r.Scopes, Created: r.Created, Expires: r.Expires}
	for _, s := range r.Secrets {
		k.Secrets = append(k.Secrets, tally.Secret{Number: s.Number, Retires: s.Retires})
	}
	return k
}

// all returns the keys that work and have something wrong, or the one with the id.
func (h *health) all(ctx context.Context, id apikey.ID) ([]healthView, error) {
	views := []healthView{}
	if id != "" {
		r, err := findKey(ctx, h.db.APIKeys(), id)
		if err != nil {
			return nil, err
		}
		v, err := h.one(ctx, &r)
		return append(views, v), err
	}
	now := time.Now()
	for after := apikey.ID(""); ; {
		page, err := h.db.APIKeys().List(ctx, after, pageSize)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if state := page[i].State(now); state != apikey.Active && state != apikey.Retiring {
				continue
			}
			v, err := h.one(ctx, &page[i])
			if err != nil {
				return nil, err
			}
			if len(v.Findings) > 0 {
				views = append(views, v)
			}
		}
		if len(page) < pageSize {
			return views, nil
		}
		after = page[len(page)-1].ID
	}
}

func (h *health) one(ctx context.Context, r *apikey.Record) (v healthView, _ error) {
	use, err := h.db.Usage().Key(ctx, string(r.ID))
	if err != nil {
		return v, err
	}
	v = healthView{ID: r.ID, Name: r.Name, Owner: r.Owner, Findings: []illView{}}
	for _, f := range h.rules.Health(judged(r), &use, time.Now()) {
		v.Findings = append(v.Findings, illOf(&f))
	}
	return v, nil
}

// illOf is a finding as the command prints it.
func illOf(f *tally.Finding) illView {
	one := illView{Ill: f.Ill, Text: findingText(*f), Secret: f.Secret, Scopes: f.Scopes}
	if !f.Since.IsZero() {
		one.Since = new(f.Since.UTC())
	}
	if !f.Ends.IsZero() {
		one.Ends = new(f.Ends.UTC())
	}
	return one
}

func findingText(f tally.Finding) string {
	switch f.Ill {
	case tally.NeverExpires:
		return "it works for ever"
	case tally.Idle:
		return "not used since " + f.Since.UTC().Format(time.RFC3339)
	case tally.OverScoped:
		return "never needed " + strings.Join(f.Scopes, " ")
	case tally.ManyAddresses:
		return fmt.Sprintf("used from %d addresses or more within 30 days", f.Count)
	case tally.OldSecret:
		return fmt.Sprintf("secret %d was used at %s, and ends at %s", f.Secret, f.Since.UTC().Format(time.RFC3339), f.Ends.UTC().Format(time.RFC3339))
	default:
		return ""
	}
}

func printHealth(w io.Writer, views []healthView) error {
	rows := [][]string{{"ID", "NAME", "OWNER", "WHAT", ""}}
	for _, v := range views {
		for _, f := range v.Findings {
			rows = append(rows, []string{string(v.ID), dash(shown(v.Name)), dash(shown(v.Owner)), string(f.Ill), shown(f.Text)})
		}
	}
	if len(rows) == 1 {
		_, err := fmt.Fprintln(w, "Nothing is wrong with the keys that work.")
		return err
	}
	return printRows(w, rows)
}

// reduce leaves a key the scopes that it needed.
func (h *health) reduce(ctx context.Context, id apikey.ID) error {
	before, err := findKey(ctx, h.db.APIKeys(), id)
	if err != nil {
		return err
	}
	use, err := h.db.Usage().Key(ctx, string(id))
	if err != nil {
		return err
	}
	if use.LastUsed().IsZero() {
		return fail(exitUsage, "revoke a key that nobody uses", "keys health --reduce: the key was not used since usage is counted")
	}
	needed := h.rules.Reduced(judged(&before), &use)
	if slices.Equal(needed, slices.Sorted(slices.Values(before.Scopes))) {
		return printReduced(h.p, needed, needed)
	}
	after, who, now := before, by(h.p), time.Now().UTC().Truncate(time.Microsecond)
	after.Scopes, after.Updated = needed, now
	_, err = h.db.APIKeys().Apply(ctx, apikey.Change{Actor: who.Actor, Source: who.Source, Op: apikey.OpUpdate, At: now, Before: &before, After: &after})
	if err != nil {
		return fail(exitServer, "nothing is changed; ask again", "keys health --reduce: %w", err)
	}
	return printReduced(h.p, before.Scopes, needed)
}
