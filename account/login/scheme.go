package login

import (
	"context"
	"errors"
	"fmt"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/session"
)

// A Scheme proves which person a session is of, with the role that it has now. It
// is safe for concurrent use.
type Scheme struct {
	inner *session.Scheme
	door  *Door

	foreign, gone, changed, factor *authn.Refusal
}

var (
	_ authn.Scheme    = (*Scheme)(nil)
	_ authn.Describer = (*Scheme)(nil)
)

func newScheme(d *Door) *Scheme {
	return &Scheme{
		inner: d.sessions.Scheme(), door: d,
		foreign: authn.Wrong("foreign-session"), gone: authn.Wrong("no-account"), changed: authn.Wrong("account-changed"), factor: authn.Wrong("no-second-factor"),
	}
}

// Name returns the scheme's name in OpenAPI.
func (s *Scheme) Name() string { return s.inner.Name() }

// Challenge returns the WWW-Authenticate challenge.
func (s *Scheme) Challenge(realm string) string { return s.inner.Challenge(realm) }

// Describe adds the scheme to doc.
func (s *Scheme) Describe(doc *openapi.Document) error { return s.inner.Describe(doc) }

// Authenticate returns the person whose session x carries: an ambient principal of
// [account.Issuer] with the scopes of its role.
func (s *Scheme) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	var nobody exchange.Principal
	p, err := s.inner.Authenticate(x)
	if err != nil {
		return nobody, err
	}
	if p.Issuer != account.Issuer {
		return nobody, s.foreign
	}
	a, err := s.door.lookup(x.Request.Context(), account.ID(p.Subject))
	factor, _ := p.Claims[account.ClaimFactor].(bool)
	switch {
	case errors.Is(err, account.ErrNotFound):
		return nobody, s.gone
	case err != nil:
		return nobody, err
	case a.State() != account.Active, account.Whole(p.Claims[account.ClaimEpoch]) != a.Epoch:
		return nobody, s.changed
	case (a.Role.NeedsFactor() || a.Factor.Enrolled()) && !factor:
		return nobody, s.factor
	}
	return principalOf(&a, p.Claims, p), nil
}

// principalOf is a as a session with the claims kept proves it, with what else is
// known of the session.
func principalOf(a *account.Account, kept map[string]any, p exchange.Principal) exchange.Principal {
	factor, _ := kept[account.ClaimFactor].(bool)
	p.Issuer, p.Subject, p.Scopes = account.Issuer, string(a.ID), a.Role.Scopes()
	p.Claims = map[string]any{
		account.ClaimRole: string(a.Role), account.ClaimName: a.Name, account.ClaimEpoch: a.Epoch,
		account.ClaimAt: account.Whole(kept[account.ClaimAt]), account.ClaimFactor: factor,
	}
	return p
}

// lookup returns an account in a bounded time.
func (d *Door) lookup(ctx context.Context, id account.ID) (account.Account, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	a, err := d.people.Store().Lookup(ctx, id)
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return account.Account{}, fmt.Errorf("login: look up: %w", err)
	}
	return a, err
}
