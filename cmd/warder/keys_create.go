package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// createOptions are the flags of keys create.
type createOptions struct {
	name, owner, env, expiresIn, output string
	scopes                              []string
}

func newKeysCreate(p *process) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key; its text is shown once",
		Example: `  warder keys create --name ci --owner acme --scopes orders:read,orders:write --expires-in 90d
  KEY=$(warder keys create --name ci --output secret)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := keysConfig(cmd, p)
			if err != nil {
				return err
			}
			return createKey(cmd.Context(), p, cfg, o)
		},
	}
	addConfigFlags(cmd, "db", "peppers-file")
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "what the key is for, for people")
	f.StringVar(&o.owner, "owner", "", "your own id of whom the key belongs to; the upstream gets it as X-Warder-Owner")
	f.StringSliceVar(&o.scopes, "scopes", nil, "what the key may do, such as orders:read or orders:*")
	f.StringVar(&o.env, "env", "live", "environment, part of the key's text")
	f.StringVar(&o.expiresIn, "expires-in", "", "lifetime such as 90d or 12h (default: never expires)")
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json, yaml, id or secret (the key alone)")
	return cmd
}

func createKey(ctx context.Context, p *process, cfg *config.Config, o createOptions) error {
	form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID, asSecret)
	if err != nil {
		return err
	}
	spec, err := o.spec(time.Now())
	if err != nil {
		return err
	}
	if err := spec.Check(time.Now()); err != nil { // before a database is made for it
		return specFailure(err, "keys create", "")
	}
	store, err := openStore(ctx, cfg, stderrLog(p))
	if err != nil {
		return err
	}
	defer store.db.Close() //nolint:errcheck // everything is written by then
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store.keys, Peppers: store.peppers, Prefix: cfg.Keys.Prefix, Random: rand.Reader})
	if err != nil {
		return err
	}
	record, text, err := issuer.Create(ctx, by(p), spec)
	if err != nil {
		return specFailure(err, "keys create", "no key was made")
	}
	return printCreated(p, form, record, text)
}

// spec translates the flags; what the key may be, the issuer checks.
func (o createOptions) spec(now time.Time) (apikey.Spec, error) {
	s := apikey.Spec{Environment: apikey.Environment(o.env), Name: o.name, Owner: o.owner, Scopes: o.scopes}
	if o.expiresIn == "" {
		return s, nil
	}
	lifetime, err := config.ParseDuration(o.expiresIn)
	if err != nil {
		return s, fail(exitUsage, "", "--expires-in: %w", err)
	}
	if lifetime <= 0 {
		return s, fail(exitUsage, "", "--expires-in %s: want a time to come, such as 90d", o.expiresIn)
	}
	s.Expires = now.Add(lifetime)
	return s, nil
}

// printCreated shows the key's text, the only time that anybody can.
func printCreated(p *process, form format, record apikey.Record, text secret.Text) error {
	v := view(record, time.Now())
	v.Key = text.Reveal()
	if form == asSecret {
		_, err := fmt.Fprintln(p.stdout, v.Key)
		return err
	}
	if form == asID {
		_, _ = fmt.Fprintf(p.stderr, "key: %s\n", v.Key)
	}
	_, _ = fmt.Fprintln(p.stderr, "The key is shown this once: store it now.")
	return form.print(p.stdout, v, []apikey.ID{v.ID}, func(w io.Writer) error { return printRows(w, v.rows()) })
}
