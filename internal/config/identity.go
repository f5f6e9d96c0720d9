package config

import (
	"time"

	"github.com/warder-dev/warder/secret"
)

// A Scheme is one way to prove who asks: exactly one of its fields is given.
type Scheme struct {
	// Key is an API key of warder, wherever requests carry it.
	Key *KeyScheme `yaml:"key"`
	// JWT is a signed bearer token (RFC 7519) of one issuer.
	JWT *JWTScheme `yaml:"jwt"`
	// Introspection is an opaque bearer token that its issuer is asked about (RFC 7662).
	Introspection *IntrospectionScheme `yaml:"introspection"`
	// Certificate is a client certificate.
	Certificate *CertificateScheme `yaml:"certificate"`
	// Session is the cookie of a login. It has no fields of its own: see session.
	Session *SessionScheme `yaml:"session"`
	// Basic is HTTP Basic (RFC 7617) for the people of users. It has no fields of its own.
	Basic *BasicScheme `yaml:"basic"`
}

// A KeyScheme says where requests carry an API key.
type KeyScheme struct {
	// In is where the key is: a header field, a query parameter, a cookie, or Authorization as bearer or basic. Default header.
	In string `yaml:"in" default:"header" enum:"header|query|cookie|bearer|basic"`
	// Name is that of the header field, parameter or cookie. Default: keys.header, api_key or __Host-api_key; none for bearer and basic.
	Name string `yaml:"name"`
	// BasicField is which part of HTTP Basic holds the key; with username the password is empty. Only with basic. Default username.
	BasicField string `yaml:"basic_field" default:"username" enum:"username|password"`
	// Tokens takes tokens too that were made from keys: see tokens. Only with bearer. Default false.
	Tokens bool `yaml:"tokens" default:"false"`
	// TokenAudience is whom a token has to be for: one of tokens.audience. Required with tokens where those are several, unless insecure_any_audience is set. Default: the only one.
	TokenAudience string `yaml:"token_audience"`
	// InsecureAnyAudience takes tokens for any of tokens.audience. It costs: every service that gets a token for itself alone can use it here. Default false.
	InsecureAnyAudience bool `yaml:"insecure_any_audience" default:"false"`
	// InsecureCookieName accepts the name of a cookie without "__Host-". It costs: parent domains, and whoever is on the way over plain HTTP, can set it. Default false.
	InsecureCookieName bool `yaml:"insecure_cookie_name" default:"false"`
}

// A JWTScheme says whose tokens are believed, and how their keys are got.
type JWTScheme struct {
	// Issuers are those whose tokens are believed, each with keys of its own. Required, at most 32.
	Issuers []JWTIssuer `yaml:"issuers" jsonschema:"required"`
	// Refresh is the time between two readings of an issuer's keys, 30s to 1d. Default 5m.
	Refresh time.Duration `yaml:"refresh" default:"5m" min:"30s" max:"1d"`
	// MaxStale is for how long keys are believed while their issuer does not answer, 1m to 7d, not less than refresh; afterwards requests are 503. Default 1h.
	MaxStale time.Duration `yaml:"max_stale" default:"1h" min:"1m" max:"7d"`
	// CAFile is the path of a PEM file with the authorities that may sign the issuers' certificates. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// InsecureHTTP fetches keys over plain HTTP. It costs: whoever is on the way chooses the keys. Default false.
	InsecureHTTP bool `yaml:"insecure_http" default:"false"`
}

// A JWTIssuer says what an issuer's tokens must be.
type JWTIssuer struct {
	// Issuer is what iss must be, letter for letter: a URL with discovery. Required.
	Issuer string `yaml:"issuer" jsonschema:"required"`
	// Audience lists what aud must name one of. Required unless insecure_any_audience is set.
	Audience []string `yaml:"audience"`
	// Algorithms lists those that may sign (RFC 7518, section 3.1). Default RS256, ES256, PS256, EdDSA.
	Algorithms []string `yaml:"algorithms" enum:"RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA"`
	// JWKSURL is where the issuer's keys are (RFC 7517). Default: found by discovery, unless jwks_file is given.
	JWKSURL string `yaml:"jwks_url"`
	// JWKSFile is the path of a file with the issuer's keys; nothing is fetched then. Default: none.
	JWKSFile string `yaml:"jwks_file"`
	// Types lists what typ may be, such as at+jwt (RFC 9068). Default JWT, at+jwt, or none.
	Types []string `yaml:"types"`
	// Leeway is how far clocks may differ, 0s to 5m. Default 30s.
	Leeway time.Duration `yaml:"leeway" default:"30s" min:"0s" max:"5m"`
	// ScopeClaims lists the claims that grant scopes; the first that is there counts. Default scope, scp.
	ScopeClaims []string `yaml:"scope_claims"`
	// OwnerClaim is the claim that names the owner. Default: none.
	OwnerClaim string `yaml:"owner_claim"`
	// InsecureAnyAudience believes tokens that were made for somebody else. It costs: every service that gets a token of this issuer can use it here. Default false.
	InsecureAnyAudience bool `yaml:"insecure_any_audience" default:"false"`
}

