package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/portal"
	"github.com/warder-dev/warder/internal/portallink"
)

func newPortal(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "portal",
		Short: "Make links by which holders come to their keys, and end them",
		Long: `Make links by which holders come to their keys, and end them.

A link leads to pages on which the holder sees the keys of one owner, and makes, rolls
and revokes them as far as the link says. It is good once, for ten minutes unless --life
says otherwise. portal.listen and portal.url turn the pages on.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	addRemoteFlags(cmd)
	cmd.AddCommand(newPortalLink(p), newPortalEnd(p))
	return cmd
}

// linkOptions are the flags of portal link.
type linkOptions struct {
	may, scopes         []string
	keys                int
	env, maxTTL, plan   string
	back, life, session string
	output              string
}

func newPortalLink(p *process) *cobra.Command {
	var o linkOptions
	cmd := &cobra.Command{
		Use:   "link OWNER",
		Short: "Make a link by which the holder of an owner's keys comes to them",
		Example: `  warder portal link acme --config warder.yaml
  warder portal link acme --config warder.yaml --may roll,revoke,usage --keys 2 --scopes orders:read --max-ttl 90d --output secret
  warder portal link acme --server http://127.0.0.1:8081 --may revoke`,
		Args: wants("the owner whose keys are shown", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return makeLink(cmd, p, args[0], &o) },
	}
	addConfigFlags(cmd, "db")
	f := cmd.Flags()
	f.StringSliceVar(&o.may, "may", nil, "what the holder may do beside looking: roll, revoke, usage")
	f.IntVar(&o.keys, "keys", 0, "how many keys the holder may make (default: none)")
	f.StringSliceVar(&o.scopes, "scopes", nil, "that the holder may choose among for them")
	f.StringVar(&o.env, "env", "live", "environment of keys that the holder makes")
	f.StringVar(&o.maxTTL, "max-ttl", "", "when they expire at the latest, such as 90d (default: as the policy of keys has it)")
	f.StringVar(&o.plan, "plan", "", "their plan")
	f.StringVar(&o.back, "return", "", "where the holder goes afterwards: one of portal.return_urls")
	f.StringVar(&o.life, "life", "", "how long the link is good, 1m to 24h (default: 10m)")
	f.StringVar(&o.session, "session", "", "how long the holder stays, 1m to 12h (default: 30m)")
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json, yaml, id or secret (the address alone)")
	completeOutput(cmd, asTable, asJSON, asYAML, asID, asSecret)
	return cmd
}

// A linkView is what a person or a script sees of a link.
type linkView struct {
	ID      string    `json:"id" yaml:"id"`
	Owner   string    `json:"owner" yaml:"owner"`
	URL     string    `json:"url" yaml:"url"`
	Expires time.Time `json:"expires" yaml:"expires"`
	Session string    `json:"session" yaml:"session"`
}

func makeLink(cmd *cobra.Command, p *process, owner string, o *linkOptions) error {
	form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID, asSecret)
	if err != nil {
		return err
	}
	for _, flag := range []string{"scopes", "env", "max-ttl", "plan"} {
		if cmd.Flags().Changed(flag) && o.keys == 0 {
			return fail(exitUsage, "say by --keys how many the holder may make", "--%s is for keys that the holder makes", flag)
		}
	}
	for _, one := range o.may {
		if !slices.Contains([]string{"roll", "revoke", "usage"}, one) {
			return fail(exitUsage, "", "--may %q: want roll, revoke or usage", printable(one))
		}
	}
	if isRemote(cmd) {
		return linkRemote(cmd, p, owner, o, form)
	}
	spec, err := o.spec(owner, by(p).Actor)
	if err != nil {
		return err
	}
	return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
		c := &cfg.Portal
		if !c.On() {
			return fail(exitUsage, "set portal.listen and portal.url in the file that --config names", "there is no portal in this configuration")
		}
		if o.back != "" && !c.Returns(o.back) {
			return fail(exitUsage, "", "--return: want one of portal.return_urls")
		}
		if err := o.like(); err != nil {
			return err
		}
		made, text, err := portallink.Make(cmd.Context(), db.Portal(), audit.By(by(p)), spec)
		if err != nil {
			return linkFailure(err)
		}
		return showLink(p, form, linkView{string(made.ID), made.Owner, c.URL + portal.OpenPath + "#" + text.Reveal(), made.Expires, made.Life.String()})
	})
}

// spec translates the flags.
func (o *linkOptions) spec(owner, maker string) (portallink.Spec, error) {
	s := portallink.Spec{Owner: owner, Maker: maker, Return: o.back, Grant: portallink.Grant{
		Roll: slices.Contains(o.may, "roll"), Revoke: slices.Contains(o.may, "revoke"), Usage: slices.Contains(o.may, "usage"),
	}}
	var maxTTL time.Duration
	for _, one := range []struct {
		flag, text string
		to         *time.Duration
	}{{"life", o.life, &s.Life}, {"session", o.session, &s.Session}, {"max-ttl", o.maxTTL, &maxTTL}} {
		if one.text == "" {
			continue
		}
		d, err := config.ParseDuration(one.text)
		if err != nil || d <= 0 {
			return s, fail(exitUsage, "write it like 90d, 12h or 30m", "--%s %q: want a time to come", one.flag, printable(one.text))
		}
		*one.to = d
	}
	if o.keys != 0 {
		s.Grant.Create = &portallink.Create{Keys: o.keys, Environment: o.env, Scopes: o.scopes, MaxTTL: maxTTL, Plan: o.plan}
	}
	return s, nil
}

