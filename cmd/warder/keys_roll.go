package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// rollOptions are the flags of keys roll.
type rollOptions struct {
	changeFlags
	overlap, idle string
}

func newKeysRoll(p *process) *cobra.Command {
	var o rollOptions
	cmd := &cobra.Command{
		Use:   "roll ID|-",
		Short: "Give a key a new text, and let the old one work for a while",
		Long: `Give a key a new text, and let the old one work for a while.

The id stays, and with it limits, credits and everything else. The new text is shown
once. The old one works until the overlap is over, or until keys end-overlap; with
--overlap 0 it works no longer, once every running node has confirmed.`,
		Example: `  warder keys roll 3kTMd9xWm1Qa --overlap 24h --idle 6h
  KEY=$(warder keys roll 3kTMd9xWm1Qa --overlap 0 --output secret)`,
		Args: wants(aKey, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return rollKey(cmd, p, args[0], &o) },
	}
	addConfigFlags(cmd, "db", "peppers-file")
	f := cmd.Flags()
	f.StringVar(&o.overlap, "overlap", "24h", "how long the old text works on: 0 to 90d")
	f.StringVar(&o.idle, "idle", "", "its end comes earlier when it was unused for so long, 1m to 90d, such as 6h (default: it does not)")
	o.addFlags(cmd, "table, json, yaml, secret (the key alone), or id (the key then goes to standard error)")
	return cmd
}

// spec translates the flags.
func (o *rollOptions) spec() (s apikey.RollSpec, _ error) {
	var errs [2]error
	var err error
	if s.Overlap, err = config.ParseDuration(o.overlap); err != nil {
		errs[0] = fmt.Errorf("--overlap %q: %w", printable(o.overlap), err)
	}
	if o.idle != "" {
		if s.IdleRetire, err = config.ParseDuration(o.idle); err != nil {
			errs[1] = fmt.Errorf("--idle %q: %w", printable(o.idle), err)
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		return s, fail(exitUsage, "", "%w", err)
	}
	return s, nil
}

func rollKey(cmd *cobra.Command, p *process, arg string, o *rollOptions) error {
	form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID, asSecret)
	if err != nil {
		return err
	}
	spec, err := o.spec()
	if err != nil {
		return err
	}
	id, err := keyID(cmd, p, arg)
	if err != nil {
		return err
	}
	if isRemote(cmd) {
		return rollRemote(cmd, p, arg, id, o, spec, form)
	}
	return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
		issuer, err := issuerOf(cmd.Context(), p, cfg, db)
		if err != nil {
			return err
		}
		var text secret.Text
		c := keyChange{"roll", "rolled", "", func(ctx context.Context, _ *database, id apikey.ID, revision apikey.Revision) (record apikey.Record, err error) {
			record, text, err = issuer.Roll(ctx, by(p), id, revision, spec)
			return record, err
		}}
		r, err := c.run(cmd, cfg, db, id, &o.changeFlags)
		if r.record.ID == "" {
			return err
		}
		return errors.Join(err, r.printRolled(p, form, text))
	})
}

// issuerOf is the issuer of a database that there is.
func issuerOf(ctx context.Context, p *process, cfg *config.Config, db *database) (*apikey.Issuer, error) {
	peppers, err := peppersOf(ctx, p, cfg, db)
	if err != nil {
		return nil, err
	}
	return newIssuer(db.APIKeys(), peppers, cfg)
}

func peppersOf(ctx context.Context, p *process, cfg *config.Config, db *database) (*apikey.Peppers, error) {
	used, err := db.APIKeys().PepperIDs(ctx)
	if err != nil {
		return nil, err
	}
	return loadPeppers(cfg.Peppers, used, stderrLog(p))
}

// printRolled shows the new text, the only time that anybody can, and then whether
// the nodes know it: without the text nobody could send it.
func (r revocation) printRolled(p *process, form format, text secret.Text) error {
	v := withText(r.view(), text)
	var err error
	switch form {
	case asSecret:
		err = writeSecret(p.stdout, "", v.Key)
	case asID:
		err = writeSecret(p.stderr, "key: ", v.Key)
		err = errors.Join(err, form.print(p.stdout, v, []apikey.ID{v.ID}, nil))
	case asTable, asJSON, asYAML, asSARIF:
		err = form.print(p.stdout, v, []apikey.ID{v.ID}, func(w io.Writer) error { return printRows(w, v.rows()) })
	}
	if err != nil {
		return fail(exitServer, "roll it again", "the key %s was rolled, but its new text could not be written: %w", v.ID, err)
	}
	if form != asSecret {
		_, _ = fmt.Fprintln(p.stderr, "The new key is shown this once: store it now.")
	}
	if former := len(r.record.Secrets) - 1; former > 0 {
		_, _ = fmt.Fprintf(p.stderr, "The old one works until %s; `warder keys end-overlap %s` ends it now.\n", r.record.Secrets[1].Retires.UTC().Format(time.RFC3339), v.ID)
	}
	return r.confirmed(p, v)
}

func newKeysEndOverlap(p *process) *cobra.Command {
	var o changeFlags
	cmd := &cobra.Command{
		Use:   "end-overlap ID|-",
		Short: "End the old text of a rolled key now, and wait until every running node refuses it",
		Args:  wants(aKey, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			id, err := keyID(cmd, p, args[0])
			if err != nil {
				return err
			}
			if isRemote(cmd) {
				wait, err := o.bound()
				if err != nil {
					return err
				}
				return turnRemote(cmd, p, args[0], id, overlapOn(o.revision), wait, form)
			}
			return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
				c := keyChange{"end-overlap", "left with its new text alone", "It has no old text.", func(ctx context.Context, db *database, id apikey.ID, revision apikey.Revision) (apikey.Record, error) {
					return apikey.EndOverlap(ctx, db.APIKeys(), by(p), id, revision)
				}}
				r, err := c.run(cmd, cfg, db, id, &o)
				if err != nil {
					return err
				}
				return r.print(p, form)
			})
		},
	}
	addConfigFlags(cmd, "db")
	o.addFlags(cmd, "table, json, yaml or id")
	return cmd
}