// An IntrospectionScheme says who is asked about opaque tokens.
type IntrospectionScheme struct {
	// URL is the introspection endpoint. Required.
	URL string `yaml:"url" jsonschema:"required"`
	// ClientID is the name by which warder asks. Required.
	ClientID string `yaml:"client_id" jsonschema:"required"`
	// ClientSecret proves that name. Required.
	ClientSecret secret.Text `yaml:"client_secret"`
	// Issuer is whom the tokens are of: with the subject it says who a principal is. Required.
	Issuer string `yaml:"issuer" jsonschema:"required"`
	// Audience lists what aud must name one of. Required unless insecure_any_audience is set.
	Audience []string `yaml:"audience"`
	// InsecureAnyAudience believes tokens that were made for somebody else. It costs: every service that gets a token of this issuer can use it here. Default false.
	InsecureAnyAudience bool `yaml:"insecure_any_audience" default:"false"`
	// ScopeClaims lists the members that grant scopes. Default scope.
	ScopeClaims []string `yaml:"scope_claims"`
	// OwnerClaim is the member that names the owner. Default: none.
	OwnerClaim string `yaml:"owner_claim"`
	// Cache is for how long an answer is believed, 0s to 10m, and never beyond the token's life. Default 30s.
	Cache time.Duration `yaml:"cache" default:"30s" min:"0s" max:"10m"`
	// CAFile is the path of a PEM file with the authorities that may sign the endpoint's certificate. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// InsecureHTTP asks over plain HTTP. It costs: whoever is on the way reads the tokens and decides. Default false.
	InsecureHTTP bool `yaml:"insecure_http" default:"false"`
}

// A CertificateScheme says how a client certificate names its holder.
type CertificateScheme struct {
	// Subject is the part of the certificate that names the holder. Required.
	Subject string `yaml:"subject" jsonschema:"required" enum:"spiffe|dns|email|uri|cn|dn"`
	// TrustDomains lists the SPIFFE trust domains that are believed. Required with spiffe, only then.
	TrustDomains []string `yaml:"trust_domains"`
	// Issuer names who vouches for the holders: with the subject it says who a principal is. Default: a digest of the certificate's issuer.
	Issuer string `yaml:"issuer"`
	// Grants say what holders may do; the first that matches counts. Default: none, who has a certificate has no scopes.
	Grants []CertificateGrant `yaml:"grants"`
}

// A CertificateGrant is what certain holders of certificates may do.
type CertificateGrant struct {
	// Match is the holder's name, or a form for several: *.clients.example.com with dns, *@example.com with email, spiffe://example.org/ns/** with spiffe and uri. Required.
	Match string `yaml:"match" jsonschema:"required"`
	// Owner is whom the holder belongs to. Default: none.
	Owner string `yaml:"owner"`
	// Scopes are granted, such as "orders:read" or "orders:*". Default: none.
	Scopes []string `yaml:"scopes"`
}

// A SessionScheme has no fields: see [Session].
type SessionScheme struct{}

// A BasicScheme has no fields: see [Users].
type BasicScheme struct{}

// Users are the people who may log in by name and password.
type Users struct {
	// File is the path of their file: a name, a PHC string of argon2id (RFC 9106) and scopes in each line, as warder users add writes it. Default: none.
	File string `yaml:"file"`
	// InsecureMode accepts a file that other users of the machine own or may read. It costs: they can then guess passwords at their leisure. Default false.
	InsecureMode bool `yaml:"insecure_mode" default:"false"`
}

// Session says how people log in, and for how long.
type Session struct {
	// Store is where sessions are: in sqlite, the database of the keys, also when that is a PostgreSQL one, or in redis, which gateways share and so its people's logins; those gateways share csrf.keys and session.oidc.key as well. A server that evicts keys logs people out. Default sqlite.
	Store string `yaml:"store" default:"sqlite" enum:"sqlite|redis"`
	// Cookie is the name of the session's cookie; it begins with "__Host-". Default __Host-session.
	Cookie string `yaml:"cookie" default:"__Host-session"`
	// Idle is how long a session lasts without a request, 1m to 30d. Default 30m.
	Idle time.Duration `yaml:"idle" default:"30m" min:"1m" max:"30d"`
	// Absolute is how long a session lasts whatever happens, 1m to 30d, not less than idle. Default 12h.
	Absolute time.Duration `yaml:"absolute" default:"12h" min:"1m" max:"30d"`
	// Remember is how long a session lasts, used or not, whose user asks to be remembered at the login, absolute to 90d; its cookie outlives the browser. Whoever takes the device then takes the session. Default 0s, nobody is remembered.
	Remember time.Duration `yaml:"remember" default:"0s" min:"0s" max:"90d"`
	// Path begins the paths that the gateway answers itself: PATH/login, PATH/logout, PATH/csrf, and with oidc PATH/oidc and PATH/callback. Default /auth.
	Path string `yaml:"path" default:"/auth"`
	// Password lets the people of users log in by POST to PATH/login. Default false.
	Password bool `yaml:"password" default:"false"`
	// OIDC lets people log in at an OpenID provider. Default: none.
	OIDC *OIDCLogin `yaml:"oidc"`
	// InsecureCookie lets the cookie be sent over plain HTTP, under a name without "__Host-". It costs: whoever is on the way can take the session over. Default false.
	InsecureCookie bool `yaml:"insecure_cookie" default:"false"`
}

