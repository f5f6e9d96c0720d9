package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// verifyOptions are the flags of keys verify.
type verifyOptions struct {
	from, method, path, origin, output string
	public                             bool
}

func newKeysVerify(p *process) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify -|FILE",
		Short: "Say whether the text of a key is good, and for what; nothing is spent",
		Long: `Say whether the text of a key is good, and for what; nothing is spent.

The text is read from standard input or a file, since an argument would stay in the
shell's history. What narrows the key is judged by the flags: --from, --method, --path
and --origin are those of the request that it would be sent with.

The exit code is 0 for a key that is good, 2 for what is no key, 4 for a key that
nobody has, 3 for one that is not good, and 5 when nobody knows.`,
		Example: `  echo "$KEY" | warder keys verify -
  warder keys verify key.txt --from 192.0.2.7 --method GET --path /orders/7`,
		Args: wants("- and the key on standard input, or a file that holds it", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return verifyKey(cmd, p, args[0], &o) },
	}
	addConfigFlags(cmd, "db", "peppers-file")
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "address of whoever sends it")
	f.StringVar(&o.method, "method", "", "method of the request")
	f.StringVar(&o.path, "path", "", "canonical path of the request")
	f.StringVar(&o.origin, "origin", "", "page that sends it")
	f.BoolVar(&o.public, "public-keys", false, "the operation takes public keys")
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json or yaml")
	completeOutput(cmd, asTable, asJSON, asYAML)
	return cmd
}

// use translates the flags.
func (o *verifyOptions) use() (apikey.Use, error) {
	u := apikey.Use{Method: o.method, Path: o.path, Origin: o.origin, Public: o.public, Dry: true}
	if o.from != "" {
		var err error
		if u.Client, err = netip.ParseAddr(o.from); err != nil {
			return u, fail(exitUsage, "", "--from %q: want an address", printable(o.from))
		}
	}
	return u, nil
}

// A verdict is what a person or a script sees of a verification.
type verdict struct {
	Valid       bool       `json:"valid" yaml:"valid"`
	Reason      string     `json:"reason,omitempty" yaml:"reason,omitempty"` // as the log has it
	Detail      string     `json:"detail,omitempty" yaml:"detail,omitempty"`
	ID          string     `json:"id,omitempty" yaml:"id,omitempty"`
	Owner       string     `json:"owner,omitempty" yaml:"owner,omitempty"`
	Environment string     `json:"environment,omitempty" yaml:"environment,omitempty"`
	Scopes      []string   `json:"scopes,omitempty" yaml:"scopes,omitempty"`
	Plan        string     `json:"plan,omitempty" yaml:"plan,omitempty"`
	Limits      []string   `json:"limits,omitempty" yaml:"limits,omitempty"`
	Secret      int        `json:"secret,omitempty" yaml:"secret,omitempty"` // which of the key's secrets it is
	Retiring    bool       `json:"retiring,omitempty" yaml:"retiring,omitempty"`
	Expires     *time.Time `json:"expires,omitempty" yaml:"expires,omitempty"`
}

func verifyKey(cmd *cobra.Command, p *process, arg string, o *verifyOptions) error {
	form, err := parseFormat(o.output, asTable, asJSON, asYAML)
	if err != nil {
		return err
	}
	use, err := o.use()
	if err != nil {
		return err
	}
	text, err := keyText(arg, p.stdin)
	if err != nil {
		return err
	}
	if isRemote(cmd) {
		return verifyRemote(cmd, p, arg, text, use, form)
	}
	return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
		peppers, err := peppersOf(cmd.Context(), p, cfg, db)
		if err != nil {
			return err
		}
		principal, err := verifyText(cmd.Context(), db, peppers, text, use, cfg.Keys.LegacyFormats)
		v, failure := verdictOf(principal, err)
		if failure != nil && (v.Reason == "malformed" || v.Reason == "unknown") {
			untaken, told := untakenImport(cmd.Context(), cfg, db, peppers, text)
			switch {
			case untaken != nil:
				v, failure = *untaken, told
			case told != nil:
				return told
			}
		}
		if failure != nil && v.Reason == "" {
			return failure // nobody knows
		}
		return errors.Join(failure, form.print(p.stdout, v, nil, func(w io.Writer) error { return printRows(w, v.rows()) }))
	})
}

// keyText reads the text of a key from standard input or a file.
func keyText(arg string, stdin io.Reader) (string, error) {
	from := stdin
	if arg != "-" {
		file, err := os.Open(arg) //nolint:gosec // the person names it
		if err != nil {
			why := err
			if cause, ok := errors.AsType[*fs.PathError](err); ok {
				why = cause.Err
			}
			// Its beginning alone: it may be a key of another system, which was meant to be one.
			return "", fail(causeOf(err), "want - for standard input, or a file that holds the key", "%s: %w", printable(arg), why)
		}
		defer file.Close() //nolint:errcheck // it is only read
		from = file
	}
	line, err := bufio.NewReader(io.LimitReader(from, maxKeyText)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fail(exitUsage, "", "the text of the key cannot be read: %w", err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", fail(exitUsage, "echo \"$KEY\" | warder keys verify -", "there is nothing to verify: want the text of a key")
	}
	return line, nil
}

// verifyText judges a text, also one of the other systems' forms, by a store that it
// only reads: that hides, too, what a verifier would follow.
func verifyText(ctx context.Context, db *database, peppers *apikey.Peppers, text string, use apikey.Use, forms []string) (exchange.Principal, error) {
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: readOnly{db.APIKeys()}, Peppers: peppers, LegacyFormats: forms})
	if err != nil {
		return exchange.Principal{}, err
	}
	principal, err := verifier.VerifyFor(ctx, text, use)
	return principal, errors.Join(err, verifier.Close())
}

// verdictOf says what came out, and how the command ends.
func verdictOf(p exchange.Principal, err error) (verdict, error) {
	if d, ok := errors.AsType[*authn.Denial](err); ok {
		v := verdictOn(d.Principal)
		v.Reason, v.Detail = d.Rule, d.Problem.Detail
		return v, fail(exitDenied, "", "the key is not good for this: %s", d.Problem.Detail)
	}
	if r, ok := errors.AsType[*authn.Refusal](err); ok {
		return verdict{Reason: r.Reason()}, refusedFor(r.Reason())
	}
	if err != nil {
		return verdict{}, fail(exitServer, "", "keys verify: %w", err)
	}
	v := verdictOn(p)
	v.Valid = true
	return v, nil
}

func verdictOn(p exchange.Principal) verdict {
	v := verdict{
		ID: p.KeyID, Owner: p.Owner, Environment: p.Environment, Scopes: p.Scopes.Names(), Plan: p.Plan,
		Secret: p.SecretNumber, Retiring: p.Retiring,
	}
	for _, q := range p.Quotas {
		v.Limits = append(v.Limits, config.QuotaText(q))
	}
	if !p.Expires.IsZero() {
		v.Expires = new(p.Expires.UTC().Truncate(time.Second))
	}
	return v
}

func (v verdict) rows() [][]string {
	rows := [][]string{{"valid", fmt.Sprint(v.Valid)}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("reason", v.Reason)
	add("detail", v.Detail)
	add("id", v.ID)
	add("owner", v.Owner)
	add("environment", v.Environment)
	add("scopes", strings.Join(v.Scopes, " "))
	add("plan", v.Plan)
	add("limits", strings.Join(v.Limits, " "))
	if v.Retiring {
		add("secret", fmt.Sprintf("%d, which retires", v.Secret))
	}
	if v.ID != "" {
		add("expires", moment(v.Expires, "never"))
	}
	return rows
}
