package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// The types of security schemes.
const (
	TypeAPIKey        = "apiKey"
	TypeHTTP          = "http"
	TypeMutualTLS     = "mutualTLS"
	TypeOAuth2        = "oauth2"
	TypeOpenIDConnect = "openIdConnect"
)

// The places of a parameter; an API key is in one of the first three.
const (
	InQuery  = "query"
	InHeader = "header"
	InCookie = "cookie"
	InPath   = "path"
)

// A SecurityScheme is the Security Scheme Object: one way to prove who asks.
// Which fields it has depends on its type; the others are empty.
type SecurityScheme struct {
	// Type is "apiKey", "http", "mutualTLS" (a client certificate), "oauth2" or
	// "openIdConnect". Required.
	Type string `json:"type"`

	// Description is CommonMark, for readers.
	Description string `json:"description,omitempty"`

	// Name is that of the header, query parameter or cookie. Required for apiKey.
	Name string `json:"name,omitempty"`

	// In is where the key is: "query", "header" or "cookie". Required for apiKey.
	In string `json:"in,omitempty"`

	// Scheme is the authentication scheme in Authorization (RFC 9110, section
	// 11.1), in any case, and should be a registered one. Required for http.
	Scheme string `json:"scheme,omitempty"`

	// BearerFormat tells readers what a token is made of, such as "JWT". For http
	// with the scheme "bearer" only.
	BearerFormat string `json:"bearerFormat,omitempty"`

	// Flows are the ways to a token. Required for oauth2.
	Flows *OAuthFlows `json:"flows,omitempty"`

	// OpenIDConnectURL is where the provider's metadata is found; OpenID Connect
	// wants TLS. Required for openIdConnect.
	OpenIDConnectURL string `json:"openIdConnectUrl,omitempty"`
}

// OAuthFlows is the OAuth Flows Object: the grants of RFC 6749 that are supported.
type OAuthFlows struct {
	Implicit          *OAuthFlow `json:"implicit,omitempty"`
	Password          *OAuthFlow `json:"password,omitempty"`          // resource owner's password
	ClientCredentials *OAuthFlow `json:"clientCredentials,omitempty"` // called "application" in OpenAPI 2.0
	AuthorizationCode *OAuthFlow `json:"authorizationCode,omitempty"` // called "accessCode" in OpenAPI 2.0
}

// An OAuthFlow is the OAuth Flow Object. OAuth wants TLS for each URL.
type OAuthFlow struct {
	AuthorizationURL string `json:"authorizationUrl,omitempty"` // Required for implicit and authorizationCode, absent for the others.
	TokenURL         string `json:"tokenUrl,omitempty"`         // Required for all but implicit, which has none.
	RefreshURL       string `json:"refreshUrl,omitempty"`       // where refresh tokens are redeemed

	// Scopes are the scopes that exist, each with a short text. Required, and may
	// be empty.
	Scopes map[string]string `json:"scopes"`
}

// Security is a list of which one entry has to be satisfied. nil is absent from
// the document: an operation then has the document's. The empty list says that
// nothing is asked for. An entry without any scheme, {}, makes the others
// optional.
type Security []SecurityRequirement

// A SecurityRequirement is the Security Requirement Object: scopes by the name
// of a scheme, which components.securitySchemes must have; all of them have to
// be satisfied. The scopes are those of the token for oauth2 and openIdConnect;
// for other types they are roles, which no protocol carries. The list is empty
// where none is asked for.
type SecurityRequirement map[string][]string

var errNull = errors.New("openapi: null where a list, an object or a scope is required")

// UnmarshalJSON refuses null, which would otherwise read as an absent list.
func (s *Security) UnmarshalJSON(data []byte) error {
	var list []SecurityRequirement
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	if list == nil {
		return errNull
	}
	*s = list
	return nil
}

// UnmarshalJSON refuses null, which would otherwise read as {}: optional.
func (r *SecurityRequirement) UnmarshalJSON(data []byte) error {
	var scopes map[string][]*string
	if err := json.Unmarshal(data, &scopes); err != nil {
		return err
	}
	if scopes == nil {
		return errNull
	}
	*r = make(SecurityRequirement, len(scopes))
	for name, list := range scopes {
		if list == nil || slices.Contains(list, nil) {
			return errNull
		}
		words := make([]string, len(list))
		for i, scope := range list {
			words[i] = *scope
		}
		(*r)[name] = words
	}
	return nil
}

// MarshalJSON writes nil scopes as the empty list that the specification wants.
func (r SecurityRequirement) MarshalJSON() ([]byte, error) {
	scopes := make(map[string][]string, len(r))
	for name, list := range r {
		scopes[name] = append([]string{}, list...)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(scopes)
	return b.Bytes(), err
}
