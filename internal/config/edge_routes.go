package config

import (
	"github.com/warder-dev/warder/csrf"
)

// RouteHeaders are fields that every answer of one route gets unless the upstream has set them. What is not given is that of the top level's headers.
type RouteHeaders struct {
	// ContentSecurityPolicy is that field; "off" means none. Default: that of headers.
	ContentSecurityPolicy string `yaml:"content_security_policy" unset:"inherited"`
	// FrameOptions says who may frame an answer; "off" means that the field is not set. Default: that of headers.
	FrameOptions string `yaml:"frame_options" unset:"inherited" enum:"DENY|SAMEORIGIN|off"`
	// ReferrerPolicy is that field; "off" means none. Default: that of headers.
	ReferrerPolicy string `yaml:"referrer_policy" unset:"inherited"`
	// PermissionsPolicy is that field; "off" means none. Default: that of headers.
	PermissionsPolicy string `yaml:"permissions_policy" unset:"inherited"`
	// CrossOriginResourcePolicy says who may embed an answer; "off" means that the field is not set. Default: that of headers.
	CrossOriginResourcePolicy string `yaml:"cross_origin_resource_policy" unset:"inherited" enum:"same-origin|same-site|cross-origin|off"`
	// CrossOriginOpenerPolicy says which windows a page shares its group with; "off" means that the field is not set. Default: that of headers.
	CrossOriginOpenerPolicy string `yaml:"cross_origin_opener_policy" unset:"inherited" enum:"same-origin|same-origin-allow-popups|noopener-allow-popups|unsafe-none|off"`
	// CrossOriginEmbedderPolicy says what a page may embed; "off" means that the field is not set. Default: that of headers.
	CrossOriginEmbedderPolicy string `yaml:"cross_origin_embedder_policy" unset:"inherited" enum:"require-corp|credentialless|unsafe-none|off"`
	// Remove lists fields of the upstream that clients do not get, in place of those that headers removes; [] means none. Default: that of headers.
	Remove []string `yaml:"remove" unset:"inherited"`
}

// RouteCSRF says what else proves that a request of one route comes from the site itself.
type RouteCSRF struct {
	// TrustedOrigins lists other origins whose pages may act for the user on this route, in place of those of csrf; [] means none. Default: those of csrf.
	TrustedOrigins []string `yaml:"trusted_origins" unset:"inherited"`
	// Shadow counts and logs what would be refused on this route, and lets it pass, as csrf.shadow does on all. Default false.
	Shadow bool `yaml:"shadow" default:"false"`
}

// HeadersOf returns the fields of the route's answers: its own, and for those that
// it does not give the top level's.
func (c *Config) HeadersOf(r *Route) Headers { return c.headersWith(r.Headers) }

// CSRFOf returns what proves the site itself on the route.
func (c *Config) CSRFOf(r *Route) CSRF {
	all := c.CSRF
	if r.CSRF == nil {
		return all
	}
	if r.CSRF.TrustedOrigins != nil {
		all.TrustedOrigins = r.CSRF.TrustedOrigins
	}
	all.Shadow = all.Shadow || r.CSRF.Shadow
	return all
}

// checkRouteEdge checks what the route has in place of the top level's headers and
// csrf.
func (l *loader) checkRouteEdge(field string, r *Route) {
	if r.Headers != nil {
		l.checkOwnHeaders(field+".headers", r.Headers)
	}
	if r.CSRF == nil {
		return
	}
	if r.Public {
		l.reject(field+".csrf", "has no effect on a public route, which asks for no credential", "take one of them away")
	}
	l.checkTrusted(field+".csrf.trusted_origins", r.CSRF.TrustedOrigins)
}

// checkCSRF lets package csrf judge where a token may stand, and each origin.
func (l *loader) checkCSRF() {
	c := &l.config.CSRF
	l.checkTrusted("csrf.trusted_origins", c.TrustedOrigins)
	for _, one := range []struct{ field, value, mend string }{
		{"csrf.header", c.Header, "name a field of letters, digits, - and _ that no page can set without a script, such as X-CSRF-Token"},
		{"csrf.field", c.Field, "write letters, digits, - and _ alone, such as csrf_token"},
	} {
		cfg := csrf.Config{Header: one.value}
		if one.field == "csrf.field" {
			cfg = csrf.Config{Field: one.value}
		}
		if _, err := csrf.New(cfg); err != nil && !l.failed(one.field) {
			l.reject(one.field, l.show(one.field)+" cannot hold a token", one.mend)
		}
	}
	if c.Cookie && l.config.Decision.On() && !l.failed("csrf.cookie") {
		l.reject("csrf.cookie", "cannot hold where proxies ask by decision.listen: the answer that would set it is the proxy's own", "have scripts ask for a token")
	}
}

// checkTrusted lets package csrf judge each origin alone.
func (l *loader) checkTrusted(field string, origins []string) {
	l.checkWords(field, origins)
	l.judge(field, origins, func(origin string) error {
		_, err := csrf.New(csrf.Config{TrustedOrigins: []string{origin}})
		return err
	}, "write it like https://app.example.com, as browsers send it")
}
