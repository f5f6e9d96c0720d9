package oidc

import (
	"slices"
	"strconv"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/session"
)

// user returns whom a proved ID token lets in.
func (c *Client) user(token *gooidc.IDToken) (session.User, error) {
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return session.User{}, c.wrong("claims-malformed")
	}
	scopes, admitted := c.granted(claims)
	if !admitted {
		return session.User{}, &refusal{reason: "not-admitted", problem: c.forbidden}
	}
	title, _ := claims[c.cfg.Title].(string)
	if (session.User{Issuer: c.cfg.Issuer, Subject: token.Subject, Name: title}).Check() != nil {
		title = "" // it is for people only: a login does not hang on it
	}
	u := session.User{
		Issuer: c.cfg.Issuer, Subject: token.Subject, Name: title, Scopes: exchange.PatternScopes(scopes...), Claims: make(map[string]any),
	}
	for _, name := range c.cfg.Keep {
		if value, ok := claims[name]; ok {
			u.Claims[name] = value
		}
	}
	if at, ok := claims["auth_time"].(float64); ok && at > 0 && at < 1<<40 {
		u.AuthenticatedAt = time.Unix(int64(at), 0)
	}
	if err := u.Check(); err != nil {
		return session.User{}, c.wrongBecause("claims-unusable", err)
	}
	return u, nil
}

// granted returns the scopes of all grants that fit, and whether one does.
func (c *Client) granted(claims map[string]any) (scopes []string, admitted bool) {
	for _, g := range c.cfg.Grants {
		if g.Claim != "" && !fits(claims, g) {
			continue
		}
		admitted = true
		for _, scope := range g.Scopes {
			if !slices.Contains(scopes, scope) {
				scopes = append(scopes, scope)
			}
		}
	}
	return scopes, admitted
}

// fits reports whether claims have the grant's value.
func fits(claims map[string]any, g Grant) bool {
	if g.Claim == "email" && claims["email_verified"] != true {
		return false // whoever can type an address in at the provider would have it
	}
	switch value := claims[g.Claim].(type) {
	case string:
		return value == g.Value
	case bool:
		return strconv.FormatBool(value) == g.Value
	case []any:
		for _, one := range value {
			if one == g.Value {
				return true
			}
		}
	}
	return false
}
