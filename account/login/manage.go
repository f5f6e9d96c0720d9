package login

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
)

// This file serves who administers: the rights are judged by account and by [Keys],
// so that every front has the same.

// reads returns nil when whoever asks may read administrators.
func (rs *Routes) reads(c *call) error {
	p, err := c.check(rs.either)
	if err == nil && !p.Scopes.Allow(string(account.ReadAccounts)) {
		return rs.door.answers.forbidden
	}
	return err
}

// people answers all accounts.
func (rs *Routes) people(c *call) error {
	if err := rs.reads(c); err != nil {
		return err
	}
	all, err := rs.door.people.All(c.r.Context())
	if err != nil {
		return err
	}
	views := make([]account.View, len(all))
	for i := range all {
		views[i] = all[i].View()
	}
	return rs.door.answer(c, map[string]any{"people": views})
}

// one answers one account.
func (rs *Routes) one(c *call) error {
	if err := rs.reads(c); err != nil {
		return err
	}
	id, err := accountID(c)
	if err != nil {
		return err
	}
	a, err := rs.door.lookup(c.r.Context(), id)
	if err != nil {
		return contradicts(err)
	}
	return rs.door.answer(c, a.View())
}

func notFound() error { return problem.New(problem.NotFound, "There is no such account or key.") }

// accountID is the id in the path.
func accountID(c *call) (account.ID, error) {
	id := c.r.PathValue("id")
	if !account.ValidID(id) {
		return "", notFound()
	}
	return account.ID(id), nil
}

// contradicts turns what is wrong with a change of somebody else into its answer.
func contradicts(err error) error {
	conflict := func(detail string) error { return problem.New(problem.Conflict, detail) }
	switch {
	case errors.Is(err, account.ErrNotFound):
		return notFound()
	case errors.Is(err, account.ErrLastOwner):
		return conflict("The last owner stays: make another one first.")
	case errors.Is(err, account.ErrExists):
		return conflict("The name is taken.")
	case errors.Is(err, account.ErrConflict):
		return conflict("The account was changed meanwhile: look again.")
	case errors.Is(err, account.ErrFactor):
		return conflict("The role requires a second factor, and the account has none: it has to enrol one first.")
	case errors.Is(err, account.ErrGone):
		return conflict("The account is set up: reset its password or its factor instead.")
	case errors.Is(err, account.ErrOwnRole):
		return problem.New(problem.Forbidden, "Nobody raises its own role.")
	default:
		return err
	}
}

// where is from where a link may be used, as it is sent: from the caller's own
// address when nothing is.
type where struct {
	From     string `json:"from"`
	Anywhere bool   `json:"anywhere"`
}

func (w where) link(c *call) (account.Link, error) {
	switch {
	case w.Anywhere && w.From == "":
		return account.Link{Anywhere: true}, nil
	case w.From == "" && c.from.IsValid():
		return account.Link{Address: c.from}, nil
	}
	address, err := netip.ParseAddr(w.From)
	if err != nil || w.Anywhere {
		return account.Link{}, &account.FieldError{Field: "from", Reason: "want an address such as 192.0.2.7, or anywhere in its place"}
	}
	return account.Link{Address: address}, nil
}

// create makes an account.
func (rs *Routes) create(c *call) error {
	var sent struct {
		where

		Name  string       `json:"name"`
		Email string       `json:"email"`
		Role  account.Role `json:"role"`
	}
	if err := rs.door.read(c, &sent); err != nil {
		return err
	}
	by, _, err := rs.door.actor(c)
	if err != nil {
		return err
	}
	l, err := sent.link(c)
	if err != nil {
		return err
	}
	a, link, err := rs.door.people.Create(c.r.Context(), by, account.Spec{Name: sent.Name, Email: sent.Email, Role: sent.Role}, l)
	if err != nil {
		return contradicts(err)
	}
	return rs.door.answer(c, viewInvitation(&a, link))
}

// change changes the account of the path, and answers what became of it.
func (rs *Routes) change(c *call, sent any, run func(ctx context.Context, by account.Actor, id account.ID) (account.Account, error)) error {
	if err := rs.door.read(c, sent); err != nil {
		return err
	}
	by, _, err := rs.door.actor(c)
	if err != nil {
		return err
	}
	id, err := accountID(c)
	if err != nil {
		return err
	}
	a, err := run(c.r.Context(), by, id)
	if err != nil {
		return contradicts(err)
	}
	return rs.door.answer(c, a.View())
}

// A state is the account as it was read: 0 for any.
type state struct {
	Revision account.Revision `json:"revision"`
}

func (rs *Routes) setRole(c *call) error {
	var sent struct {
		state

		Role account.Role `json:"role"`
	}
	return rs.change(c, &sent, func(ctx context.Context, by account.Actor, id account.ID) (account.Account, error) {
		return rs.door.people.SetRole(ctx, by, id, sent.Revision, sent.Role)
	})
}

