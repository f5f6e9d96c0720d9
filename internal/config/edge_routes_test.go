package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warder-dev/warder/internal/config"
)

// What a route does not give is the top level's, also after Print; an empty list
// is one.
func TestRoutesInheritHeadersAndCSRF(t *testing.T) {
	const file = "headers: {content_security_policy: 'a', frame_options: SAMEORIGIN, remove: [Server]}\ncsrf: {trusted_origins: ['https://a.example'], lifetime: 1h}\n" + reports + `
  - {match: /all, upstream: a}
  - {match: /empty, upstream: a, headers: {}, csrf: {}}
  - {match: /none, upstream: a, headers: {content_security_policy: 'off', frame_options: 'off', remove: []}, csrf: {trusted_origins: [], shadow: true}}
  - {match: /own, upstream: a, headers: {content_security_policy: b, permissions_policy: 'camera=()', referrer_policy: origin, cross_origin_resource_policy: same-site, cross_origin_opener_policy: unsafe-none, cross_origin_embedder_policy: require-corp, remove: [Via]}, csrf: {trusted_origins: ['https://b.example']}}
`
	first, err := load(t, file, config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := load(t, printed(t, first), config.Source{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, printed(t, first))
	}
	all, trust := first.Headers, first.CSRF
	none, distrust := all, trust
	none.ContentSecurityPolicy, none.FrameOptions, none.Remove = config.Off, config.Off, []string{}
	distrust.TrustedOrigins, distrust.Shadow = []string{}, true
	own, other := all, trust
	own.ContentSecurityPolicy, own.PermissionsPolicy, own.ReferrerPolicy, own.CrossOriginResourcePolicy, own.Remove = "b", "camera=()", "origin", "same-site", []string{"Via"}
	own.CrossOriginOpenerPolicy, own.CrossOriginEmbedderPolicy = "unsafe-none", "require-corp"
	other.TrustedOrigins = []string{"https://b.example"}
	for _, cfg := range []*config.Config{first, again} {
		for i, want := range []struct {
			headers config.Headers
			csrf    config.CSRF
		}{{all, trust}, {all, trust}, {none, distrust}, {own, other}} {
			r := &cfg.Routes[i]
			if diff := cmp.Diff(want.headers, cfg.HeadersOf(r)); diff != "" {
				t.Errorf("headers of %s (-want +got):\n%s", r.Match, diff)
			}
			got := cfg.CSRFOf(r)
			if diff := cmp.Diff(want.csrf.TrustedOrigins, got.TrustedOrigins); diff != "" || got.Shadow != want.csrf.Shadow || got.Lifetime != trust.Lifetime {
				t.Errorf("csrf of %s: %+v, want %+v", r.Match, got, want.csrf)
			}
		}
	}
}
