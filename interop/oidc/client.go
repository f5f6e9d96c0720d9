package oidc

import (
	"net/url"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// A Client is a program that the provider knows.
type Client struct {
	ID, Secret  string   // of a confidential client
	Redirects   []string // where its logins lead back to
	AfterLogout []string // where its logouts may lead
	JWT         bool     // its access tokens are JWTs (RFC 7519); else opaque
	Audience    []string // of its access tokens
}

// lifetime is how long tokens last.
const lifetime = time.Hour

// A registered client is one as the library asks about it.
type registered struct{ Client }

var _ op.Client = registered{}

func (c registered) GetID() string                     { return c.ID }
func (c registered) RedirectURIs() []string            { return c.Redirects }
func (c registered) PostLogoutRedirectURIs() []string  { return c.AfterLogout }
func (registered) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (registered) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodBasic }
func (registered) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (registered) LoginURL(id string) string            { return loginPath + "?id=" + url.QueryEscape(id) }
func (registered) IDTokenLifetime() time.Duration       { return lifetime }
func (registered) DevMode() bool                        { return false }
func (registered) IsScopeAllowed(string) bool           { return true }
func (registered) IDTokenUserinfoClaimsAssertion() bool { return true }
func (registered) ClockSkew() time.Duration             { return 0 }

func (registered) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeClientCredentials}
}

func (c registered) AccessTokenType() op.AccessTokenType {
	if c.JWT {
		return op.AccessTokenTypeJWT
	}
	return op.AccessTokenTypeBearer
}

//nolint:staticcheck // ST1003: the library calls it so
func (registered) RestrictAdditionalIdTokenScopes() func([]string) []string { return all }

func (registered) RestrictAdditionalAccessTokenScopes() func([]string) []string { return all }

func all(scopes []string) []string { return scopes }
