package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// updateOptions are the flags of keys update.
type updateOptions struct {
	fieldFlags
	changeFlags
	unset []string
}

func newKeysUpdate(p *process) *cobra.Command {
	var o updateOptions
	cmd := &cobra.Command{
		Use:   "update ID|-",
		Short: "Change what a key says and is good for, and wait until every running node knows",
		Long: `Change what a key says and is good for, and wait until every running node knows.

What no flag names stays. A list takes the place of the whole list before; an empty
one, such as --ip "", takes it away. Notes are changed one by one: --meta sets one,
--unset-meta takes one away.`,
		Example: `  warder keys update 3kTMd9xWm1Qa --scopes orders:read --expires-in 3mo
  warder keys update 3kTMd9xWm1Qa --ip 192.0.2.0/24 --ip 2001:db8::/32 --if-revision 17`,
		Args: wants(aKey, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return updateKey(cmd, p, args[0], &o) },
	}
	addConfigFlags(cmd, "db")
	o.fieldFlags.addFlags(cmd, "as it is")
	cmd.Flags().StringSliceVar(&o.unset, "unset-meta", nil, "name of a note to take away; may be repeated")
	o.changeFlags.addFlags(cmd, "table, json, yaml or id")
	return cmd
}

func updateKey(cmd *cobra.Command, p *process, arg string, o *updateOptions) error {
	form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID)
	if err != nil {
		return err
	}
	patch, err := o.patch(cmd.Flags(), time.Now())
	if err != nil {
		return fail(exitUsage, "", "%w", err)
	}
	id, err := keyID(cmd, p, arg)
	if err != nil {
		return err
	}
	if isRemote(cmd) {
		return updateRemote(cmd, p, arg, id, o, &patch, form)
	}
	return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
		policy := apikey.Policy{DefaultTTL: cfg.Keys.DefaultTTL, MaxTTL: cfg.Keys.MaxTTL, MaxSecrets: cfg.Keys.MaxSecrets}
		c := keyChange{"update", "updated", "Nothing was to be changed.", func(ctx context.Context, db *database, id apikey.ID, revision apikey.Revision) (apikey.Record, error) {
			return apikey.UpdateWithin(ctx, db.APIKeys(), policy, by(p), id, revision, patch)
		}}
		r, err := c.run(cmd, cfg, db, id, &o.changeFlags)
		if err != nil {
			return err
		}
		return r.print(p, form)
	})
}

// patch is what the flags that were given ask for.
func (o *updateOptions) patch(given *pflag.FlagSet, now time.Time) (apikey.Patch, error) {
	says, err := o.parse(now)
	if err != nil {
		return apikey.Patch{}, err
	}
	patch := apikey.Patch{
		Name: ifGiven(given, "name", o.name), Owner: ifGiven(given, "owner", o.owner), Plan: ifGiven(given, "plan", o.plan),
		Scopes:  ifGiven(given, "scopes", slices.Compact(slices.Sorted(slices.Values(o.scopes)))),
		Expires: ifGiven(given, "expires-in", says.expires), Certificate: ifGiven(given, "certificate", says.certificate),
		Addresses: ifGiven(given, "ip", says.ips), Methods: ifGiven(given, "method", o.methods), Paths: ifGiven(given, "path", nonEmpty(o.paths)),
		Origins: ifGiven(given, "origin", o.origins), Limits: ifGiven(given, "limit", says.limits), IdleRevoke: ifGiven(given, "idle-revoke", says.idleRevoke),
	}
	if o.never {
		patch.Expires = new(time.Time{})
	}
	patch.SetMetadata = make(map[string]*string)
	for name, value := range says.meta {
		patch.SetMetadata[name] = &value
	}
	for _, name := range o.unset {
		if _, both := patch.SetMetadata[name]; both {
			return patch, fmt.Errorf("--unset-meta: %q is set by --meta", printable(name))
		}
		patch.SetMetadata[name] = nil
	}
	return patch, nil
}

// ifGiven is value when the flag was given.
func ifGiven[T string | []string | []netip.Prefix | []exchange.Quota | [32]byte | time.Time | time.Duration](given *pflag.FlagSet, name string, value T) *T {
	if !given.Changed(name) {
		return nil
	}
	return &value
}

// nonEmpty is texts without the empty one that takes a list away.
func nonEmpty(texts []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s == "" })
}
