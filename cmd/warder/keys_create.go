package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// createOptions are the flags of keys create.
type createOptions struct {
	name, owner, env, expiresIn, certificate, output string
	scopes                                           []string
	credits                                          creditFlags
}

func newKeysCreate(p *process) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key; its text is shown once",
		Example: `  warder keys create --name ci --owner acme --scopes orders:read,orders:write --expires-in 90d
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
			return createKey(cmd, p, cfg, o)
		},
	}
	addConfigFlags(cmd, "db", "peppers-file")
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "what the key is for, for people")
	f.StringVar(&o.owner, "owner", "", "your own id of whom the key belongs to; the upstream gets it as X-Warder-Owner")
	f.StringSliceVar(&o.scopes, "scopes", nil, "what the key may do, such as orders:read or orders:*")
	f.StringVar(&o.env, "env", "live", "environment, part of the key's text")
	f.StringVar(&o.expiresIn, "expires-in", "", "lifetime such as 90d or 12h (default: never expires)")
	f.StringVar(&o.certificate, "certificate", "", "bind the key to a client certificate: a PEM file, or sha256: and the fingerprint")
	o.credits.addFlags(cmd)
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json, yaml, secret (the key alone), or id (the key then goes to standard error)")
	return cmd
}

func createKey(cmd *cobra.Command, p *process, cfg *config.Config, o createOptions) error {
	ctx := cmd.Context()
	form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID, asSecret)
	if err != nil {
		return err
	}
	spec, err := o.spec(time.Now()) // before a database is made for it
	if err != nil {
		return err
	}
	_, missing := os.Stat(cfg.DB)
	store, err := openStore(ctx, cfg, stderrLog(p))
	if err != nil {
		return err
	}
	if errors.Is(missing, fs.ErrNotExist) {
		_, _ = fmt.Fprintf(p.stderr, "Made %s, a new and empty database. A gateway that uses another one does not know this key.\n", absolute(cfg.DB))
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
	if err := o.credits.open(cmd, p, store.db.Credits(), record.ID); err != nil {
		return err
	}
	return printCreated(p, form, record, text)
}

// spec translates the flags, and reports everything that is wrong with them at
// once.
func (o createOptions) spec(now time.Time) (apikey.Spec, error) {
	scopes := slices.Compact(slices.Sorted(slices.Values(o.scopes)))
	s := apikey.Spec{Environment: apikey.Environment(o.env), Name: o.name, Owner: o.owner, Scopes: scopes}
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	add(o.lifetime(now, &s))
	add(o.bind(&s))
	_, err := o.credits.changes()
	add(err)
	errs = append(errs, specErrors(s.Check(now))...)
	if len(errs) > 0 {
		return s, fail(exitUsage, "", "%w", errors.Join(errs...))
	}
	return s, nil
}

// lifetime sets when the key expires.
func (o createOptions) lifetime(now time.Time, s *apikey.Spec) error {
	if o.expiresIn == "" {
		return nil
	}
	lifetime, err := config.ParseDuration(o.expiresIn)
	if err != nil {
		return fmt.Errorf("--expires-in %q: %w", printable(o.expiresIn), err)
	}
	if lifetime <= 0 {
		return fmt.Errorf("--expires-in %s: want a time to come, such as 90d", o.expiresIn)
	}
	s.Expires = now.Add(lifetime)
	return nil
}

// bind sets the certificate that the key is bound to.
func (o createOptions) bind(s *apikey.Spec) error {
	if o.certificate == "" {
		return nil
	}
	sum, err := certificateSum(o.certificate)
	if err != nil {
		return fmt.Errorf("--certificate: %w", err)
	}
	s.Certificate = sum
	return nil
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
	v.Key = text.Reveal()
	if form == asSecret {
		_, err := fmt.Fprintln(p.stdout, v.Key)
		return err
	}
	if form == asID {
		if _, err := fmt.Fprintf(p.stderr, "key: %s\n", v.Key); err != nil { // so the id is said where it can be
			return errors.Join(err, form.print(p.stdout, v, []apikey.ID{v.ID}, nil))
		}
	}
	_, _ = fmt.Fprintln(p.stderr, "The key is shown this once: store it now.")
	return form.print(p.stdout, v, []apikey.ID{v.ID}, func(w io.Writer) error { return printRows(w, v.rows()) })
}