// An OIDCLogin is a login at an OpenID provider (OpenID Connect Core 1.0).
type OIDCLogin struct {
	// Issuer is the provider's URL. Required.
	Issuer string `yaml:"issuer" jsonschema:"required"`
	// ClientID is warder's name there. Required.
	ClientID string `yaml:"client_id" jsonschema:"required"`
	// ClientSecret proves that name. Default: none, a public client.
	ClientSecret secret.Text `yaml:"client_secret"`
	// RedirectURL is the whole URL of PATH/callback as the provider knows it. Required.
	RedirectURL string `yaml:"redirect_url" jsonschema:"required"`
	// Scopes are asked for besides openid. Default: none.
	Scopes []string `yaml:"scopes"`
	// Grants say who is let in, and with what scopes: those of every grant that fits. Required.
	Grants []OIDCGrant `yaml:"grants" jsonschema:"required"`
	// Keep lists claims of the ID token that the session keeps, for conditions and upstreams. Default: none.
	Keep []string `yaml:"keep"`
	// Key encrypts the cookie of a login under way: 32 random bytes or more. Default: one is made at each start.
	Key secret.Text `yaml:"key"`
	// CAFile is the path of a PEM file with the authorities that may sign the provider's certificate. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// InsecureHTTP talks to the provider over plain HTTP. It costs: whoever is on the way decides who logs in. Default false.
	InsecureHTTP bool `yaml:"insecure_http" default:"false"`
}

// An OIDCGrant lets people in and gives them scopes.
type OIDCGrant struct {
	// Claim is a claim of the ID token that must have value, as text or in a list; email counts only when it is verified. Default: whoever the provider knows.
	Claim string `yaml:"claim"`
	// Value is what the claim must have. Required with claim, only then.
	Value string `yaml:"value"`
	// Scopes are granted, such as "orders:read" or "orders:*". Default: none.
	Scopes []string `yaml:"scopes"`
}

// Identity is what warder tells upstreams, signed.
type Identity struct {
	// Issuer is the iss of the tokens that upstreams get. Default warder.
	Issuer string `yaml:"issuer" default:"warder"`
	// Key signs them: a private key for ES256 or EdDSA in PEM form (PKCS #8, RFC 5958). Default: one is made at each start.
	Key secret.Text `yaml:"key"`
}

// An Alternative is one set of schemes that together suffice, each with the
// scopes that its principal needs: OpenAPI's Security Requirement Object. The
// empty one makes the others optional.
type Alternative map[string][]string

// A Condition is a rule about requests beyond scopes. All that it names must
// hold for it to apply.
type Condition struct {
	// Name is what a refusal calls the rule: lower case letters, digits and "-". Required.
	Name string `yaml:"name" jsonschema:"required"`
	// Effect is what the rule is for: require refuses requests to which it does not apply, deny those to which it does; where there are allow rules, one of them must apply. Deny wins. Default require.
	Effect string `yaml:"effect" default:"require" enum:"require|deny|allow"`
	// Label is what a client reads that the rule refuses, such as "calls from the office". Default: none.
	Label string `yaml:"label"`
	// Shadow decides, counts and logs, and lets the request pass. Default false.
	Shadow bool `yaml:"shadow" default:"false"`
	// Methods lists methods. Default: all.
	Methods []string `yaml:"methods"`
	// Paths lists patterns of whole segments: "*" is any one, or a part of one as in *.json, "**" at the end all that is left, as in /admin/**. Default: all.
	Paths []string `yaml:"paths"`
	// Addresses lists client addresses and networks such as 10.0.0.0/8. Default: all.
	Addresses []string `yaml:"addresses"`
	// Environments lists environments of keys, such as live. Default: all.
	Environments []string `yaml:"environments"`
	// Owners lists owners. Default: all.
	Owners []string `yaml:"owners"`
	// Issuers lists who vouched for the principal. Default: all.
	Issuers []string `yaml:"issuers"`
	// Schemes lists schemes by which the principal was proved. Default: all.
	Schemes []string `yaml:"schemes"`
	// Times lists windows of time. Default: always.
	Times []TimeWindow `yaml:"times"`
	// CEL is an expression of the Common Expression Language that must be true. Default: none.
	CEL string `yaml:"cel"`
}

// A TimeWindow is a part of certain days.
type TimeWindow struct {
	// Days lists days of the week. Default: all.
	Days []string `yaml:"days" enum:"mon|tue|wed|thu|fri|sat|sun"`
	// From is when it begins, HH:MM. Default 00:00.
	From string `yaml:"from" default:"00:00"`
	// To is when it ends, HH:MM; 24:00 is the end of the day. Before from, it ends on the next day. Default 24:00.
	To string `yaml:"to" default:"24:00"`
	// Zone is the time zone, such as Europe/Berlin. Default UTC.
	Zone string `yaml:"zone" default:"UTC"`
}
