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
)

// pageSize is how many keys are read at a time.
const pageSize = 500

// The orders of --sort.
const (
	sortOldest = "oldest"
	sortNewest = "newest"
	sortID     = "id"
)

// listOptions are the flags of keys list and keys find.
type listOptions struct {
	owner, env, state, kind, plan, text, expiresBefore, sort, after, output string
	limit                                                                   int
}

func newKeysList(p *process) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all keys, or those that flags name, the oldest first",
		Example: `  warder keys list --owner acme --state active
  warder keys list --expires-before 30d --sort newest --limit 100`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return listKeys(cmd, p, &o) },
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&o.text, "text", "", "a part of the name, the owner or the id")
	return cmd
}

func newKeysFind(p *process) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:   "find TEXT|-",
		Short: "Find keys by a part of their name, owner or id, or one by its text on standard input",
		Args:  wants("a part of a name, an owner or an id, or - and a key on standard input", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.text = args[0]; args[0] == "-" {
				id, err := keyID(cmd, p, "-")
				if err != nil {
					return err
				}
				o.text = string(id)
			}
			return listKeys(cmd, p, &o)
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (o *listOptions) addFlags(cmd *cobra.Command) {
	addConfigFlags(cmd, "db")
	f := cmd.Flags()
	f.StringVar(&o.owner, "owner", "", "only keys of this owner")
	f.StringVar(&o.env, "env", "", "only keys of this environment")
	f.StringVar(&o.state, "state", "", "only keys that are active, retiring, disabled, revoked or expired")
	f.StringVar(&o.kind, "kind", "", "only keys of this kind: secret, public or honeytoken")
	f.StringVar(&o.plan, "plan", "", "only keys of this plan")
	f.StringVar(&o.expiresBefore, "expires-before", "", "only keys that expire before: a time such as 2027-01-31, or from now such as 30d")
	f.StringVar(&o.sort, "sort", sortOldest, "oldest, newest or id")
	f.IntVar(&o.limit, "limit", 0, "how many at most, with --sort newest or id (default: all)")
	f.StringVar(&o.after, "after", "", "the id of the last key of the page before, with --sort newest or id")
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json, yaml or id")
	for name, words := range map[string][]string{
		"state": {string(apikey.Active), string(apikey.Retiring), string(apikey.Disabled), string(apikey.Revoked), string(apikey.Expired)},
		"kind":  kinds(), "sort": {sortOldest, sortNewest, sortID},
	} {
		if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic("warder: keys list: " + err.Error()) // it has the flag: every test finds it
		}
	}
}

// filter translates the flags, and reports everything that is wrong at once.
func (o *listOptions) filter(now time.Time) (apikey.Filter, error) {
	f := apikey.Filter{
		Owner: o.owner, Environment: apikey.Environment(o.env), Kind: apikey.Kind(o.kind), Plan: o.plan, State: apikey.State(o.state),
		Text: o.text, At: now, Limit: pageSize, Sort: apikey.SortID,
	}
	var errs []error
	if !slices.Contains([]string{"", "active", "retiring", "disabled", "revoked", "expired"}, o.state) {
		errs = append(errs, fmt.Errorf("--state %q: want active, retiring, disabled, revoked or expired", printable(o.state)))
	}
	if o.kind != "" && !slices.Contains(kinds(), o.kind) {
		errs = append(errs, fmt.Errorf("--kind %q: want secret, public or honeytoken", printable(o.kind)))
	}
	if !slices.Contains([]string{sortOldest, sortNewest, sortID}, o.sort) {
		errs = append(errs, fmt.Errorf("--sort %q: want oldest, newest or id", printable(o.sort)))
	}
	if o.sort == sortNewest {
		f.Sort = apikey.SortCreated
	}
	if o.limit < 0 {
		errs = append(errs, fmt.Errorf("--limit %d: want 0 or more", o.limit))
	}
	if o.sort == sortOldest && (o.limit != 0 || o.after != "") {
		errs = append(errs, errors.New("--limit and --after: want --sort newest or --sort id with them"))
	}
	if o.after != "" && !apikey.ValidID(o.after) {
		errs = append(errs, fmt.Errorf("--after %q: want the id of a key", printable(o.after)))
	}
	var err error
	if f.ExpiresBefore, err = o.before(now); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return f, fail(exitUsage, "", "%w", errors.Join(errs...))
	}
	return f, nil
}

func (o *listOptions) before(now time.Time) (time.Time, error) {
	if o.expiresBefore == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(form, o.expiresBefore); err == nil {
			return at, nil
		}
	}
	at, err := parseLifetime(o.expiresBefore, now)
	if err != nil {
		return at, fmt.Errorf("--expires-before %q: want a time such as 2027-01-31, or from now such as 30d", printable(o.expiresBefore))
	}
	return at, nil
}

func listKeys(cmd *cobra.Command, p *process, o *listOptions) error {
	form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID)
	if err != nil {
		return err
	}
	filter, err := o.filter(time.Now())
	if err != nil {
		return err
	}
	if isRemote(cmd) {
		return listRemote(cmd, p, o, filter, form)
	}
	return withDatabase(cmd, p, func(_ *config.Config, db *database) error {
		found, err := o.find(cmd.Context(), db.APIKeys(), filter)
		if err != nil {
			return err
		}
		return printKeys(cmd.Context(), p, db, form, found, filter.At)
	})
}

// find reads the pages that are asked for.
func (o *listOptions) find(ctx context.Context, keys keyTable, f apikey.Filter) (all []apikey.Record, _ error) {
	if o.after != "" {
		last, err := findKey(ctx, keys, apikey.ID(o.after))
		if err != nil {
			return nil, err
		}
		f.After = f.CursorOf(&last)
	}
	for {
		if o.limit > 0 {
			f.Limit = min(pageSize, o.limit-len(all))
		}
		page, err := keys.Find(ctx, f)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Records...)
		if !page.More || len(all) == o.limit && o.limit > 0 {
			break
		}
		f.After = page.Next
	}
	if o.sort == sortOldest {
		// By whole seconds, as they are shown and as a server tells them, and of one second by id:
		// the list is the same on the database and from a server.
		slices.SortStableFunc(all, func(a, b apikey.Record) int {
			return a.Created.Truncate(time.Second).Compare(b.Created.Truncate(time.Second))
		})
	}
	return all, nil
}

func printKeys(ctx context.Context, p *process, db *database, form format, found []apikey.Record, now time.Time) error {
	views := make([]keyView, len(found))
	for i, r := range found {
		views[i] = view(r, now)
	}
	if err := nameOwners(ctx, db.Owners(), views); err != nil {
		return err
	}
	return printList(p, form, views)
}

// printList prints keys in their order.
func printList(p *process, form format, views []keyView) error {
	ids := make([]apikey.ID, len(views))
	rows := [][]string{{"ID", "KEY", "STATE", "NAME", "OWNER", "SCOPES", "CREATED", "EXPIRES"}}
	for i, v := range views {
		ids[i] = v.ID
		rows = append(rows, []string{
			string(v.ID), v.Masked, string(v.State), dash(v.Name), dash(v.Owner), dash(strings.Join(v.Scopes, " ")),
			v.Created.Format(time.RFC3339), moment(v.Expires, "never"),
		})
	}
	return form.print(p.stdout, views, ids, func(w io.Writer) error { return printRows(w, rows) })
}
