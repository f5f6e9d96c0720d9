package config

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/warder-dev/warder/secret"
)

// liveSettings are those that a running warder takes over from a configuration
// that it loads again. What is not listed needs a restart: a setting that is new
// here does, until somebody has made sure that it need not.
func liveSettings() map[string]bool {
	return map[string]bool{
		"tls.certificates": true, "tls.client_ca_file": true, "tls.client_auth": true,
		"hosts": true, "hosts_shadow": true, "forwarded": true, "headers": true, "cors": true, "csrf": true,
		"https.require": true, "https.on_exposed_key": true, "https.get_status": true, "https.hsts": true, "https.hsts_subdomains": true, "https.hsts_preload": true,
		"limits.target_bytes": true, "limits.body_bytes": true,
		"rate_limits": true, "default_rate_limits": true, "rate_limit_domains": true, "rate_limit_fields": true, "rate_limit_bypass": true,
		"security": true, "insecure_verbose": true, "upstream": true, "upstreams": true, "routes": true,
	}
}

// Changes tells in what other differs from c: by the names of settings as the
// file has them, those of a section such as limits each, and maps and lists as a
// whole. live are the settings that a running warder takes over, restart those
// that it cannot. Both are in the order of the fields.
func (c *Config) Changes(other *Config) (live, restart []string) {
	listed := liveSettings()
	var compare func(a, b reflect.Value, path string, whole bool)
	compare = func(a, b reflect.Value, path string, whole bool) {
		for sf := range yamlFields(a.Type()) {
			field, x, y := join(path, sf.Tag.Get("yaml")), a.FieldByIndex(sf.Index), b.FieldByIndex(sf.Index)
			switch {
			case field == "listeners": // below, each by itself
			case !isScalar(sf.Type) && sf.Type.Kind() == reflect.Struct:
				compare(x, y, field, whole || listed[field])
			case same(x, y):
			case whole || listed[field]:
				live = append(live, field)
			default:
				restart = append(restart, field)
			}
		}
	}
	compare(reflect.ValueOf(c).Elem(), reflect.ValueOf(other).Elem(), "", false)
	moreLive, moreRestart := listenerChanges(c, other)
	live, restart = append(live, moreLive...), append(restart, moreRestart...)
	if c.signs() != other.signs() { // what signs is made at the start, if anybody wants it
		restart = append(restart, "upstreams (identity: jwt)")
	}
	if c.Decision.On() && !slices.Equal(c.proxyFields(), other.proxyFields()) { // proxies are told at the start what to take away
		restart = append(restart, "forwarded (fields of the proxies' own, beside decision.listen)")
	}
	if c.TLS.Enabled() != other.TLS.Enabled() { // a listener speaks TLS for as long as it is open, or never
		restart = append(restart, "tls (whether listen speaks it)")
	}
	return live, restart
}

// signs reports whether an upstream wants signed identities.
func (c *Config) signs() bool {
	for _, u := range c.Upstreams {
		if u.Identity == IdentityJWT {
			return true
		}
	}
	return false
}

// proxyFields are the fields in which proxies say who the client is, whatever listener
// they stand before: no upstream may see what a client writes there.
func (c *Config) proxyFields() (names []string) {
	all := []*Forwarded{&c.Forwarded}
	for _, l := range c.Listeners {
		if l.Forwarded != nil {
			all = append(all, l.Forwarded)
		}
	}
	for _, f := range all {
		names = append(names, http.CanonicalHeaderKey(f.ClientCertHeader), http.CanonicalHeaderKey(f.Header))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// SameUpstream reports whether both are reached in the same way.
func SameUpstream(a, b Upstream) bool { return same(reflect.ValueOf(a), reflect.ValueOf(b)) }

// SameLimit reports whether both count the same.
func SameLimit(a, b RateLimit) bool { return same(reflect.ValueOf(a), reflect.ValueOf(b)) }

// SameDescriptorLimit reports whether both count the same.
func SameDescriptorLimit(a, b DescriptorLimit) bool {
	return same(reflect.ValueOf(a), reflect.ValueOf(b))
}

// SameBypass reports whether both let the same by.
func SameBypass(a, b RateLimitBypass) bool { return same(reflect.ValueOf(a), reflect.ValueOf(b)) }

// same reports whether two values of one type say the same. Secrets keep their
// text from reflection, so that reflect.DeepEqual takes each for another.
func same(a, b reflect.Value) bool {
	if a.Type() == reflect.TypeFor[secret.Text]() {
		x, _ := reflect.TypeAssert[secret.Text](a)
		y, _ := reflect.TypeAssert[secret.Text](b)
		return x.Equal(y)
	}
	switch a.Kind() {
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && (a.IsNil() || same(a.Elem(), b.Elem()))
	case reflect.Struct:
		for sf := range yamlFields(a.Type()) {
			if !same(a.FieldByIndex(sf.Index), b.FieldByIndex(sf.Index)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		for i := range min(a.Len(), b.Len()) {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return a.Len() == b.Len() && a.IsNil() == b.IsNil()
	case reflect.Map:
		for _, key := range a.MapKeys() {
			other := b.MapIndex(key)
			if !other.IsValid() || !same(a.MapIndex(key), other) {
				return false
			}
		}
		return a.Len() == b.Len()
	default:
		return reflect.DeepEqual(a.Interface(), b.Interface())
	}
}