// like reports what would be wrong with a key that the holder makes.
func (o *linkOptions) like() error {
	if o.keys == 0 {
		return nil
	}
	spec := apikey.Spec{Environment: apikey.Environment(o.env), Scopes: o.scopes, Plan: o.plan}
	if invalid := specErrors(spec.Check(time.Now())); len(invalid) > 0 {
		return fail(exitUsage, "", "%w", errors.Join(invalid...))
	}
	return nil
}

// linkFailure tells by its exit code whose fault err is.
func linkFailure(err error) error {
	if errors.Is(err, portallink.ErrFull) {
		return fail(exitConflict, "some end by themselves", "no link is made: %w", err)
	}
	if named := linkErrors(err); len(named) > 0 {
		return fail(exitUsage, "", "%w", errors.Join(named...))
	}
	return fail(exitServer, "", "no link is made: %w", err)
}

// linkErrors are what is wrong with the flags, by the flags' names.
func linkErrors(err error) (named []error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			named = append(named, linkErrors(one)...)
		}
		return named
	}
	if field, ok := errors.AsType[*portallink.FieldError](err); ok {
		return []error{fmt.Errorf("%s: %s", linkFlag(field.Field), field.Reason)}
	}
	return nil
}

// linkFlag is the flag of a field of a link.
func linkFlag(field string) string {
	field, _, _ = strings.Cut(strings.TrimPrefix(field, "create."), "[")
	switch field {
	case "owner":
		return "OWNER"
	case "environment":
		return "--env"
	default:
		return "--" + strings.ReplaceAll(field, "_", "-")
	}
}

// linkRemote is portal link on a server.
func linkRemote(cmd *cobra.Command, p *process, owner string, o *linkOptions, form format) error {
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return err
	}
	defer r.Close()
	spec := client.PortalLinkSpec{Owner: owner, May: o.may, Return: o.back, Life: o.life, Session: o.session}
	if o.keys != 0 {
		spec.Create = &client.PortalCreate{Keys: int64(o.keys), Environment: o.env, Scopes: o.scopes, MaxTTL: o.maxTTL, Plan: o.plan}
	}
	made, err := r.CreatePortalLink(cmd.Context(), client.CreatePortalLinkParams{IdempotencyKey: rand.Text()}, spec)
	if err != nil {
		return portalFailure(cmd.Context(), r, err, "no link is made")
	}
	v := made.Value
	return showLink(p, form, linkView{v.ID, v.Owner, v.URL.Reveal(), v.Expires, v.Session})
}

// portalFailure is [remote.failure], with the flags' names.
func portalFailure(ctx context.Context, r *remote, err error, doing string) error {
	problem, ok := errors.AsType[*client.Problem](err)
	switch {
	case ok && problem.Status == http.StatusBadRequest && len(problem.Errors) > 0:
		var named []error
		for _, f := range problem.Errors {
			named = append(named, fmt.Errorf("%s: %s", linkFlag(f.Field), f.Message))
		}
		return fail(exitUsage, "", "%w", errors.Join(named...))
	case ok && problem.Status == http.StatusNotFound:
		return fail(exitNotFound, "", "%s: %s", doing, problem.Detail)
	default:
		return r.failure(ctx, err, doing)
	}
}

// showLink prints a link, the only time that anybody can.
func showLink(p *process, form format, v linkView) error {
	if form == asSecret {
		if u, err := url.Parse(v.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return fail(exitServer, "see which program answers at that address", "what the server sent is no link: want an https address")
		}
		return writeSecret(p.stdout, "", v.URL)
	}
	return form.print(p.stdout, v, []apikey.ID{apikey.ID(v.ID)}, func(w io.Writer) error {
		return printRows(w, [][]string{
			{"id", v.ID}, {"owner", v.Owner}, {"url", v.URL}, {"good until", v.Expires.UTC().Format(time.RFC3339)}, {"stay", v.Session},
		})
	})
}

func newPortalEnd(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "end ID",
		Short: "End a link, or the holder's stay that came of it",
		Args:  wants("the id of a link", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[0]
			if !portallink.ValidID(id) {
				return fail(exitUsage, "warder portal link has printed it, and warder audit list --kind portal shows it", "%q is not a link's id: want 16 of a-z and 2-7", printable(id))
			}
			if isRemote(cmd) {
				r, err := openRemote(cmd, p, "")
				if err != nil {
					return err
				}
				defer r.Close()
				if _, err := r.EndPortalLink(cmd.Context(), id, client.EndPortalLinkParams{IdempotencyKey: rand.Text()}); err != nil {
					return portalFailure(cmd.Context(), r, err, "the link is not ended")
				}
				return sayEnded(p, id)
			}
			return withDatabase(cmd, p, func(_ *config.Config, db *database) error {
				switch err := db.Portal().End(cmd.Context(), audit.By(by(p)), portallink.ID(id), time.Now()); {
				case errors.Is(err, portallink.ErrNotFound):
					return fail(exitNotFound, "one that is over is forgotten after a while", "no link has the id %s", id)
				case err != nil:
					return fail(exitServer, "", "the link is not ended: %w", err)
				}
				return sayEnded(p, id)
			})
		},
	}
	addConfigFlags(cmd, "db")
	return cmd
}

func sayEnded(p *process, id string) error {
	_, err := fmt.Fprintf(p.stdout, "ended %s: it holds from the next request on\n", id)
	return err
}
