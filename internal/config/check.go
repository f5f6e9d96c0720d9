package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// check adds what is wrong with the values as a whole. A field that could not
// be read at all is not complained of twice.
func (l *loader) check() {
	l.checkListeners()
	l.checkTLS()
	l.checkDecision()
	l.checkOrigin()
	l.checkHTTPS()
	l.checkHeaders()
	l.checkCORS()
	l.checkCSRF()
	l.checkStore()
	l.checkKeys()
	l.checkSchemes()
	l.checkSecurity("security", l.config.Security)
	l.checkUsers()
	l.checkSession()
	l.checkLeaks()
	l.checkUpstreams()
	l.checkRateLimits()
	l.checkRateLimitDomains()
	l.checkRoutes()
	l.checkDocuments()
	l.checkCredits()
	l.checkHolder()
	l.checkPortal()
	l.checkMoreListeners()
	l.checkH2C()
	l.checkTokens()
	l.checkAudit()
	l.checkWebhooks()
	l.checkTracing()
	if !l.failed("limits.target_bytes") && !l.failed("limits.header_bytes") && l.config.Limits.TargetBytes > l.config.Limits.HeaderBytes {
		l.reject("limits.target_bytes", "is more than limits.header_bytes, which the target is part of", "")
	}
}

func (l *loader) checkListeners() {
	c := l.config
	l.checkListen()
	if c.HealthListen == AdminOff && !l.failed("health_listen") {
		c.HealthListen = ""
	}
	if c.HealthListen != "" {
		l.checkAddress("health_listen", c.HealthListen)
	}
	if c.AdminListen != AdminOff {
		l.checkAddress("admin_listen", c.AdminListen)
		if !l.failed("admin_listen") && !c.InsecureAdminListen && !loopback(c.AdminListen) {
			l.reject("admin_listen", "is not a loopback address", "set insecure_admin_listen if the network is trusted")
		}
	}
	if c.TLS.RedirectListen != "" {
		l.checkAddress("tls.redirect_listen", c.TLS.RedirectListen)
	}
	l.checkDistinct("tls.redirect_listen", c.TLS.RedirectListen, "listen", c.Listen)
	l.checkDistinct("tls.redirect_listen", c.TLS.RedirectListen, "admin_listen", c.AdminListen)
	l.checkDistinct("tls.redirect_listen", c.TLS.RedirectListen, "health_listen", c.HealthListen)
	l.checkDistinct("admin_listen", c.AdminListen, "listen", c.Listen)
	l.checkDistinct("health_listen", c.HealthListen, "listen", c.Listen)
	l.checkDistinct("health_listen", c.HealthListen, "admin_listen", c.AdminListen)
}

func (l *loader) checkDistinct(field, address, other, otherAddress string) {
	if address != "" && address == otherAddress && !strings.HasSuffix(address, ":0") && !l.failed(field) && !l.failed(other) {
		l.reject(field, "is the same address as "+other, "")
	}
}

