package imports_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/warder-dev/warder"

// A row says what a package's own code may import beside the standard library.
type row struct {
	module []string // packages of this module, relative to its root
	third  []string // import paths, and what is below them
}

// vocabulary is what every package may use.
func vocabulary(more ...string) []string {
	return append([]string{"credential", "exchange", "problem", "secret"}, more...)
}

// DO NOT CHANGE THIS TABLE TO MAKE A BUILD PASS: it is the architecture. A
// package that is missing here may not exist; a missing import is forbidden.
func table() map[string]row {
	everything := []string{
		"",
		"accesslog",
		"account",
		"account/login",
		"apikey",
		"apikey/keytoken",
		"audit",
		"authn",
		"authz",
		"authz/celcond",
		"bodylimit",
		"bruteforce",
		"client",
		"contract",
		"cors",
		"credential",
		"csrf",
		"exchange",
		"forwarded",
		"http3",
		"httpserver",
		"internal/adminui",
		"internal/config",
		"internal/decision",
		"internal/decision/extauthz",
		"internal/decision/ratelimits",
		"internal/dnscommand",
		"internal/fleet",
		"internal/gateway",
		"internal/housekeeping",
		"internal/idempotency",
		"internal/jsonwalk",
		"internal/keyimport",
		"internal/keyservice",
		"internal/outgoing",
		"internal/policytest",
		"internal/portal",
		"internal/portallink",
		"internal/server",
		"internal/systemd",
		"internal/tracing",
		"introspection",
		"jwt",
		"leak",
		"mtls",
		"openapi",
		"postgres",
		"problem",
		"proxyproto",
		"ratelimit",
		"redact",
		"redis",
		"requestid",
		"secret",
		"securityheaders",
		"session",
		"session/oidc",
		"session/password",
		"session/password/known",
		"sqlite",
		"target",
		"ticket",
		"tlsconfig",
		"tlsconfig/acme",
		"trustedhost",
		"upstream",
		"usage",
		"usage/tally",
		"webhook",
	}
	x := []string{"golang.org/x"}
	asking := []string{"authn", "openapi", "internal/bearer", "internal/outgoing"} // rooms that ask a provider
	return map[string]row{
		// vocabulary
		"secret":     {},
		"openapi":    {},
		"credential": {},
		"problem":    {module: []string{"secret"}},
		"exchange":   {module: []string{"problem", "secret"}},

		// how paths are written and compared, which rooms on every floor must do alike: ADR 23
		"internal/hexadecimal": {},
		"internal/pathpattern": {module: []string{"internal/hexadecimal"}},

		// edge: never a sibling
		"bodylimit":   {module: vocabulary(), third: x},
		"forwarded":   {module: vocabulary(), third: x},
		"httpserver":  {module: vocabulary(), third: x},
		"proxyproto":  {module: vocabulary(), third: x},
		"requestid":   {module: vocabulary(), third: x},
		"target":      {module: vocabulary("internal/hexadecimal"), third: x},
		"tlsconfig":   {module: vocabulary(), third: x},
		"trustedhost": {module: vocabulary(), third: x},
		// each with its one library
		"tlsconfig/acme": {module: vocabulary("internal/outgoing", "tlsconfig"), third: append([]string{"github.com/caddyserver/certmagic", "github.com/mholt/acmez/v3", "github.com/miekg/dns", "go.uber.org/zap"}, x...)},
		"http3":          {module: vocabulary("httpserver"), third: append([]string{"github.com/quic-go/quic-go"}, x...)},

		// protection: never a sibling either
		"bruteforce":      {module: vocabulary(), third: x},
		"cors":            {module: vocabulary(), third: x},
		"csrf":            {module: vocabulary(), third: x},
		"securityheaders": {module: vocabulary(), third: x},
		"ratelimit":       {module: vocabulary(), third: x},

		// identity: never each other, but for authn and how openapi describes them
		"authn":         {module: vocabulary("openapi")},
		"account":       {module: vocabulary("authn", "openapi")},
		"apikey":        {module: vocabulary("authn", "internal/pathpattern", "openapi")},
		"authz":         {module: vocabulary("authn", "internal/pathpattern")},
		"contract":      {module: vocabulary("authn", "internal/pathpattern", "openapi"), third: []string{"go.yaml.in/yaml/v3"}}, // documents of others, and their one library
		"introspection": {module: vocabulary(asking...), third: x},
		"jwt":           {module: vocabulary(asking...), third: []string{"github.com/golang-jwt/jwt/v5", "github.com/MicahParks/jwkset", "github.com/MicahParks/keyfunc/v3", "golang.org/x"}},
		"leak":          {module: vocabulary("apikey", "authn", "internal/outgoing", "redact")}, // finds and proves keys: ADR 0024
		"mtls":          {module: vocabulary("authn", "openapi")},
		"session":       {module: vocabulary("authn", "internal/hexadecimal", "openapi")},
		// what rooms that ask a provider share: how a token is read, and how one asks
		"internal/bearer":   {module: vocabulary("authn")},
		"internal/outgoing": {},

		// their sub-packages, each with its one library
		"authz/celcond":          {module: vocabulary("authz"), third: []string{"cel.dev/cel-go", "google.golang.org/protobuf", "google.golang.org/genproto"}},
		"session/password/known": {module: []string{"secret"}},
		"session/password":       {module: vocabulary("authn", "openapi", "session"), third: x},
		"session/oidc":           {module: vocabulary("authn", "internal/outgoing", "openapi", "session"), third: append([]string{"github.com/coreos/go-oidc/v3"}, x...)},
		// the two places where rooms of identity meet: see ADR 25, for keys whose tokens are signed ADR 33, and for bodies ADR 45
		"account/login":   {module: vocabulary("account", "apikey", "authn", "internal/jsonwalk", "openapi", "session", "session/password")},
		"apikey/keytoken": {module: vocabulary("apikey", "authn", "internal/bearer", "jwt")},
		// a conformance suite knows the concept that it tests
		"account/accounttest":     {module: vocabulary("account")},
		"apikey/apikeytest":       {module: vocabulary("apikey")},
		"openapi/openapitest":     {module: vocabulary("", "openapi")},
		"session/sessiontest":     {module: vocabulary("session")},
		"ratelimit/ratelimittest": {module: vocabulary("ratelimit")},
		"usage/usagetest":         {module: vocabulary("usage")},
		"audit/audittest":         {module: vocabulary("audit")},

		"internal/idempotency/idempotencytest": {module: []string{"internal/idempotency"}},
		"webhook/webhooktest":                  {module: vocabulary("webhook")},

		// after the decision
		"redact":    {module: vocabulary("internal/hexadecimal"), third: x},
		"accesslog": {module: vocabulary("redact"), third: x},
		"upstream":  {module: vocabulary(), third: x},
		"ticket":    {module: vocabulary()},
		"usage":     {module: vocabulary(), third: x},
		// what a room of the decision counts, apart from what it takes
		"usage/tally":           {module: vocabulary()},
		"usage/tally/tallytest": {module: vocabulary("usage/tally")},
		"audit":                 {module: vocabulary("internal/jsonwalk", "redact")},
		"webhook":               {module: vocabulary("internal/outgoing")},

		// the stage packages, to name them in Edge and Policy
		"": {module: vocabulary(
			"accesslog", "authn", "authz", "bodylimit", "bruteforce", "cors", "csrf", "forwarded", "httpserver", "internal/pathpattern", "openapi", "ratelimit", "requestid",
			"securityheaders", "target", "trustedhost", "usage",
		)},

		// adapters: the interfaces that they implement, and their own driver
		"sqlite": {
			module: vocabulary("account", "apikey", "audit", "internal/fleet", "internal/idempotency", "internal/portallink", "session", "usage", "usage/tally", "webhook"),
			third:  []string{"github.com/pressly/goose/v3", "golang.org/x", "modernc.org/sqlite"},
		},
		"postgres": {
			module: vocabulary("account", "apikey", "audit", "internal/fleet", "internal/idempotency", "internal/portallink", "internal/postgresurl", "session", "usage", "usage/tally", "webhook"),
			third:  []string{"github.com/jackc/pgx/v5", "github.com/pressly/goose/v3"},
		},
		"redis": {module: vocabulary("ratelimit", "session"), third: []string{"github.com/redis/rueidis"}},

		"humaapi": {module: vocabulary("", "authn", "openapi"), third: []string{"github.com/danielgtaylor/huma/v2"}},

		// program
		"internal/fleet":        {module: vocabulary("apikey")},
		"internal/policytest":   {module: vocabulary("apikey", "internal/config", "internal/server"), third: []string{"github.com/goccy/go-yaml"}},
		"internal/housekeeping": {module: vocabulary("apikey", "usage/tally", "webhook")},
		"internal/postgresurl":  {},
		"internal/tracing":      {module: vocabulary("accesslog", "internal/outgoing"), third: []string{"google.golang.org/protobuf/encoding/protowire"}},
		"internal/systemd":      {third: x},
		"internal/jsonwalk":     {},
		"internal/keyimport":    {module: vocabulary("apikey"), third: []string{"github.com/goccy/go-yaml"}},
		"internal/config": {
			module: vocabulary(
				"accesslog", "apikey", "authn", "bodylimit", "cors", "csrf", "forwarded", "httpserver", "internal/outgoing", "internal/pathpattern", "internal/postgresurl", "openapi",
				"requestid", "securityheaders", "target", "ticket", "trustedhost", "upstream", "webhook",
			),
			third: []string{"github.com/goccy/go-yaml", "github.com/invopop/jsonschema", "github.com/pb33f/ordered-map/v2"},
		},
		"internal/gateway": {module: vocabulary(
			"", "accesslog", "apikey", "authn", "authz", "authz/celcond", "bodylimit", "bruteforce", "contract", "cors", "csrf", "forwarded", "httpserver", "internal/config",
			"internal/outgoing", "introspection", "jwt", "leak", "mtls", "ratelimit", "redact", "requestid", "securityheaders", "session", "session/oidc",
			"session/password", "target", "trustedhost", "upstream", "usage",
		)},
		"internal/idempotency": {},
		// what lets holders into the portal, kept by stores: ADR 46
		"internal/portallink":                {module: vocabulary("audit")},
		"internal/portallink/portallinktest": {module: []string{"audit", "internal/portallink"}},
		"internal/portal": {
			module: vocabulary("", "apikey", "audit", "bodylimit", "csrf", "internal/fleet", "internal/idempotency", "internal/portallink", "ratelimit", "securityheaders", "usage/tally"),
			third:  []string{"maragu.dev/gomponents"},
		},
		"internal/keyservice": {
			module: vocabulary(
				"accesslog", "account", "account/login", "apikey", "audit", "authn", "bodylimit", "bruteforce", "humaapi", "internal/bearer", "internal/config", "internal/fleet", "internal/idempotency", "internal/jsonwalk", "internal/keyimport", "internal/portallink",
				"openapi", "ratelimit", "target", "usage", "usage/tally",
			),
			third: []string{"github.com/danielgtaylor/huma/v2"},
		},
		// a client of the admin API, within the process
		"internal/adminui": {
			module: vocabulary("", "account", "apikey", "bodylimit", "client", "csrf", "securityheaders", "session", "usage/tally"),
			third:  []string{"maragu.dev/gomponents", "rsc.io/qr"}, // the code of an authenticator's secret: ADR 49
		},
		"internal/decision": {module: vocabulary("", "ticket", "upstream")},
		"internal/decision/extauthz": {
			module: vocabulary("", "internal/decision", "upstream"),
			third: []string{
				"github.com/envoyproxy/go-control-plane/envoy", "golang.org/x", "google.golang.org/genproto/googleapis/rpc", "google.golang.org/grpc",
				"google.golang.org/protobuf",
			},
		},
		"internal/decision/ratelimits": {
			module: vocabulary("ratelimit"),
			third:  []string{"github.com/envoyproxy/go-control-plane/envoy", "google.golang.org/grpc", "google.golang.org/protobuf"},
		},
		"internal/dnscommand": {},
		"internal/server": {
			module: slices.DeleteFunc(slices.Clone(everything), func(p string) bool { // no driver, and nothing of the process
				return slices.Contains([]string{"client", "sqlite", "postgres", "redis", "internal/policytest", "internal/server", "internal/systemd"}, p)
			}),
			third: []string{"github.com/prometheus/client_golang", "golang.org/x"},
		},
		"cmd/warder": {
			module: everything,
			third:  []string{"github.com/goccy/go-yaml", "github.com/santhosh-tekuri/jsonschema/v6", "github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x"},
		},

		// as a user writes it: nothing internal
		"examples/library": {module: vocabulary("", "accesslog", "apikey", "authn", "bodylimit", "forwarded", "httpserver", "requestid", "target")},
		"examples/eleven": {
			module: vocabulary(
				"", "accesslog", "apikey", "authn", "bodylimit", "cors", "csrf", "httpserver", "jwt", "openapi", "ratelimit", "requestid",
				"securityheaders", "session", "session/password", "tlsconfig", "trustedhost",
			),
			third: []string{"golang.org/x/sync", "modernc.org/sqlite"},
		},

		// what asks the admin API, and what writes that
		"client":             {module: []string{"secret"}},
		"internal/clientgen": {},

		// what only tests and tools use
		"docs":                   {},
		"internal/attack":        {},
		"internal/attack/report": {module: []string{"internal/attack"}},
		"internal/golden":        {},
		"internal/hostile":       {},
		"internal/imports":       {},
		"internal/testcert":      {},
		"internal/testpostgres":  {third: []string{"github.com/jackc/pgx/v5"}},
		"internal/testredis":     {},
		"internal/testotlp":      {third: []string{"google.golang.org/protobuf/encoding/protowire"}},
		"internal/testscan":      {},
		"internal/wire":          {third: x},
	}
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

// list runs the go command; the tests' own working folder is in the module.
func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports,Standard"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.String())
	}
	var all []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// relative returns path without the module's; ok is false outside of it.
