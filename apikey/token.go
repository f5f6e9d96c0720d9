package apikey

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// A Token is a credential that lasts for minutes and was made from a key: what its
// holder gives to a program that need not have the key. It is as good as the key's
// secret that it was made from, or less. It must not be copied.
type Token struct {
	Key         ID
	Secret      int      // number of the key's secret that it was made from, counted from 1
	Scopes      []string // what it grants, as far as the key grants that when it is used
	Audience    []string // whom it is for
	Owner       string   // the key's when it was made
	Environment Environment
	Certificate [32]byte  // that of the key when it was made; zero: none
	Expires     time.Time // in whole seconds; the token has expired at this instant

	narrowed atomic.Pointer[narrowed]
}

// narrowed remembers what a token grants beside what is known of its key.
type narrowed struct {
	slot   *slot
	scopes exchange.Scopes
}

// A TokenSigner makes the texts of tokens. Implementations are safe for concurrent
// use.
type TokenSigner interface {
	// SignToken returns the text of t. A [*SpecError] says that t cannot have one.
	SignToken(t *Token) (secret.Text, error)
}

// A TokenVerifier reads the texts that a [TokenSigner] made. Implementations are
// safe for concurrent use. They know nothing of keys: whether the key is still good,
// the [Verifier] asks.
type TokenVerifier interface {
	// OwnsToken reports whether a text has the beginning of those that the signer
	// makes, and hence is this verifier's to judge, and nobody else's.
	OwnsToken(text string) bool

	// VerifyToken returns what a text says whose signature, issuer and audience hold
	// and that has not expired; nobody changes it. The error is an [*authn.Refusal].
	// With remember it may keep what it found out.
	VerifyToken(text string, remember bool) (*Token, error)
}

// scopesOf returns what t grants with what is known of its key now: what both grant.
// It does not allocate when it was asked before and nothing has changed.
func (t *Token) scopesOf(s *slot) exchange.Scopes {
	if known := t.narrowed.Load(); known != nil && known.slot == s {
		return known.scopes
	}
	n := &narrowed{s, both(s.entry.scopes, t.Scopes)}
	t.narrowed.Store(n)
	return n.scopes
}

// both returns what granted and names, which are patterns too, have in common.
func both(granted exchange.Scopes, names []string) exchange.Scopes {
	var common []string
	for _, name := range names {
		if granted.Allow(name) {
			common = append(common, name)
			continue
		}
		if !strings.HasSuffix(name, "*") {
			continue
		}
		wide := exchange.PatternScopes(name)
		for _, one := range granted.Names() {
			if wide.Allow(one) {
				common = append(common, one)
			}
		}
	}
	slices.Sort(common)
	return exchange.PatternScopes(slices.Compact(common)...)
}

// VerifyToken is [Verifier.VerifyFor] for the text of a token that was made from a
// key: it proves whom the key proves, with the scopes that both grant, as long as the
// key and the secret that it was made from are good. audience is whom the token has to
// be for; "" for anybody whom tokens are made for. A refusal has one more reason,
// token-audience, and those of the [TokenVerifier].
//
// The key is judged by what is known of it now, through the same cache: a token lasts
// no longer than its key, wherever that is revoked.
func (v *Verifier) VerifyToken(ctx context.Context, text, audience string, use Use) (exchange.Principal, error) {
	return v.verifyToken(ctx, text, audience, claim{cert: use.Certificate, dry: use.Dry, use: &use})
}

// OwnsToken reports whether text is to be judged by [Verifier.VerifyToken].
func (v *Verifier) OwnsToken(text string) bool {
	return v.cfg.Tokens != nil && v.cfg.Tokens.OwnsToken(text)
}

// verifyToken is VerifyToken of what c says of the request.
func (v *Verifier) verifyToken(ctx context.Context, text, audience string, c claim) (exchange.Principal, error) {
	if v.cfg.Tokens == nil {
		return exchange.Principal{}, v.refusals.malformed
	}
	t, err := v.cfg.Tokens.VerifyToken(text, !c.dry)
	switch {
	case err != nil:
		return exchange.Principal{}, err
	case audience != "" && !slices.Contains(t.Audience, audience):
		return exchange.Principal{}, v.refusals.audience
	}
	c.token, c.id = t, t.Key
	if c.x != nil {
		c.x.Claim = string(t.Key)
	}
	return v.verify(ctx, c)
}

// judgeToken is judge of a token whose signature holds: there is no secret to be
// compared, and nothing to be learnt from the time.
func (v *Verifier) judgeToken(c *claim, e *entry) (*digest, time.Time, error) {
	now := time.Now()
	if e == nil {
		return nil, now, v.refusals.unknown
	}
	match := e.secret(c.token.Secret)
	if match == nil {
		return nil, now, v.refusals.wrong
	}
	if err := v.state(e, match, now); err != nil {
		return nil, now, err
	}
	switch {
	case !now.Before(c.token.Expires):
		return nil, now, v.refusals.expired
	case e.certificate != nil && !presents(c.cert, e.certificate), bound(&c.token.Certificate) && !presents(c.cert, &c.token.Certificate):
		return nil, now, v.refusals.certificate
	default:
		return match, now, nil
	}
}

// secret returns the digest of the secret with a number; nil for none, and for one
// whose text nobody takes any more.
func (e *entry) secret(number int) *digest {
	for i := range e.digests {
		if d := &e.digests[i]; number > 0 && int(d.number) == number && d.format != formatOff {
			return d
		}
	}
	return nil
}

// narrowTo makes p what a token of the key proves.
func (t *Token) narrowTo(p *exchange.Principal, s *slot) {
	p.Token, p.Scopes = true, t.scopesOf(s)
	if p.Expires.IsZero() || t.Expires.Before(p.Expires) {
		p.Expires = t.Expires
	}
}
