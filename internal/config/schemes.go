package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/warder-dev/warder/exchange"
)

// maxSchemes bounds Config.Schemes.
const maxSchemes = 64

// DefaultScheme is the name in [Config.Schemes] of the key in the header that
// [Keys.Header] names.
const DefaultScheme = "apiKey"

// Where a key may be, as [KeyScheme.In] has it.
const (
	InHeader = "header"
	InQuery  = "query"
	InCookie = "cookie"
	InBearer = "bearer"
	InBasic  = "basic"
)

// Kind names which field of s is given; "" for none.
func (s Scheme) Kind() string {
	kinds := s.kinds()
	if len(kinds) == 0 {
		return ""
	}
	return kinds[0]
}

func (s Scheme) kinds() (given []string) {
	for _, kind := range []struct {
		name string
		is   bool
	}{
		{"key", s.Key != nil},
		{"jwt", s.JWT != nil},
		{"introspection", s.Introspection != nil},
		{"certificate", s.Certificate != nil},
		{"session", s.Session != nil},
		{"basic", s.Basic != nil},
	} {
		if kind.is {
			given = append(given, kind.name)
		}
	}
	return given
}

func (l *loader) checkSchemes() {
	schemes := l.config.Schemes
	if len(schemes) > maxSchemes {
		l.reject("schemes", fmt.Sprintf("are %d, want at most %d", len(schemes), maxSchemes), "")
		return
	}
	places := map[string]string{}
	for _, name := range sortedKeys(schemes) {
		field, s := "schemes."+name, schemes[name]
		if l.failed(field) {
			continue
		}
		kinds := s.kinds()
		if len(kinds) != 1 {
			what := "says not what it is"
			if len(kinds) > 1 {
				what = "is several things at once: " + strings.Join(kinds, ", ")
			}
			l.reject(field, what, "give it one of key, jwt, introspection, certificate, session and basic")
			continue
		}
		l.checkScheme(field, s)
		place := s.place(l.config.Keys.Header)
		if other, taken := places[place]; taken && place != "" {
			l.reject(field, "is found in the same place as "+other, "requests would have to prove both by one credential: keep one of them")
		}
		places[place] = name
	}
}

// place says where the credential of s is, when nothing else can be there.
func (s Scheme) place(header string) string {
	switch {
	case s.Key != nil && s.Key.Tokens && s.Key.In == InBearer:
		return "" // several may differ in whom tokens are for: see checkToken
	case s.Key != nil && s.Key.In == InHeader:
		return "header " + strings.ToLower(s.Key.name(header))
	case s.Key != nil:
		return s.Key.In + " " + s.Key.name(header)
	case s.Certificate != nil, s.Session != nil, s.Basic != nil:
		return s.Kind()
	default:
		return "" // of the tokens their issuers tell
	}
}

// name is that of the field, parameter or cookie; "" where there is none.
func (k *KeyScheme) name(header string) string {
	switch {
	case k.Name != "":
		return k.Name
	case k.In == InHeader:
		return header
	case k.In == InQuery:
		return "api_key"
	case k.In == InCookie:
		return "__Host-api_key"
	default:
		return ""
	}
}

func (l *loader) checkScheme(field string, s Scheme) {
	switch {
	case s.Key != nil:
		l.checkKeyScheme(field+".key", s.Key)
	case s.JWT != nil:
		l.checkJWT(field+".jwt", s.JWT)
	case s.Introspection != nil:
		l.checkIntrospection(field+".introspection", s.Introspection)
	case s.Certificate != nil:
		l.checkCertificate(field+".certificate", s.Certificate)
	case s.Session != nil && !l.config.Session.Password && l.config.Session.OIDC == nil:
		l.reject(field, "has no way to log in", "set session.password or session.oidc")
	case s.Basic != nil && l.config.Users.File == "":
		l.reject(field, "has nobody who could use it", "set users.file")
	}
}