func (rs *Routes) describe(c *call) error {
	var sent struct {
		state

		Email string `json:"email"`
	}
	return rs.change(c, &sent, func(ctx context.Context, by account.Actor, id account.ID) (account.Account, error) {
		return rs.door.people.Describe(ctx, by, id, sent.Revision, sent.Email)
	})
}

func (rs *Routes) disable(c *call) error {
	var sent state
	return rs.change(c, &sent, func(ctx context.Context, by account.Actor, id account.ID) (account.Account, error) {
		return rs.door.people.Disable(ctx, by, id, sent.Revision)
	})
}

func (rs *Routes) enable(c *call) error {
	var sent state
	return rs.change(c, &sent, func(ctx context.Context, by account.Actor, id account.ID) (account.Account, error) {
		return rs.door.people.Enable(ctx, by, id, sent.Revision)
	})
}

func (rs *Routes) remove(c *call) error {
	var sent state
	return rs.change(c, &sent, func(ctx context.Context, by account.Actor, id account.ID) (account.Account, error) {
		return rs.door.people.Remove(ctx, by, id, sent.Revision)
	})
}

// relink makes another link for the account of the path.
func (rs *Routes) relink(c *call, run func(ctx context.Context, by account.Actor, id account.ID, l account.Link) (account.Account, secret.Text, error)) error {
	var sent where
	if err := rs.door.read(c, &sent); err != nil {
		return err
	}
	by, _, err := rs.door.actor(c)
	if err != nil {
		return err
	}
	id, err := accountID(c)
	if err != nil {
		return err
	}
	l, err := sent.link(c)
	if err != nil {
		return err
	}
	a, link, err := run(c.r.Context(), by, id, l)
	if err != nil {
		return contradicts(err)
	}
	return rs.door.answer(c, viewInvitation(&a, link))
}

func (rs *Routes) invite(c *call) error { return rs.relink(c, rs.door.people.Invite) }

func (rs *Routes) resetPassword(c *call) error { return rs.reset(c, account.Reset{Password: true}) }

func (rs *Routes) resetFactor(c *call) error { return rs.reset(c, account.Reset{Factor: true}) }

func (rs *Routes) reset(c *call, what account.Reset) error {
	return rs.relink(c, func(ctx context.Context, by account.Actor, id account.ID, l account.Link) (account.Account, secret.Text, error) {
		return rs.door.people.Reset(ctx, by, id, what, l)
	})
}

// listKeys answers all admin keys.
func (rs *Routes) listKeys(c *call) error {
	if err := rs.reads(c); err != nil {
		return err
	}
	all, err := rs.keys.List(c.r.Context())
	if err != nil {
		return err
	}
	views := make([]account.KeyView, len(all))
	for i := range all {
		views[i] = all[i].View()
	}
	return rs.door.answer(c, map[string]any{"keys": views})
}

// issueKey makes an admin key.
func (rs *Routes) issueKey(c *call) error {
	var sent struct {
		Name    string       `json:"name"`
		Role    account.Role `json:"role"`
		Owner   *string      `json:"owner"`
		Expires time.Time    `json:"expires"`
	}
	if err := rs.door.read(c, &sent); err != nil {
		return err
	}
	by, _, err := rs.door.actor(c)
	if err != nil {
		return err
	}
	spec := KeySpec{Name: sent.Name, Role: sent.Role, Expires: sent.Expires}
	if sent.Owner != nil {
		if spec.Owner = *sent.Owner; spec.Owner == "" { // a name that was lost binds to nobody
			return &account.FieldError{Field: "owner", Reason: "want the owner to bind it to; leave it out for none"}
		}
	}
	key, text, err := rs.keys.Issue(c.r.Context(), by, spec)
	if err != nil {
		return asField(err)
	}
	return rs.door.answer(c, viewNewKey(&key, text))
}

// revokeKey ends an admin key.
func (rs *Routes) revokeKey(c *call) error {
	var sent struct {
		Reason string `json:"reason"`
	}
	if err := rs.door.read(c, &sent); err != nil {
		return err
	}
	by, _, err := rs.door.actor(c)
	if err != nil {
		return err
	}
	key, err := rs.keys.Revoke(c.r.Context(), by, c.r.PathValue("id"), sent.Reason)
	if err != nil {
		return contradicts(asField(err))
	}
	return rs.door.answer(c, key.View())
}

// asField turns what apikey says of a value into what account says of one.
func asField(err error) error {
	if spec, ok := errors.AsType[*apikey.SpecError](err); ok {
		return &account.FieldError{Field: spec.Field, Reason: spec.Reason}
	}
	return err
}
