package portal

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/problem"
)

// An option is one of a choice.
type option struct{ value, label string }

// lifetimes are for how long a key may be made, the longest last: none beyond what the
// link allows.
func lifetimes(c *portallink.Create) (all []option) {
	const oneDay = 24 * time.Hour
	for _, one := range []struct {
		life        time.Duration
		value, name string
	}{{7 * oneDay, "168h", "in a week"}, {30 * oneDay, "720h", "in 30 days"}, {90 * oneDay, "2160h", "in 90 days"}, {365 * oneDay, "8760h", "in a year"}} {
		if c.MaxTTL == 0 || one.life <= c.MaxTTL {
			all = append(all, option{one.value, one.name})
		}
	}
	if c.MaxTTL == 0 {
		return append(all, option{"", "as late as possible"})
	}
	return append(all, option{c.MaxTTL.String(), "as late as possible"})
}

func (v *visit) showCreate() error {
	c := v.pass.Grant.Create
	if c == nil {
		return errNotFound
	}
	if v.pass.Left() == 0 {
		return errSpent
	}
	v.render(http.StatusOK, "New key", createPage(c, newOnce(), "", nil, ""))
	return nil
}

// errSpent means that the link makes no more keys.
var errSpent = refused(problem.Conflict, "All keys that your link allows are made.")

// spec is the key that the form asks for, within what the link allows.
func (v *visit) spec(c *portallink.Create, now time.Time) (apikey.Spec, error) {
	s := apikey.Spec{Environment: apikey.Environment(c.Environment), Name: v.field("name"), Owner: v.pass.Owner, Plan: c.Plan, Scopes: slices.Clone(v.form["scope"])}
	for _, scope := range s.Scopes {
		if !slices.Contains(c.Scopes, scope) {
			return s, refused(problem.InvalidBody, "Choose among what your link allows.")
		}
	}
	life := v.field("expires")
	if !slices.ContainsFunc(lifetimes(c), func(o option) bool { return o.value == life }) {
		return s, refused(problem.InvalidBody, "Choose when the key expires.")
	}
	if life == "" {
		return s, nil // as the policy of keys has it
	}
	d, err := time.ParseDuration(life)
	s.Expires = now.Add(d)
	return s, err
}

// create makes a key. It is counted before, so that no two forms at once make one too
// many.
func (v *visit) create() error {
	c := v.pass.Grant.Create
	if c == nil {
		return errNotFound
	}
	ctx, cancel := v.bounded()
	defer cancel()
	now := time.Now()
	spec, err := v.spec(c, now)
	if err == nil {
		err = keyRefusal(spec.Check(now))
	}
	if told, ok := errors.AsType[*refusal](err); ok {
		v.render(told.kind.Status(), "New key", createPage(c, newOnce(), v.field("name"), v.form["scope"], told.detail))
		return nil
	}
	if err != nil {
		return err
	}
	attempt, again, err := v.begin(ctx)
	if err != nil {
		return err
	}
	if again {
		v.render(http.StatusOK, "New key", goneBefore(nil))
		return nil
	}
	switch err := v.site.cfg.Passes.Take(ctx, v.pass.ID, c.Keys, now); {
	case errors.Is(err, portallink.ErrSpent):
		v.undone(ctx, attempt)
		return errSpent
	case errors.Is(err, portallink.ErrGone):
		return errNoSession
	case err != nil:
		return err
	}
	made, text, err := v.site.cfg.Issuer.Create(ctx, v.keyBy(), spec)
	if err != nil {
		if _, ours := errors.AsType[*apikey.SpecError](err); ours { // nothing was made: else nobody knows
			v.giveBack(ctx)
		}
		return v.changed(ctx, attempt, err)
	}
	v.reveal(&made, text)
	return nil
}

// giveBack takes back that a key was counted.
func (v *visit) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.site.cfg.Timeout)
	defer cancel()
	if err := v.site.cfg.Passes.GiveBack(ctx, v.pass.ID); err != nil {
		v.site.cfg.Log.LogAttrs(ctx, slog.LevelError, "a key that was not made stays counted for a link to the portal", slog.String("link", string(v.pass.ID)), slog.Any("error", err))
	}
}

// changed is why an attempt failed; it can be made again where nothing came of it.
func (v *visit) changed(ctx context.Context, attempt idempotency.Attempt, err error) error {
	told := keyRefusal(err)
	if _, ok := errors.AsType[*refusal](told); ok {
		v.undone(ctx, attempt)
	}
	return told
}
