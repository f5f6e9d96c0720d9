package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/usage/tally"
)

func newUsage(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Show which keys and routes are used, and export it",
		Long: `Show which keys and routes are used, and export it.

warder serve counts requests in memory and writes them every ten seconds: what is
shown is that old. With --server the admin API of a warder that runs is asked, and the
same is printed.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	top, show := newUsageTop(p), newUsageShow(p)
	completeOutput(top, asTable, asJSON)
	completeOutput(show, asTable, asJSON)
	show.ValidArgsFunction = completeIDs(p)
	cmd.AddCommand(top, show, newUsageExport(p))
	return cmd
}

// usageSpan are the flags that say which time is meant.
type usageSpan struct{ since, until, by string }

func (s *usageSpan) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.since, "since", "24h", "from this time on, or so long ago: 2027-01-31, 24h, 7d")
	f.StringVar(&s.until, "until", "", "before this time, or so long ago (default: now)")
	f.StringVar(&s.by, "resolution", "", "minute, hour or day (default: what fits the time)")
	words := []string{string(tally.Minute), string(tally.Hour), string(tally.Day)}
	if err := cmd.RegisterFlagCompletionFunc("resolution", cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("warder: " + cmd.Name() + ": " + err.Error()) // it has the flag
	}
}

// query returns the time, and rows that fit it.
func (s *usageSpan) query(now time.Time) (q tally.Query, err error) {
	if q.From, err = parseMoment("since", s.since, now); err != nil {
		return q, err
	}
	if q.To, err = parseMoment("until", s.until, now); err != nil {
		return q, err
	}
	if q.To.IsZero() {
		q.To = now
	}
	if q.From.IsZero() {
		q.From = now.AddDate(0, 0, -1)
	}
	q.Limit, q.Resolution = tally.MaxRows, tally.Resolution(s.by)
	if s.by == "" {
		switch span := q.To.Sub(q.From); {
		case span <= 3*time.Hour:
			q.Resolution = tally.Minute
		case span <= 3*24*time.Hour:
			q.Resolution = tally.Hour
		default:
			q.Resolution = tally.Day
		}
	}
	length := q.Resolution.Length()
	if length == 0 {
		return q, fail(exitUsage, "", "--resolution %q: want minute, hour or day", printable(s.by))
	}
	if !q.From.Before(q.To) {
		return q, fail(exitUsage, "", "--since is not before --until")
	}
	q.From = q.From.Truncate(length) // whole rows: the first one too
	return q, nil
}

// A totalView is what a person or a script sees of a total.
type totalView struct {
	Key      *string `json:"key,omitempty"`
	Route    *string `json:"route,omitempty"`
	Name     string  `json:"name,omitempty"` // of the key
	Requests int64   `json:"requests"`
	Passed   int64   `json:"passed"`
	Limited  int64   `json:"limited"`
	Failed   int64   `json:"failed"`
}

func newUsageTop(p *process) *cobra.Command {
	var span usageSpan
	var output string
	var routes bool
	var limit int
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show which keys, or which routes, had the most requests",
		Long: `Show which keys, or which routes, had the most requests.

Requests for which no key was proven stand together, as do keys beyond those that
usage tells apart (other).`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := parseFormat(output, asTable, asJSON)
			if err != nil {
				return err
			}
			q, err := span.query(time.Now())
			if err != nil {
				return err
			}
			if limit < 1 || limit > 1000 {
				return fail(exitUsage, "", "--limit %d: want 1 to 1000", limit)
			}
			by := tally.ByKey
			if routes {
				by = tally.ByRoute
			}
			return withUsage(cmd, p, "", func(from usageSource) error {
				views, err := from.Totals(cmd.Context(), q, by, limit)
				if err != nil {
					return err
				}
				return form.print(p.stdout, views, nil, func(w io.Writer) error { return printRows(w, totalRows(views, by)) })
			})
		},
	}
	addConfigFlags(cmd, "db")
	addRemoteFlags(cmd)
	span.addFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&routes, "routes", false, "routes in place of keys")
	f.IntVar(&limit, "limit", 20, "how many, 1 to 1000")
	f.StringVarP(&output, "output", "o", string(asTable), "table or json")
	return cmd
}

// totalViews adds the names of keys that still exist.
func totalViews(ctx context.Context, keys apikey.Store, totals []tally.Total, by tally.By) ([]totalView, error) {
	views := []totalView{}
	for _, t := range totals {
		v := totalView{Requests: t.Requests, Passed: t.Passed, Limited: t.Limited, Failed: t.Failed}
		if by == tally.ByRoute {
			v.Route = &t.Name
		} else {
			v.Key = &t.Name
			if apikey.ValidID(t.Name) {
				r, err := keys.Lookup(ctx, apikey.ID(t.Name))
				if err == nil {
					v.Name = r.Name
				} else if !isNotFound(err) {
					return nil, err
				}
			}
		}
		views = append(views, v)
	}
	return views, nil
}

func totalRows(views []totalView, by tally.By) [][]string {
	rows := [][]string{{"KEY", "NAME", "REQUESTS", "PASSED", "LIMITED", "FAILED"}}
	if by == tally.ByRoute {
		rows = [][]string{{"ROUTE", "REQUESTS", "PASSED", "LIMITED", "FAILED"}}
	}
	for _, v := range views {
		numbers := []string{number(v.Requests), number(v.Passed), number(v.Limited), number(v.Failed)}
		if by == tally.ByRoute {
			rows = append(rows, append([]string{none(*v.Route, "(no route)")}, numbers...))
		} else {
			rows = append(rows, append([]string{none(*v.Key, "(no key)"), dash(shown(v.Name))}, numbers...))
		}
	}
	return rows
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// none is text for a person; instead for none.
func none(text, instead string) string {
	if text == "" {
		return instead
	}
	return shown(text)
}

// A usageView is what a person or a script sees of one key.
type usageView struct {
	Key       apikey.ID     `json:"key"`
	LastUsed  *time.Time    `json:"last_used,omitempty"`
	Routes    []totalView   `json:"routes"`
	Secrets   []secretUse   `json:"secrets"`
	Addresses []addressView `json:"addresses"` // the most frequent and the latest
	Scopes    []scopeView   `json:"scopes"`    // that were needed and there
}

type secretUse struct {
	Number   int        `json:"number"`
	LastUsed time.Time  `json:"last_used"`
	Retires  *time.Time `json:"retires,omitempty"`
}

type addressView struct {
	Address  string    `json:"address"`
	Requests int64     `json:"requests"`
	LastUsed time.Time `json:"last_used"`
}

type scopeView struct {
	Scope    string    `json:"scope"`
	LastUsed time.Time `json:"last_used"`
}

func newUsageShow(p *process) *cobra.Command {
	var span usageSpan
	var output string
	cmd := &cobra.Command{
		Use:   "show ID|-",
		Short: "Show what one key is used for, from where, and by which of its secrets",
		Args:  wants(aKey, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(output, asTable, asJSON)
			if err != nil {
				return err
			}
			q, err := span.query(time.Now())
			if err != nil {
				return err
			}
			id, err := keyID(cmd, p, args[0])
			if err != nil {
				return err
			}
			q.Key = string(id)
			return withUsage(cmd, p, args[0], func(from usageSource) error {
				v, err := from.Of(cmd.Context(), id, q)
				if err != nil {
					return err
				}
				return form.print(p.stdout, v, nil, func(w io.Writer) error { return printRows(w, v.rows()) })
			})
		},
	}
	addConfigFlags(cmd, "db")
	addRemoteFlags(cmd)
	span.addFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table or json")
	return cmd
}

func usageOf(ctx context.Context, db *database, id apikey.ID, q tally.Query) (v usageView, _ error) {
	record, err := findKey(ctx, db.APIKeys(), id)
	if err != nil {
		return v, err
	}
	routes, err := db.Usage().Top(ctx, q, tally.ByRoute, 100)
	if err != nil {
		return v, err
	}
	use, err := db.Usage().Key(ctx, string(id))
	if err != nil {
		return v, err
	}
	v = usageView{Key: id, Secrets: []secretUse{}, Addresses: []addressView{}, Scopes: []scopeView{}}
	if last := use.LastUsed(); !last.IsZero() {
		v.LastUsed = &last
	}
	if v.Routes, err = totalViews(ctx, db.APIKeys(), routes, tally.ByRoute); err != nil {
		return v, err
	}
	for _, s := range use.Secrets {
		one := secretUse{Number: s.Secret, LastUsed: s.At}
		for _, of := range record.Secrets {
			if of.Number == s.Secret && !of.Retires.IsZero() {
				one.Retires = new(of.Retires.UTC())
			}
		}
		v.Secrets = append(v.Secrets, one)
	}
	for _, a := range use.Addresses {
		v.Addresses = append(v.Addresses, addressView{strings.TrimSuffix(a.Prefix.String(), "/32"), a.N, a.At})
	}
	for _, s := range use.Scopes {
		v.Scopes = append(v.Scopes, scopeView{s.Scope, s.At})
	}
	return v, nil
}

// rows returns the use of one key for a person.
func (v usageView) rows() [][]string {
	rows := [][]string{{"key", string(v.Key)}, {"last used", moment(v.LastUsed, "never")}}
	for _, s := range v.Secrets {
		text := s.LastUsed.Format(time.RFC3339)
		if s.Retires != nil {
			text += ", retires at " + moment(s.Retires, "")
		}
		rows = append(rows, []string{"secret " + strconv.Itoa(s.Number), text})
	}
	for _, r := range v.Routes {
		rows = append(rows, []string{"route " + none(*r.Route, "(none)"), fmt.Sprintf("%d requests, %d passed, %d limited, %d failed", r.Requests, r.Passed, r.Limited, r.Failed)})
	}
	for _, s := range v.Scopes {
		rows = append(rows, []string{"scope " + shown(s.Scope), s.LastUsed.Format(time.RFC3339)})
	}
	for _, a := range v.Addresses {
		rows = append(rows, []string{"from " + a.Address, fmt.Sprintf("%d requests, the last at %s", a.Requests, a.LastUsed.Format(time.RFC3339))})
	}
	return rows
}

func newUsageExport(p *process) *cobra.Command {
	const asCSV, asPrometheus = "csv", "prometheus"
	var span usageSpan
	var form, key string
	var top int
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write counts to standard output, for a spreadsheet or for Prometheus",
		Long: `Write counts to standard output, for a spreadsheet or for Prometheus.

csv is every row, as it is read. prometheus is the sum of the time for the --top keys
alone, in the text format that a collector of files takes: series for each key would
have no bound.`,
		Example: `  warder usage export --since 30d --resolution day > usage.csv
  warder usage export --format prometheus --top 50 > /var/lib/node_exporter/warder.prom`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := span.query(time.Now())
			if err != nil {
				return err
			}
			q.Key = key
			if top < 1 || top > 1000 {
				return fail(exitUsage, "", "--top %d: want 1 to 1000", top)
			}
			if form != asCSV && form != asPrometheus {
				return fail(exitUsage, "", "--format %q: want %s or %s", printable(form), asCSV, asPrometheus)
			}
			return withUsage(cmd, p, "", func(from usageSource) error {
				if form == asPrometheus {
					return exportTop(cmd.Context(), from, p.stdout, q, top)
				}
				return exportUsage(cmd.Context(), from, p.stdout, q)
			})
		},
	}
	addConfigFlags(cmd, "db")
	addRemoteFlags(cmd)
	span.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&form, "format", asCSV, "csv or prometheus")
	f.StringVar(&key, "key", "", "only this key, by its id")
	f.IntVar(&top, "top", 100, "how many keys, with prometheus, 1 to 1000")
	if err := cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{asCSV, asPrometheus}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("warder: usage export: " + err.Error()) // it has the flag
	}
	return cmd
}

// exportUsage writes every row, a page at a time (RFC 4180).
func exportUsage(ctx context.Context, from usageSource, to io.Writer, q tally.Query) error {
	w := csv.NewWriter(to)
	if err := w.Write([]string{"at", "key", "route", "outcome", "requests"}); err != nil {
		return err
	}
	err := from.Each(ctx, q, func(r *tally.Row) error {
		return w.Write([]string{r.At.Format(time.RFC3339), r.Key, r.Route, r.Outcome.String(), number(r.N)})
	})
	w.Flush()
	return errors.Join(err, w.Error())
}

// exportTop writes the sums of the busiest keys.
func exportTop(ctx context.Context, from usageSource, to io.Writer, q tally.Query, top int) error {
	totals, err := from.Totals(ctx, q, tally.ByKey, top)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("# HELP warder_key_requests Requests of the busiest keys within the exported time, by what came of them.\n# TYPE warder_key_requests gauge\n")
	label := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	for _, t := range totals {
		key := label.Replace(none(*t.Key, "none"))
		for _, of := range []struct {
			word string
			n    int64
		}{{"passed", t.Passed}, {"limited", t.Limited}, {"refused", t.Requests - t.Passed - t.Limited}} {
			_, _ = fmt.Fprintf(&b, "warder_key_requests{key=\"%s\",outcome=\"%s\"} %d\n", key, of.word, of.n)
		}
	}
	_, err = io.WriteString(to, b.String())
	return err
}
