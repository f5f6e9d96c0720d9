package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

func TestWhatNothingUses(t *testing.T) {
	const limits = "rate_limits: {few: {count: 1, per: 1m, by: [key]}, many: {count: 9, per: 1m, by: [key]}}\n"
	const orphan = "warder.yaml:2: rate_limits.many: no route uses it, so that it holds nowhere; name it in default_rate_limits or in rate_limits of a route"
	const login = ": people can log in, and no route takes their session; add a scheme such as login: {session: {}}, and name it in security"
	for _, tt := range []struct {
		name, file string
		want       []string
	}{
		{"a limit for all, and one for nobody", shorthand + limits + "default_rate_limits: [few]\n", []string{orphan}},
		{"a limit of a route, and one for nobody", "upstreams: {a: {url: 'http://h'}}\n" + limits + "routes: [{match: /, upstream: a, rate_limits: [off, few]}]\n", []string{orphan}},
		{"a scheme for nobody is there to be asked for", shorthand + "schemes: {k: {key: {in: query}}}\n", nil},
		{"the policy for all", "cors: {default: {origins: ['https://a.example']}}\n" + shorthand, nil},
		{"a policy for nobody", "cors: {default: {origins: ['https://a.example']}, app: {origins: ['https://b.example']}, web: {origins: ['https://c.example']}}\nupstreams: {a: {url: 'http://h'}}\nroutes: [{match: /, upstream: a, cors: app}]\n", []string{
			"warder.yaml:1: cors.web: no route names it, so that it holds nowhere; name it as cors of a route, or call it default",
		}},
		{"an upstream for nobody", "upstreams:\n  a: {url: 'http://h'}\n  b: {url: 'http://h'}\nroutes: [{match: /, upstream: a}]\n", []string{
			"warder.yaml:3: upstreams.b: no route uses it; name it as upstream of a route, or take it away",
		}},
		{"a login for nothing", shorthand + "users: {file: warder.yaml}\nsession: {password: true, oidc: {issuer: 'https://h', client_id: a, redirect_url: 'https://h/auth/callback', grants: [{}]}}\n", []string{
			"warder.yaml:3: session.password" + login, "warder.yaml:3: session.oidc" + login,
		}},
		{"a login for a scheme", shorthand + "users: {file: warder.yaml}\nschemes: {login: {session: {}}}\nsession: {password: true}\n", nil},
	} {
		if got := weak(t, tt.file); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n%s\nwant:\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

func TestFilesThatAreNotThere(t *testing.T) {
	const file = shorthand + `tls: {certificates: [{cert_file: none.pem, key_file: warder.yaml}], client_ca_file: ca.pem}
users: {file: '${PEOPLE}'}
upstreams: {a: {url: 'https://h', ca_file: own.pem}}
schemes:
  t: {jwt: {issuers: [{issuer: 'https://h', audience: [a], jwks_file: keys.json}]}}
routes: [{match: /, upstream: a}]
db: none.db
peppers: {file: none.peppers}
log: {file: none.log}
`
	got := []string{}
	c, err := load(t, strings.TrimPrefix(file, shorthand), config.Source{Environ: []string{"PEOPLE=./hunter2"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range c.Findings() {
		if strings.Contains(f.Costs, "not there") {
			got = append(got, f.String())
		}
	}
	const costs = ": the file is not there, and warder serve will not start without it"
	const mend = "; put the file there, or mend its name"
	want := []string{
		"warder.yaml:1: tls.certificates[0].cert_file" + costs + mend,
		"warder.yaml:1: tls.client_ca_file" + costs + mend,
		"warder.yaml:5: schemes.t.jwt.issuers[0].jwks_file" + costs + mend,
		"warder.yaml:2: users.file" + costs,
		"warder.yaml:3: upstreams.a.ca_file" + costs + mend,
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, f := range c.Files() {
		if f.Field == "users.file" && f.Mend != "make it: warder users add NAME --users-file ./hunter2" {
			t.Errorf("users.file is mended by %q", f.Mend)
		}
	}
}
