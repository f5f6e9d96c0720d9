package main

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/keytoken"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
)

// tokenOptions are the flags of keys token.
type tokenOptions struct {
	scopes, audience []string
	lifetime, output string
}

func newKeysToken(p *process) *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:   "token -|FILE",
		Short: "Make a short-lived token from a key, for a program that need not have the key",
		Long: `Make a short-lived token from a key, for a program that need not have the key.

The text of the key is read from standard input or a file, since an argument would stay
in the shell's history. The token is a JWT that is sent as a bearer token, where a route
takes such: it proves whom the key proves, with the same scopes or less, and ends with
the key. The configuration turns tokens on: tokens.issuer.`,
		Example: `  TOKEN=$(echo "$KEY" | warder keys token - --config warder.yaml --output secret)
  warder keys token key.txt --config warder.yaml --scopes orders:read --lifetime 1m`,
		Args: wants("- and the key on standard input, or a file that holds it", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return makeToken(cmd, p, args[0], &o) },
	}
	addConfigFlags(cmd, "db", "peppers-file")
	f := cmd.Flags()
	f.StringSliceVar(&o.scopes, "scopes", nil, "what the token may do, of what the key may (default: all of it)")
	f.StringSliceVar(&o.audience, "audience", nil, "whom it is for, of tokens.audience (default: all of them)")
	f.StringVar(&o.lifetime, "lifetime", "", "how long it lasts, 1s to tokens.max_lifetime (default: tokens.lifetime)")
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json, yaml or secret (the token alone)")
	completeOutput(cmd, asTable, asJSON, asYAML, asSecret)
	return cmd
}

// A tokenView is what a person or a script sees of a token.
type tokenView struct {
	Token    string    `json:"token" yaml:"token"`
	Key      string    `json:"key_id" yaml:"key_id"`
	Scopes   []string  `json:"scopes" yaml:"scopes"`
	Audience []string  `json:"audience" yaml:"audience"`
	Expires  time.Time `json:"expires" yaml:"expires"`
}

// spec translates the flags. A list that was not given is all.
func (o *tokenOptions) spec(cmd *cobra.Command) (s apikey.TokenSpec, err error) {
	if o.lifetime != "" {
		s.Lifetime, err = config.ParseDuration(o.lifetime)
		if err == nil && s.Lifetime < time.Second {
			err = errors.New("want 1s or more")
		}
		if err != nil {
			return s, fail(exitUsage, "", "--lifetime %q: %w", printable(o.lifetime), err)
		}
	}
	for flag, to := range map[string]*[]string{"scopes": &s.Scopes, "audience": &s.Audience} {
		given := cmd.Flags().Lookup(flag)
		if !given.Changed {
			continue
		}
		*to = map[string][]string{"scopes": o.scopes, "audience": o.audience}[flag]
		if len(*to) == 0 {
			return s, fail(exitUsage, "leave it out for all", "--%s is empty", flag)
		}
	}
	return s, nil
}

func makeToken(cmd *cobra.Command, p *process, arg string, o *tokenOptions) error {
	form, err := parseFormat(o.output, asTable, asJSON, asYAML, asSecret)
	if err != nil {
		return err
	}
	spec, err := o.spec(cmd)
	if err != nil {
		return err
	}
	if isRemote(cmd) {
		return tokenRemote(cmd, p, arg, o, spec, form)
	}
	text, err := keyText(arg, p.stdin)
	if err != nil {
		return err
	}
	return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
		issuer, err := tokenIssuerOf(cfg)
		if err != nil {
			return err
		}
		id, number, err := proveKey(cmd, p, cfg, db, text)
		if err != nil {
			return err
		}
		record, err := findKey(cmd.Context(), db.APIKeys(), id)
		if err != nil {
			return err
		}
		token, made, err := issuer.Issue(&record, number, spec)
		if err != nil {
			return tokenFailure(err)
		}
		return showToken(p, form, tokenView{made.Reveal(), string(token.Key), append([]string{}, token.Scopes...), token.Audience, token.Expires})
	})
}

// tokenIssuerOf makes tokens that a warder serve of this configuration takes.
func tokenIssuerOf(cfg *config.Config) (*apikey.TokenIssuer, error) {
	if !cfg.Tokens.On() {
		return nil, fail(exitUsage, "set tokens.issuer in the file that --config names", "no tokens are made by this configuration")
	}
	keys, err := openTokenKeys(cfg)
	if err != nil {
		return nil, err
	}
	tokens, err := keytoken.New(keytoken.Config{Issuer: cfg.Tokens.Issuer, Audience: cfg.Tokens.For(), Keys: keys, CacheSize: -1})
	if err != nil {
		return nil, fail(exitUsage, "", "tokens: %w", err)
	}
	return server.TokenIssuer(&cfg.Tokens, tokens)
}

// proveKey returns whose key the text is, whatever it is narrowed to: that is judged
// where the token is used.
func proveKey(cmd *cobra.Command, p *process, cfg *config.Config, db *database, text string) (apikey.ID, int, error) {
	peppers, err := peppersOf(cmd.Context(), p, cfg, db)
	if err != nil {
		return "", 0, err
	}
	principal, err := verifyText(cmd.Context(), db, peppers, text, apikey.Use{Dry: true}, cfg.Keys.LegacyFormats)
	if d, ok := errors.AsType[*authn.Denial](err); ok {
		principal, err = d.Principal, nil
	}
	_, failure := verdictOf(principal, err)
	return apikey.ID(principal.KeyID), principal.SecretNumber, failure
}

func tokenFailure(err error) error {
	switch {
	case errors.Is(err, apikey.ErrNoTokens), errors.Is(err, apikey.ErrRevoked), errors.Is(err, apikey.ErrDisabled), errors.Is(err, apikey.ErrExpired):
		return fail(exitDenied, "", "no token is made: %w", err)
	default:
		return specFailure(err, "keys token", "")
	}
}

// tokenRemote is keys token on a server.
func tokenRemote(cmd *cobra.Command, p *process, arg string, o *tokenOptions, spec apikey.TokenSpec, form format) error {
	r, err := openRemote(cmd, p, arg)
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := keyText(arg, p.stdin)
	if err != nil {
		return err
	}
	made, err := r.ExchangeKey(cmd.Context(), client.ExchangeSpec{Key: client.NewText(text), Scopes: spec.Scopes, Audience: spec.Audience, Lifetime: o.lifetime})
	if err != nil {
		return r.failure(cmd.Context(), err, "no token is made")
	}
	v := made.Value
	return showToken(p, form, tokenView{v.AccessToken.Reveal(), v.KeyID, strings.Fields(v.Scope), v.Audience, v.Expires})
}

// showToken prints a token, the only time that anybody can.
func showToken(p *process, form format, v tokenView) error {
	if form == asSecret {
		return writeSecret(p.stdout, "", v.Token)
	}
	return form.print(p.stdout, v, nil, func(w io.Writer) error {
		return printRows(w, [][]string{
			{"token", v.Token},
			{"key id", v.Key},
			{"scopes", strings.Join(v.Scopes, " ")},
			{"audience", strings.Join(v.Audience, " ")},
			{"expires", v.Expires.UTC().Format(time.RFC3339)},
		})
	})
}