func (l *loader) checkKeyScheme(field string, k *KeyScheme) {
	name := field + ".name"
	if l.failed(name) || l.failed(field+".in") {
		return
	}
	if k.In != InBasic && k.BasicField == "password" {
		l.reject(field+".basic_field", "has no effect without in: basic", "")
	}
	if k.InsecureCookieName && k.In != InCookie {
		l.reject(field+".insecure_cookie_name", "has no effect without in: cookie", "")
	}
	l.checkKeyTokens(field, k)
	switch {
	case k.Name == "":
	case k.In == InBearer, k.In == InBasic:
		l.reject(name, "has no effect: the key is in Authorization", "take it away")
	case !validToken(k.Name):
		l.reject(name, l.show(name)+" is not a name", "use letters, digits, - and _")
	case k.In == InHeader && reservedHeader(k.Name):
		l.reject(name, l.show(name)+" has another meaning in HTTP", "use a name such as X-API-Key")
	case k.In == InCookie && !strings.HasPrefix(k.Name, "__Host-") && !k.InsecureCookieName:
		l.reject(name, "does not begin with __Host-: other hosts of the domain could set it", "write __Host-"+"NAME, or set insecure_cookie_name")
	case k.In == InQuery && strings.Trim(k.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "":
		l.reject(name, l.show(name)+" is not the name of a parameter", "use letters, digits, - and _")
	}
}

// maxIssuers bounds the issuers of one scheme.
const maxIssuers = 32

func (l *loader) checkJWT(field string, j *JWTScheme) {
	if len(j.Issuers) == 0 && !l.failed(field+".issuers") {
		l.reject(field, "has no issuers", "")
	}
	if len(j.Issuers) > maxIssuers {
		l.reject(field+".issuers", fmt.Sprintf("are %d, want at most %d", len(j.Issuers), maxIssuers), "")
		return
	}
	if j.MaxStale < j.Refresh && !l.failed(field+".max_stale") && !l.failed(field+".refresh") {
		l.reject(field+".max_stale", "is less than refresh", "")
	}
	seen := map[string]bool{}
	for i := range j.Issuers {
		at, issuer := fmt.Sprintf("%s.issuers[%d]", field, i), &j.Issuers[i]
		if seen[issuer.Issuer] && issuer.Issuer != "" {
			l.reject(at+".issuer", "is in the list twice", "")
		}
		seen[issuer.Issuer] = true
		if issuer.Issuer != "" && issuer.Issuer == l.config.Tokens.Issuer && !l.failed(at+".issuer") {
			l.reject(at+".issuer", "is tokens.issuer: it would not be asked whether the keys of those tokens are still good", "take them by a scheme such as {key: {in: bearer, tokens: true}}")
		}
		l.checkJWTIssuer(at, issuer, j.InsecureHTTP)
	}
}

func (l *loader) checkJWTIssuer(field string, j *JWTIssuer, insecureHTTP bool) {
	if j.Issuer == "" && !l.failed(field+".issuer") {
		l.reject(field, "has no issuer", "")
	}
	l.checkAudience(field, j.Audience, j.InsecureAnyAudience)
	l.checkWords(field+".scope_claims", j.ScopeClaims)
	l.checkWords(field+".types", j.Types)
	switch {
	case j.JWKSURL != "" && j.JWKSFile != "":
		l.reject(field+".jwks_file", "is given together with jwks_url", "keep one of them")
	case j.JWKSURL != "":
		l.checkFetched(field+".jwks_url", j.JWKSURL, insecureHTTP)
	case j.JWKSFile == "" && j.Issuer != "": // discovery
		l.checkFetched(field+".issuer", j.Issuer, insecureHTTP)
	}
}

func (l *loader) checkIntrospection(field string, i *IntrospectionScheme) {
	for _, required := range []struct {
		name    string
		missing bool
	}{{"url", i.URL == ""}, {"client_id", i.ClientID == ""}, {"client_secret", i.ClientSecret.IsZero()}, {"issuer", i.Issuer == ""}} {
		if required.missing && !l.failed(field+"."+required.name) {
			l.reject(field, "has no "+required.name, "")
		}
	}
	if i.URL != "" {
		l.checkFetched(field+".url", i.URL, i.InsecureHTTP)
	}
	l.checkAudience(field, i.Audience, i.InsecureAnyAudience)
	l.checkWords(field+".scope_claims", i.ScopeClaims)
}

// checkAudience wants to know whom tokens are made for.
func (l *loader) checkAudience(field string, audience []string, insecure bool) {
	if len(audience) == 0 && !insecure && !l.failed(field+".audience") {
		l.reject(field, "has no audience: tokens that were made for somebody else would pass", "name this API as the issuer does")
	}
	if len(audience) > 0 && insecure {
		l.reject(field+".insecure_any_audience", "is given together with audience", "keep one of them")
	}
	l.checkWords(field+".audience", audience)
}

// checkFetched wants a URL that warder may ask.
func (l *loader) checkFetched(field, text string, insecure bool) {
	l.checkURL(field, text)
	if !insecure && !l.failed(field) && strings.HasPrefix(strings.ToLower(text), "http:") {
		l.reject(field, "is not https", "use https, or set insecure_http")
	}
}

func (l *loader) checkCertificate(field string, c *CertificateScheme) {
	if c.Subject == "" && !l.failed(field+".subject") {
		l.reject(field, "has no subject", "")
	}
	spiffe := c.Subject == "spiffe"
	if spiffe && len(c.TrustDomains) == 0 && !l.failed(field+".trust_domains") {
		l.reject(field, "has no trust_domains, which spiffe needs", "")
	}
	if second := field + ".trust_domains[1]"; len(c.TrustDomains) > 1 && !l.failed(second) {
		l.reject(second, "is a second trust domain, whose authorities could vouch for the first", "make a scheme for each")
	}
	if !spiffe && len(c.TrustDomains) > 0 {
		l.reject(field+".trust_domains", "has no effect without subject: spiffe", "")
	}
	l.checkWords(field+".trust_domains", c.TrustDomains)
	for i, grant := range c.Grants {
		at := fmt.Sprintf("%s.grants[%d]", field, i)
		if grant.Match == "" && !l.failed(at+".match") {
			l.reject(at, "has no match", "")
		}
		l.checkGrants(at+".scopes", grant.Scopes)
	}
}

// checkGrants wants scopes that can be granted.
func (l *loader) checkGrants(field string, scopes []string) {
	for i, scope := range scopes {
		if entry := fmt.Sprintf("%s[%d]", field, i); !l.failed(entry) && !exchange.ValidScope(scope) {
			l.reject(entry, l.show(entry)+" is not a scope", "write it like orders:read or orders:*")
		}
	}
}

// checkWords wants entries that are not empty and not repeated.
func (l *loader) checkWords(field string, words []string) {
	seen := map[string]bool{}
	for i, word := range words {
		entry := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case l.failed(entry):
		case word == "":
			l.reject(entry, "is empty", "")
		case seen[word]:
			l.reject(entry, "is in the list twice", "")
		}
		seen[word] = true
	}
}