func relative(path string) (rel string, ok bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// third reports whether path is neither of the standard library nor of the
// module: only such paths begin with a domain.
func third(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}

// forbidden returns which of imports r does not allow.
func forbidden(r row, imports []string) []string {
	var bad []string
	for _, path := range imports {
		rel, ours := relative(path)
		switch {
		case ours && !slices.Contains(r.module, rel):
			bad = append(bad, path)
		case !ours && third(path) && !slices.ContainsFunc(r.third, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") }):
			bad = append(bad, path)
		}
	}
	return bad
}

// noteTheTree makes the go command run a test again when a file of the module
// changed: what another process reads, it does not see.
func noteTheTree(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && (e.Name() == ".git" || e.Name() == "dist") {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhoImportsWhom(t *testing.T) {
	noteTheTree(t)
	rows := table()
	for _, p := range list(t, module+"/...") {
		rel, ok := relative(p.ImportPath)
		if !ok {
			t.Fatalf("%s is not of the module", p.ImportPath)
		}
		r, ok := rows[rel]
		if !ok {
			t.Errorf("package %q has no row in the table", rel)
			continue
		}
		for _, path := range forbidden(r, p.Imports) {
			t.Errorf("package %q imports %s", rel, path)
		}
	}
}

func TestForbidden(t *testing.T) {
	r := row{module: []string{"exchange", ""}, third: []string{"golang.org/x", "a.example/b"}}
	imports := []string{
		"net/http", module, module + "/exchange", module + "/exchange/sub", module + "/apikey",
		"golang.org/x/net/http2", "a.example/b", "a.example/bc", "github.com/x/y",
	}
	want := []string{module + "/exchange/sub", module + "/apikey", "a.example/bc", "github.com/x/y"}
	if got := forbidden(r, imports); !slices.Equal(got, want) {
		t.Errorf("forbidden = %v, want %v", got, want)
	}
}

// TestTheTableKeepsItsOwnRules holds the table against the sentences that it
// stands for, so that a new row cannot loosen them unseen.
func TestTheTableKeepsItsOwnRules(t *testing.T) {
	rows := table()
	identity := []string{"account", "apikey", "mtls", "session"}
	asking := []string{"introspection", "jwt"}
	edge := []string{
		"bodylimit", "bruteforce", "cors", "csrf", "forwarded", "httpserver", "proxyproto", "ratelimit", "redact", "requestid", "securityheaders", "target",
		"tlsconfig", "trustedhost", "upstream", "usage",
	}
	for name, r := range rows {
		// How a path is written may be known on every floor: these import nothing (ADR 23).
		r.module = slices.DeleteFunc(slices.Clone(r.module), func(path string) bool { return path == "internal/hexadecimal" || path == "internal/pathpattern" })
		if slices.Contains(r.module, name) {
			t.Errorf("row %q allows itself", name)
		}
		if slices.Contains(edge, name) && !slices.Equal(r.module, vocabulary()) {
			t.Errorf("row %q allows more than the vocabulary: %v", name, r.module)
		}
		if slices.Contains(identity, name) && !slices.Equal(r.module, vocabulary("authn", "openapi")) {
			t.Errorf("row %q allows more than the vocabulary and authn: %v", name, r.module)
		}
		if slices.Contains(asking, name) && !slices.Equal(r.module, vocabulary("authn", "openapi", "internal/bearer", "internal/outgoing")) {
			t.Errorf("row %q allows more than identity and how to ask a provider: %v", name, r.module)
		}
		for _, driver := range []string{"sqlite", "redis"} {
			if slices.Contains(r.module, driver) && name != "cmd/warder" {
				t.Errorf("row %q allows a driver", name)
			}
		}
	}
}

// TestLibraryUsersPayForNothingElse: whoever imports the library compiles no
// database, no YAML, no metrics and no command line.
func TestLibraryUsersPayForNothingElse(t *testing.T) {
	for _, name := range []string{"", "/apikey", "/authn", "/exchange"} {
		t.Run(module+name, func(t *testing.T) {
			noteTheTree(t)
			deps := list(t, "-deps", module+name)
			if len(deps) < 10 {
				t.Fatalf("go list -deps told of %d packages", len(deps))
			}
			for _, p := range deps {
				_, ours := relative(p.ImportPath)
				lower := strings.ToLower(p.ImportPath)
				for _, word := range []string{"database/sql", "sqlite", "redis", "yaml", "prometheus", "cobra"} {
					if strings.Contains(lower, word) {
						t.Errorf("%s brings %s", module+name, p.ImportPath)
					}
				}
				if !p.Standard && !ours && !strings.HasPrefix(p.ImportPath, "golang.org/x/") {
					t.Errorf("%s brings %s", module+name, p.ImportPath)
				}
			}
		})
	}
}
