package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

func (l *loader) checkUsers() {
	u := l.config.Users
	if u.InsecureMode && u.File == "" {
		l.reject("users.insecure_mode", "has no effect without users.file", "")
	}
}

func (l *loader) checkSession() {
	s := &l.config.Session
	if s.Password && l.config.Users.File == "" {
		l.reject("session.password", "has nobody who could log in", "set users.file")
	}
	if s.Store == StoreRedis && len(l.config.Redis.Addresses) == 0 && !l.failed("redis.addresses") {
		l.reject("session.store", "has no server", "set redis.addresses")
	}
	if !l.failed("session.absolute") && !l.failed("session.idle") && s.Absolute < s.Idle {
		l.reject("session.absolute", "is less than session.idle", "")
	}
	if s.Remember != 0 && !l.failed("session.remember") && !l.failed("session.absolute") && s.Remember < s.Absolute {
		l.reject("session.remember", "is less than session.absolute", "want 0s, which remembers nobody, or more")
	}
	l.checkSessionCookie(s)
	if !l.failed("session.path") && !plainPath(s.Path) {
		l.reject("session.path", "is not a plain path", "write it like /auth, without / at the end")
	}
	if s.OIDC != nil {
		l.checkOIDC("session.oidc", s)
	}
}

func (l *loader) checkSessionCookie(s *Session) {
	const field = "session.cookie"
	host := strings.HasPrefix(s.Cookie, "__Host-")
	switch {
	case l.failed(field):
	case !validToken(s.Cookie):
		l.reject(field, l.show(field)+" is not the name of a cookie", "")
	case !host && !s.InsecureCookie:
		l.reject(field, "does not begin with __Host-: other hosts of the domain could set it", "or set session.insecure_cookie")
	case s.InsecureCookie && strings.HasPrefix(s.Cookie, "__"):
		l.reject(field, "begins with "+"__, which browsers take over https only", "with insecure_cookie, give it a name such as session")
	}
}

// plainPath reports whether path is "/" and segments that have one reading.
func plainPath(path string) bool {
	return len(path) > 1 && path[0] == '/' && !strings.HasSuffix(path, "/") && !strings.ContainsAny(path, "{}?#%;\\ ") &&
		!strings.Contains(path, "//") && !strings.Contains(path+"/", "/./") && !strings.Contains(path+"/", "/../")
}

func (l *loader) checkOIDC(field string, s *Session) {
	o := s.OIDC
	for _, required := range []struct{ name, value string }{{"issuer", o.Issuer}, {"client_id", o.ClientID}, {"redirect_url", o.RedirectURL}} {
		if required.value == "" && !l.failed(field+"."+required.name) {
			l.reject(field, "has no "+required.name, "")
		}
	}
	if o.Issuer != "" {
		l.checkFetched(field+".issuer", o.Issuer, o.InsecureHTTP)
	}
	l.checkWords(field+".scopes", o.Scopes)
	l.checkWords(field+".keep", o.Keep)
	if len(o.Grants) == 0 && !l.failed(field+".grants") {
		l.reject(field, "has no grants: nobody would be let in", "")
	}
	for i, grant := range o.Grants {
		at := fmt.Sprintf("%s.grants[%d]", field, i)
		if (grant.Claim == "") != (grant.Value == "") && !l.failed(at+".claim") && !l.failed(at+".value") {
			l.reject(at, "has one of claim and value", "give both, or neither for whoever the provider knows")
		}
		l.checkGrants(at+".scopes", grant.Scopes)
	}
	redirect := field + ".redirect_url"
	if o.RedirectURL == "" || l.failed(redirect) {
		return
	}
	l.checkURL(redirect, o.RedirectURL)
	u, err := url.Parse(o.RedirectURL)
	if err != nil || l.failed(redirect) {
		return
	}
	address, _ := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && !address.IsLoopback() {
		l.reject(redirect, "is not https", "only localhost may do without")
	}
	if !l.failed("session.path") && u.Path != s.Path+"/callback" {
		l.reject(redirect, "its path is not session.path with /callback behind it", "")
	}
}
