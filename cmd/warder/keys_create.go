package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// createOptions are the flags of keys create.
type createOptions struct {
	fieldFlags
	env, kind, output string
	count             int
	credits           creditFlags
}

func newKeysCreate(p *process) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key; its text is shown once",
		Example: `  warder keys create --name ci --owner acme --scopes orders:read,orders:write --expires-in 90d
  warder keys create --name shop --kind public --origin https://shop.example.com --path /catalogue/
  KEY=$(warder keys create --name ci --output secret)`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if isRemote(cmd) {
				return createRemote(cmd, p, o)
			}
			cfg, err := keysConfig(cmd, p)
			if err != nil {
				return err
			}
			return createKeys(cmd, p, cfg, o)
		},
	}
	addConfigFlags(cmd, "db", "peppers-file")
	o.addFlags(cmd, "keys.default_ttl, or never")
	f := cmd.Flags()
	f.StringVar(&o.env, "env", "live", "environment, part of the key's text")
	f.StringVar(&o.kind, "kind", string(apikey.KindSecret), "secret; public, which pages may hold, for requests from --origin; or honeytoken, which is never good")
	f.IntVar(&o.count, "count", 1, "how many keys to make alike, 1 to 1000: all or none")
	o.credits.addFlags(cmd)
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json, yaml, secret (the key alone), or id (the key then goes to standard error)")
	if err := cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kinds(), cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("warder: keys create: " + err.Error()) // it has the flag: every test finds it
	}
	return cmd
}

func createKeys(cmd *cobra.Command, p *process, cfg *config.Config, o createOptions) error {
	ctx := cmd.Context()
	form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID, asSecret)
	if err != nil {
		return err
	}
	spec, err := o.spec(time.Now()) // before a database is made for it
	if err != nil {
		return err
	}
	missing := wantDatabase(cfg)
	store, err := openStore(ctx, cfg, stderrLog(p))
	if err != nil {
		return err
	}
	if missing != nil {
		_, _ = fmt.Fprintf(p.stderr, "Made %s, a new and empty database. A gateway that uses another one does not know this key.\n", absolute(cfg.DB))
	}
	defer store.db.Close() //nolint:errcheck // everything is written by then
	issuer, err := newIssuer(store.keys, store.peppers, cfg)
	if err != nil {
		return err
	}
	made, err := issuer.CreateAll(ctx, by(p), slices.Repeat([]apikey.Spec{spec}, o.count))
	if err != nil {
		return specFailure(err, "keys create", "no key was made")
	}
	for _, one := range made {
		if err := o.credits.open(cmd, p, store.db.Credits(), one.Record.ID); err != nil {
			return err
		}
	}
	if o.count > 1 {
		return printAllCreated(p, form, made)
	}
	return printCreated(p, form, made[0].Record, made[0].Text)
}

// newIssuer makes the issuer that the configuration asks for.
func newIssuer(keys apikey.Store, peppers *apikey.Peppers, cfg *config.Config) (*apikey.Issuer, error) {
	return apikey.NewIssuer(apikey.IssuerConfig{
		Store: keys, Peppers: peppers, Prefix: cfg.Keys.Prefix, Random: rand.Reader,
		Policy: apikey.Policy{DefaultTTL: cfg.Keys.DefaultTTL, MaxTTL: cfg.Keys.MaxTTL, MaxSecrets: cfg.Keys.MaxSecrets},
	})
}

// spec translates the flags, and reports everything that is wrong with them at
// once.
func (o createOptions) spec(now time.Time) (apikey.Spec, error) {
	says, err := o.parse(now)
	errs := []error{err}
	s := apikey.Spec{
		Environment: apikey.Environment(o.env), Kind: apikey.Kind(o.kind), Name: o.name, Owner: o.owner,
		Scopes: o.scopes, Expires: says.expires, Never: o.never, Certificate: says.certificate,
		Metadata: says.meta, Addresses: says.ips, Methods: o.methods, Paths: o.paths, Origins: o.origins, Plan: o.plan,
		Limits: says.limits, IdleRevoke: says.idleRevoke,
	}
	if o.count < 1 || o.count > apikey.MaxBatch {
		errs = append(errs, fmt.Errorf("--count %d: want 1 to %d", o.count, apikey.MaxBatch))
	}
	_, err = o.credits.changes()
	errs = append(errs, err)
	errs = append(errs, specErrors(s.Check(now))...)
	if err := errors.Join(errs...); err != nil {
		return s, fail(exitUsage, "", "%w", err)
	}
	s.Scopes = slices.Compact(slices.Sorted(slices.Values(o.scopes))) // after the check, which counts them as they were given
	return s, nil
}

// withText is v with the key's text in it.
func withText(v keyView, text secret.Text) keyView {
	v.Key = text.Reveal()
	return v
}

// printAllCreated shows the texts of several keys.
func printAllCreated(p *process, form format, made []apikey.Made) error {
	err := showAllCreated(p, form, made)
	if err != nil {
		return fail(exitServer, "take away by `warder keys revoke` those whose text you have not got; warder keys list --sort newest shows them",
			"%d keys were made, but not all of their texts could be written: %w", len(made), err)
	}
	return nil
}

func showAllCreated(p *process, form format, made []apikey.Made) error {
	views, ids := make([]keyView, len(made)), make([]apikey.ID, len(made))
	rows := [][]string{{"ID", "KEY"}}
	now := time.Now()
	for i, one := range made {
		views[i], ids[i] = withText(view(one.Record, now), one.Text), one.Record.ID
		rows = append(rows, []string{string(ids[i]), views[i].Key})
		var err error
		switch form {
		case asSecret:
			err = writeSecret(p.stdout, "", views[i].Key)
		case asID:
			err = writeSecret(p.stderr, "key: ", views[i].Key)
		case asTable, asJSON, asYAML, asSARIF:
		}
		if err != nil {
			return err
		}
	}
	if form == asSecret {
		return nil
	}
	_, _ = fmt.Fprintln(p.stderr, "The keys are shown this once: store them now.")
	return form.print(p.stdout, views, ids, func(w io.Writer) error { return printRows(w, rows) })
}

// printCreated shows the key's text, the only time that anybody can.
func printCreated(p *process, form format, record apikey.Record, text secret.Text) error {
	return printMade(p, form, view(record, time.Now()), text)
}

// printMade is printCreated of a key as it is shown.
func printMade(p *process, form format, v keyView, text secret.Text) error {
	if err := showMade(p, form, v, text); err != nil {
		return fail(exitServer, fmt.Sprintf("take it away by `warder keys revoke %s`, and make another", v.ID),
			"the key %s was made, but its text could not be written: %w", v.ID, err)
	}
	return nil
}

func showMade(p *process, form format, v keyView, text secret.Text) error {
	v = withText(v, text)
	if form == asSecret {
		return writeSecret(p.stdout, "", v.Key)
	}
	if form == asID {
		if err := writeSecret(p.stderr, "key: ", v.Key); err != nil { // so the id is said where it can be
			return errors.Join(err, form.print(p.stdout, v, []apikey.ID{v.ID}, nil))
		}
	}
	_, _ = fmt.Fprintln(p.stderr, "The key is shown this once: store it now.")
	return form.print(p.stdout, v, []apikey.ID{v.ID}, func(w io.Writer) error { return printRows(w, v.rows()) })
}
