package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/securityheaders"
)

// Library returns the fields as package securityheaders has them. "off" leaves a
// field to the upstream.
func (h *Headers) Library() securityheaders.Config {
	field := func(value string) securityheaders.Field {
		if value == Off {
			return securityheaders.Field{InsecureOmit: true}
		}
		return securityheaders.Field{Value: value}
	}
	unsent := func(value string) securityheaders.Field { // of a field without a standard of the package's own
		if value == Off {
			value = ""
		}
		return securityheaders.Field{Value: value}
	}
	return securityheaders.Config{
		ContentSecurityPolicy: field(h.ContentSecurityPolicy), FrameOptions: field(h.FrameOptions), ReferrerPolicy: field(h.ReferrerPolicy),
		CrossOriginResourcePolicy: field(h.CrossOriginResourcePolicy), CrossOriginOpenerPolicy: field(h.CrossOriginOpenerPolicy),
		CrossOriginEmbedderPolicy: unsent(h.CrossOriginEmbedderPolicy), PermissionsPolicy: unsent(h.PermissionsPolicy), Remove: h.Remove,
	}
}

// checkHeaders checks the fields of all answers, which those of routes inherit.
func (l *loader) checkHeaders() {
	h := &l.config.Headers
	l.headersValid = l.checkFields("headers", h)
	if l.headersValid {
		l.headersValid = l.checkRemoved("headers", h)
	}
}

// checkFields lets package securityheaders judge each field of h, which stands at
// path, alone. It reports whether all are valid.
func (l *loader) checkFields(path string, h *Headers) bool {
	l.eachWord(path+".remove", h.Remove, validToken, "is not the name of a header field", "")
	broken := slices.ContainsFunc(h.Remove, func(name string) bool { return !validToken(name) })
	for _, one := range []struct {
		name string
		cfg  Headers
	}{
		{"content_security_policy", Headers{ContentSecurityPolicy: h.ContentSecurityPolicy}},
		{"referrer_policy", Headers{ReferrerPolicy: h.ReferrerPolicy}},
		{"permissions_policy", Headers{PermissionsPolicy: h.PermissionsPolicy}},
	} {
		field := path + "." + one.name
		_, err := securityheaders.New(one.cfg.Library())
		if err == nil || l.failed(field) {
			continue
		}
		broken = true
		reason := "no browser would understand it" // the library's own word repeats the value, which may be a secret
		if l.shows(field) {
			_, reason, _ = strings.Cut(firstLine(err.Error()), ": ")
		}
		l.reject(field, "is refused: "+reason, "")
	}
	for _, name := range []string{"frame_options", "cross_origin_resource_policy", "cross_origin_opener_policy", "cross_origin_embedder_policy"} {
		broken = broken || l.failed(path+"."+name)
	}
	return !broken
}

// checkRemoved reports whether no field of h is both set and removed. Of a route's,
// which stand at path, either may be inherited.
func (l *loader) checkRemoved(path string, h *Headers) bool {
	_, err := securityheaders.New(h.Library())
	if err == nil {
		return true
	}
	at := path + ".remove"
	if _, own := l.origins[at]; !own {
		at = path
	}
	l.reject(at, "has a field that headers sets", `set that one to "off", or do not remove it`)
	return false
}

// networks reads addresses and networks; nil when one is neither.
func networks(texts []string) (all []netip.Prefix) {
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return nil
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		all = append(all, network)
	}
	return all
}

// judgeForwarded lets package forwarded judge what the fields stand for, each alone
// so that the error has a place.
func (l *loader) judgeForwarded(field string, f *Forwarded) {
	listed := []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8)}
	if _, err := forwarded.SingleHeader(forwarded.Config{TrustedProxies: listed, Header: f.Header}); f.Header != "" && f.From == "header" && err != nil && !l.failed(field+".header") {
		l.reject(field+".header", l.show(field+".header")+" has another meaning", "name the field that holds the client's address, and nothing else")
	}
	if _, err := forwarded.XForwardedFor(forwarded.Config{TrustedProxies: listed, ClientCertHeader: f.ClientCertHeader}); err != nil && !l.failed(field+".client_cert_header") {
		l.reject(field+".client_cert_header", l.show(field+".client_cert_header")+" has another meaning", "name a field that holds nothing but the certificate")
	}
	if f.Header != "" && strings.EqualFold(f.Header, f.ClientCertHeader) {
		l.reject(field+".client_cert_header", "is the same field as forwarded.header", "")
	}
	for i := range f.TrustedProxies {
		if l.failed(fmt.Sprintf("%s.trusted_proxies[%d]", field, i)) {
			return
		}
	}
	all := networks(f.TrustedProxies)
	if len(all) == 0 {
		return
	}
	if _, err := forwarded.XForwardedFor(forwarded.Config{TrustedProxies: all, InsecureTrustAll: f.InsecureTrustAll}); err != nil {
		l.reject(field+".trusted_proxies", "hold every address of a family together", "list the proxies' own networks")
	}
}
