package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/session"
)

// login is the first step: name and password.
func (d *Door) login(c *call) error {
	var sent struct {
		Name     string `json:"name"`
		Password typed  `json:"password"`
	}
	if err := d.read(c, &sent); err != nil {
		return err
	}
	a, err := d.password(c, account.NormalName(sent.Name), sent.Password)
	if err != nil {
		return err
	}
	if a.Factor.Enrolled() {
		ticket, err := d.people.Ticket(&a)
		if err != nil {
			return err
		}
		return d.answer(c, viewTicket(ticket))
	}
	proved, err := d.people.Prove(c.r.Context(), a.ID, c.source(), account.Proof{})
	if err != nil {
		return d.unlessGone(err)
	}
	if proved.Epoch != a.Epoch {
		return d.answers.ended // another password meanwhile
	}
	return d.begin(c, &proved, false)
}

// password returns the account whose password it is.
func (d *Door) password(c *call, name string, text typed) (account.Account, error) {
	u, err := d.checker.Check(c.r.Context(), c.from, name, text.Text)
	if refusal, ok := errors.AsType[*authn.Refusal](err); ok && slices.Contains([]string{"wrong-password", "disabled"}, refusal.Reason()) {
		err = &aboutError{name, err}
	}
	if err != nil {
		return account.Account{}, err
	}
	a, err := d.lookup(c.r.Context(), account.ID(u.Subject))
	switch {
	case errors.Is(err, account.ErrNotFound):
		return account.Account{}, d.answers.wrong
	case err != nil:
		return account.Account{}, err
	case a.State() != account.Active, revealHash(&a) != u.Hash: // changed while it was compared
		return account.Account{}, d.answers.wrong
	}
	return a, nil
}

// second is the second step: a code, or a recovery code.
func (d *Door) second(c *call) error {
	var sent struct {
		Ticket   typed  `json:"ticket"`
		Code     string `json:"code,omitzero"`
		Recovery typed  `json:"recovery_code,omitzero"`
	}
	if err := d.read(c, &sent); err != nil {
		return err
	}
	a, err := d.people.Redeem(c.r.Context(), sent.Ticket.Text)
	if err != nil {
		return d.unlessGone(err)
	}
	proved, err := d.prove(c, a.ID, proof(sent.Code, sent.Recovery))
	if err != nil {
		return &aboutError{a.Name, d.unlessGone(err)}
	}
	if proved.Epoch != a.Epoch {
		return d.answers.ended // what the ticket proved was changed meanwhile
	}
	return d.begin(c, &proved, true)
}

// prove takes a second factor, which is slowed down for account and address.
func (d *Door) prove(c *call, id account.ID, p account.Proof) (account.Account, error) {
	attempt, err := d.codes.Begin(string(id), c.from)
	if err != nil {
		return account.Account{}, err
	}
	a, err := d.people.Prove(c.r.Context(), id, c.source(), p)
	switch {
	case err == nil:
		attempt.Succeeded()
	case !errors.Is(err, account.ErrCode):
		attempt.Forget() // it was no guess
	}
	return a, err
}

// unlessGone turns what is wrong with a ticket, or with an account meanwhile, into
// the answer to begin again.
func (d *Door) unlessGone(err error) error {
	if errors.Is(err, account.ErrGone) || errors.Is(err, account.ErrNotFound) {
		return d.answers.ended
	}
	return err
}

// begin begins the session of a, if it is still as it was proved.
func (d *Door) begin(c *call, a *account.Account, factor bool) error {
	user := session.User{Issuer: account.Issuer, Subject: string(a.ID), Name: a.Name, Claims: claims(a, factor, time.Now())}
	err := d.sessions.LoginIf(c.w, c.r, user, func(ctx context.Context) error {
		now, err := d.lookup(ctx, a.ID)
		switch {
		case errors.Is(err, account.ErrNotFound):
			return d.answers.ended
		case err != nil:
			return err
		case now.Epoch != a.Epoch, now.State() != account.Active:
			return d.answers.ended
		}
		return nil
	})
	if err != nil {
		return err
	}
	p := principalOf(a, user.Claims, exchange.Principal{})
	return d.answer(c, d.viewOf(&p, a))
}

// claims are what a session keeps of how a was proved.
func claims(a *account.Account, factor bool, at time.Time) map[string]any {
	return map[string]any{account.ClaimEpoch: a.Epoch, account.ClaimAt: at.Unix(), account.ClaimFactor: factor}
}

// fresh proves password and second factor again, within the session.
func (d *Door) fresh(c *call) error {
	var sent struct {
		Password typed  `json:"password"`
		Code     string `json:"code,omitzero"`
		Recovery typed  `json:"recovery_code,omitzero"`
	}
	if err := d.read(c, &sent); err != nil {
		return err
	}
	_, me, err := d.person(c)
	if err != nil {
		return err
	}
	a, err := d.password(c, me.Name, sent.Password)
	if err != nil {
		return err
	}
	if a.ID != me.ID {
		return d.answers.ended // the name went to somebody else
	}
	if a, err = d.prove(c, a.ID, proof(sent.Code, sent.Recovery)); err != nil {
		return &aboutError{me.Name, d.unlessGone(err)}
	}
	if a.Epoch != me.Epoch {
		return d.answers.ended
	}
	kept := claims(&a, a.Factor.Enrolled(), time.Now())
	if err := d.sessions.Rotate(c.w, c.r, func(u *session.User) { u.Claims, u.AuthenticatedAt = kept, time.Now() }); err != nil {
		return err
	}
	p := principalOf(&a, kept, exchange.Principal{})
	return d.answer(c, d.viewOf(&p, &a))
}

// logout ends the session.
func (d *Door) logout(c *call) error {
	if err := d.sessions.Logout(c.w, c.r); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// again begins the one session that is left after a change that ended all.
func (d *Door) again(c *call, a *account.Account, factor bool, value any) error {
	user := session.User{Issuer: account.Issuer, Subject: string(a.ID), Name: a.Name, Claims: claims(a, factor, time.Now())}
	if err := d.sessions.LoginAlone(c.w, c.r, user); err != nil {
		// What was made is told once, with a session or without.
		d.log.LogAttrs(c.r.Context(), slog.LevelError, "no session after a change of the account", slog.String("account", string(a.ID)), slog.Any("error", err))
	}
	return d.answer(c, value)
}