// checkAddress wants host:port with a numeric port; port 0 means any free one.
func (l *loader) checkAddress(field, address string) {
	if l.failed(field) {
		return
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		l.reject(field, l.show(field)+" is not an address", `want host:port, such as "127.0.0.1:8080" or "[::1]:8080"`)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		l.reject(field, "the port is not a number from 0 to 65535", "0 means any free one")
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !validHost(host) {
		l.reject(field, "the host is neither an IP address nor a host name", "")
	}
}

// loopback reports whether only this machine reaches address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// validHost reports whether host has the form of a host name (RFC 1123, section
// 2.1); "_" is accepted since container networks use it.
func validHost(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return true
}

func (l *loader) checkStore() {
	c := l.config
	if c.DB == "" && !l.failed("db") {
		l.reject("db", "is empty", "name the file of the keys")
	}
	switch {
	case l.failed("db"):
	case c.IsPostgres():
		l.checkPostgres()
	case strings.Contains(c.DB, "://"):
		l.reject("db", "is a URL, want the path of a file, or postgres://user@host/database", "")
	case strings.HasPrefix(c.DB, "file:") || strings.HasPrefix(c.DB, ":memory:") || strings.ContainsRune(c.DB, '?'):
		l.reject("db", "is a connection string, want the path of a file", "write it like /var/lib/warder/warder.db")
	}
	if !c.IsPostgres() && !l.failed("db") {
		l.onlyPostgres()
	}
	if c.Peppers.File != "" && !c.Peppers.Value.IsZero() {
		l.reject("peppers.value", "is given together with peppers.file", "keep one of them")
	}
}

func (l *loader) checkKeys() {
	k := l.config.Keys
	if !l.failed("keys.prefix") && !validPrefix(k.Prefix) {
		l.reject("keys.prefix", l.show("keys.prefix")+" is not a prefix", "use 1 to 16 lower case letters and digits, a letter first")
	}
	if !l.failed("keys.realm") && !validRealm(k.Realm) {
		l.reject("keys.realm", "is not a realm", "use 1 to 64 printable ASCII characters without quote and backslash")
	}
	l.checkLifetimes()
	switch {
	case l.failed("keys.header"):
	case !validToken(k.Header):
		l.reject("keys.header", l.show("keys.header")+" is not the name of a header field", "")
	case reservedHeader(k.Header):
		l.reject("keys.header", l.show("keys.header")+" has another meaning in HTTP", "use a name such as X-API-Key")
	}
}

func (l *loader) checkLifetimes() {
	k := l.config.Keys
	for field, ttl := range map[string]time.Duration{"keys.default_ttl": k.DefaultTTL, "keys.max_ttl": k.MaxTTL} {
		if ttl > 0 && ttl < time.Minute && !l.failed(field) {
			l.reject(field, "is less than 1m", "")
		}
	}
	if k.MaxTTL > 0 && k.DefaultTTL > k.MaxTTL && !l.failed("keys.max_ttl") && !l.failed("keys.default_ttl") {
		l.reject("keys.default_ttl", "is more than keys.max_ttl", "")
	}
}

func validPrefix(s string) bool {
	for i := range len(s) {
		b := s[i]
		valid := 'a' <= b && b <= 'z' || i > 0 && '0' <= b && b <= '9'
		if !valid {
			return false
		}
	}
	return s != "" && len(s) <= 16
}

func validRealm(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b > '~' || b == '"' || b == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// validToken reports whether s is a token (RFC 9110, section 5.6.2) of at most
// 64 characters.
func validToken(s string) bool {
	for i := range len(s) {
		b := s[i]
		valid := 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
		if !valid {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// reservedHeader reports whether the field name is hop-by-hop (RFC 9110,
// section 7.6.1), or has a meaning to HTTP, browsers, proxies or warder.
func reservedHeader(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"accept", "access-control-", "content-", "if-", "proxy-", "sec-", "x-forwarded-", "x-warder-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings",
		"host", "authorization", "cookie", "set-cookie", "date", "expect", "from", "max-forwards", "origin", "range", "referer",
		"user-agent", "via", "cache-control", "pragma", "age", "vary", "server", "location", "www-authenticate", "forwarded",
		"x-real-ip", "x-request-id", "x-http-method", "x-http-method-override", "x-method-override", "traceparent", "tracestate",
		"baggage", "idempotency-key", "priority", "early-data", "last-event-id":
		return true
	}
	return false
}

func (l *loader) checkUpstreams() {
	c := l.config
	both := c.Upstream != "" && (len(c.Upstreams) > 0 || len(c.Routes) > 0)
	switch {
	case both:
		l.reject("upstream", "is given together with upstreams or routes", "it is shorthand for one of each: keep one form")
	case c.Upstream != "" && len(c.OpenAPIDocuments) > 0:
		l.reject("upstream", "is given together with openapi_documents", "write openapi: for one document, or upstreams: for several")
	case c.Upstream == "" && len(c.Routes) == 0 && len(c.OpenAPIDocuments) == 0 && !l.idle && !l.unread && !l.failed("upstream") && !l.failed("routes"):
		if len(c.Upstreams) > 0 {
			l.reject("upstreams", "are given without routes: no request would get there", "add routes: [{match: /, upstream: "+sortedKeys(c.Upstreams)[0]+"}], or write upstream: URL instead")
			break
		}
		l.fail(origin{}, "", "neither upstream nor routes are given: there is nothing to protect", "name your API by --upstream http://127.0.0.1:8000 or --config FILE")
	}
	if c.Upstream != "" {
		l.checkURL("upstream", c.Upstream)
	}
	for _, name := range sortedKeys(c.Upstreams) {
		l.checkUpstream("upstreams."+name, c.Upstreams[name])
	}
}

func (l *loader) checkUpstream(field string, u Upstream) {
	switch {
	case l.failed(field), l.failed(field + ".url"):
	case u.URL == "":
		l.reject(field, "has no url", "")
	default:
		l.checkURL(field+".url", u.URL)
	}
	if u.ServerName != "" && !validHost(u.ServerName) {
		l.reject(field+".server_name", l.show(field+".server_name")+" is not a host name", "")
	}
	l.checkIdentityOf(field, &u)
	if u.InsecureSkipVerify && u.CAFile != "" {
		l.reject(field+".insecure_skip_verify", "is given together with ca_file, which it makes useless", "keep one of them")
	}
	if !strings.HasPrefix(strings.ToLower(u.URL), "http:") {
		return
	}
	for name, set := range map[string]bool{
		"ca_file": u.CAFile != "", "server_name": u.ServerName != "", "insecure_skip_verify": u.InsecureSkipVerify, "cert_file": u.CertFile != "",
	} {
		if set {
			l.reject(field+"."+name, "has no effect on a http URL", "use https")
		}
	}
}

// checkIdentityOf checks what warder shows to the upstream.
func (l *loader) checkIdentityOf(field string, u *Upstream) {
	if u.Audience != "" && u.Identity != IdentityJWT && !l.failed(field+".identity") {
		l.reject(field+".audience", "has no effect without identity: jwt", "")
	}
	header := field + ".credential_header"
	switch {
	case u.CredentialHeader == "" || l.failed(header):
	case u.Credential.IsZero() && !l.failed(field+".credential"):
		l.reject(header, "has no effect without credential", "")
	case !validToken(u.CredentialHeader), reservedHeader(u.CredentialHeader) && !strings.EqualFold(u.CredentialHeader, "Authorization"):
		l.reject(header, l.show(header)+" cannot carry a credential", "use Authorization, or a name such as X-API-Key")
	}
	if (u.CertFile == "") != (u.KeyFile == "") && !l.failed(field+".cert_file") && !l.failed(field+".key_file") {
		l.reject(field, "has one of cert_file and key_file", "give both")
	}
}

// checkURL never repeats the URL: a password may be in it.
func (l *loader) checkURL(field, text string) {
	if l.failed(field) {
		return
	}
	u, err := url.Parse(text)
	if err != nil {
		l.reject(field, "is not a URL", "write it like http://127.0.0.1:8000")
		return
	}
	port := u.Port()
	_, portErr := strconv.ParseUint(port, 10, 16)
	_, ipErr := netip.ParseAddr(u.Hostname())
	if u.Scheme == "" || u.Opaque != "" {
		l.reject(field, "does not begin with http:// or https://", "write it like http://localhost:8000")
		return
	}
	for _, rule := range []struct {
		broken  bool
		problem string
	}{
		{u.Scheme != "http" && u.Scheme != "https", "the scheme is neither http nor https"},
		{u.Host == "", "has no host behind //, as in http://127.0.0.1:8000"},
		{u.Host != "" && ipErr != nil && !validHost(u.Hostname()), "the host is neither an IP address nor a host name"},
		{port != "" && (portErr != nil || strings.Trim(port, "0") == ""), "the port is not a number from 1 to 65535"},
		{strings.HasSuffix(u.Host, ":"), "has a colon without a port"},
		{u.User != nil, "has user information (name or password)"},
		{u.RawQuery != "" || u.ForceQuery, "has a query"},
		{strings.Contains(text, "#"), "has a fragment"},
	} {
		if rule.broken {
			l.reject(field, rule.problem, "")
		}
	}
}

// complete fills what follows from other fields. The configuration is valid.
func (l *loader) complete() {
	c := l.config
	if c.Peppers.File == "" && c.Peppers.Value.IsZero() {
		c.Peppers.File = c.Beside(".peppers")
		// Its text must not tell what Print hides in db's.
		if o := l.origins["db"]; o.substituted && !c.IsPostgres() {
			o.raw += ".peppers"
			l.origins["peppers.file"] = o
		}
	}
	l.completeAudit()
	l.completeTokens()
	if c.Upstream != "" {
		c.Upstreams = map[string]Upstream{DefaultUpstream: {URL: c.Upstream, PreserveHost: true}}
		c.Routes = []Route{{Match: "/", Upstream: DefaultUpstream}}
	}
	c.completeDocuments()
	if _, given := c.Schemes[DefaultScheme]; !given {
		if c.Schemes == nil {
			c.Schemes = map[string]Scheme{}
		}
		c.Schemes[DefaultScheme] = Scheme{Key: &KeyScheme{In: InHeader, BasicField: "username"}}
	}
	if c.Security == nil {
		c.Security = []Alternative{{DefaultScheme: nil}}
	}
	for i := range c.Routes {
		if c.Routes[i].BodyBytes == 0 {
			c.Routes[i].BodyBytes = c.Limits.BodyBytes
			l.origins[fmt.Sprintf("routes[%d].body_bytes", i)] = l.origins["limits.body_bytes"]
		}
	}
}

// checkScopes wants scopes that a route can ask for.
func (l *loader) checkScopes(field string, scopes []string) {
	seen := map[string]bool{}
	for i, scope := range scopes {
		entry := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case l.failed(entry):
		case strings.Contains(scope, "*"):
			l.reject(entry, "has a wildcard: only keys are granted these, a route asks for a certain scope", "")
		case !exchange.ValidScope(scope):
			l.reject(entry, l.show(entry)+" is not a scope", "write it like orders:read, with letters, digits and . _ - /")
		case seen[scope]:
			l.reject(entry, "is in the list twice", "")
		}
		seen[scope] = true
	}
}