// checkSecurity wants alternatives of schemes that exist.
func (l *loader) checkSecurity(field string, security []Alternative) {
	if security == nil {
		return
	}
	named, kinds := 0, map[string]string{}
	for i, alternative := range security {
		at := fmt.Sprintf("%s[%d]", field, i)
		if l.failed(at) {
			named++ // it was to name one
		}
		if len(alternative) == 0 && i < len(security)-1 && !l.failed(at) {
			l.reject(at, "is the optional one, {}, and not the last", "put it at the end")
		}
		for _, name := range sortedKeys(alternative) {
			named++
			if _, known := l.config.Schemes[name]; !known && name != DefaultScheme && !l.failed(at) {
				l.reject(at+"."+name, "no scheme has this name", l.nearestScheme(name))
			}
			l.checkToken(at+"."+name, name, kinds)
			l.checkScopes(at+"."+name, alternative[name])
		}
	}
	if named == 0 && !l.failed(field) {
		l.reject(field, "names no scheme", "a route that asks for nothing says public: true")
	}
}

// nearestScheme is the hint for a name that no scheme has.
func (l *loader) nearestScheme(name string) string {
	const most = 8 // are listed
	known := sortedKeys(l.config.Schemes)
	if !slices.Contains(known, DefaultScheme) {
		known = append(known, DefaultScheme)
	}
	switch hint := didYouMean(name, known); {
	case hint != "" || len(l.errs) >= maxErrors: // more are not shown
		return hint
	case len(known) == 1:
		return "there is only " + known[0] + "; others are made in schemes"
	case len(known) > most:
		return "there are " + strings.Join(known[:most], ", ") + " and others"
	default:
		return "there are " + strings.Join(known, ", ")
	}
}

// checkToken wants one scheme at most for each kind of token in Authorization:
// with two, every token would be wrong for one of them, and what is wrong is
// refused.
func (l *loader) checkToken(field, name string, kinds map[string]string) {
	scheme := l.config.Schemes[name]
	kind := scheme.Kind()
	if scheme.Basic != nil || scheme.Key != nil && scheme.Key.In == InBasic && scheme.Key.BasicField == "password" {
		kind = "password" // of both, anything can be one
	} else if scheme.Key != nil && scheme.Key.In == InBearer {
		kind = "bearer key"
	} else if kind != "jwt" && kind != "introspection" {
		return
	}
	if other, taken := kinds[kind]; taken && other != name && !l.failed(field) {
		hint := "name one of them"
		switch kind {
		case "password":
			hint = "let the key be the user name"
		case "jwt":
			hint = "list the issuers of both in one scheme"
		}
		l.reject(field, "takes the same tokens as "+other, hint)
	}
	kinds[kind] = name
}

// RouteSecurity returns what r asks for: its own list, or the configuration's with
// the route's scopes added to every scheme. It is nil for a public route.
func (c *Config) RouteSecurity(r *Route) []Alternative {
	switch {
	case r.Public:
		return nil
	case r.Security != nil:
		return r.Security
	case len(r.Scopes) == 0:
		return c.Security
	}
	all := make([]Alternative, len(c.Security))
	for i, alternative := range c.Security {
		all[i] = make(Alternative, len(alternative))
		for name, scopes := range alternative {
			all[i][name] = slices.Concat(scopes, r.Scopes)
		}
	}
	return all
}

// KeyName returns the name of the header field, parameter or cookie that holds
// the key of k; "" where Authorization does.
func (c *Config) KeyName(k *KeyScheme) string { return k.name(c.Keys.Header) }
