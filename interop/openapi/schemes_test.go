package openapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/introspection"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/mtls"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
)

// nobody is a file of people without anybody in it.
type nobody struct{}

func (nobody) Lookup(context.Context, string) (password.User, error) {
	return password.User{}, password.ErrNoUser
}

// everyScheme makes one of each scheme that warder has, as services make them.
func everyScheme(t *testing.T) map[string]authn.Scheme {
	t.Helper()
	all := make(map[string]authn.Scheme)
	var errs []error
	add := func(s authn.Scheme, err error) {
		if errs = append(errs, err); err == nil {
			all[s.Name()] = s
		}
	}
	line, err := apikey.NewPepper(nil)
	errs = append(errs, err)
	peppers, err := apikey.ParsePeppers(line)
	errs = append(errs, err)
	log := slog.New(slog.DiscardHandler)
	keys, err := apikey.NewVerifier(apikey.VerifierConfig{Store: new(apikey.MemoryStore), Peppers: peppers, Log: log})
	errs = append(errs, err)
	store, err := session.NewMemoryStore(0)
	errs = append(errs, err)
	sessions, err := session.New(session.Config{Store: store, Log: log})
	errs = append(errs, err)
	people, err := password.New(password.Config{Users: nobody{}, Log: log})
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })

	header, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: keys})
	add(header, err)
	query, err := apikey.NewQuery(apikey.QueryConfig{Verifier: keys})
	add(query, err)
	cookie, err := apikey.NewCookie(apikey.CookieConfig{Verifier: keys})
	add(cookie, err)
	bearer, err := apikey.NewBearer(apikey.BearerConfig{Verifier: keys})
	add(bearer, err)
	basic, err := apikey.NewBasic(apikey.BasicConfig{Verifier: keys})
	add(basic, err)
	add(sessions.Scheme(), nil)
	names, err := password.NewBasic(password.BasicConfig{Checker: people, Scheme: "people"})
	add(names, err)
	certificate, err := mtls.New(mtls.Config{SubjectFrom: mtls.CommonName})
	add(certificate, err)

	const provider = "https://id.example"
	flows := &openapi.OAuthFlows{
		AuthorizationCode: &openapi.OAuthFlow{AuthorizationURL: provider + "/authorize", TokenURL: provider + "/token", Scopes: map[string]string{"orders:read": "see orders"}},
	}
	signer, err := jwt.NewSigner(jwt.SignerConfig{Issuer: provider})
	if err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []jwt.Config{{Name: "token"}, {Name: "login", Flows: flows}, {Name: "discovery", DescribeOpenIDConnect: true}} {
		issuer := jwt.Issuer{Issuer: provider, Audience: []string{"https://api.example"}, KeySet: signer.KeySet()}
		if cfg.DescribeOpenIDConnect {
			issuer = jwt.Issuer{Issuer: "https://127.0.0.1:9", Audience: issuer.Audience, Discovery: true} // where nobody answers
		}
		cfg.Issuers = []jwt.Issuer{issuer}
		s, err := jwt.New(cfg)
		add(s, err)
		if err == nil {
			t.Cleanup(func() { s.Close() })
		}
	}
	for _, cfg := range []introspection.Config{{Name: "opaque"}, {Name: "opaqueLogin", Flows: flows}} {
		cfg.URL, cfg.ClientID, cfg.ClientSecret, cfg.Issuer, cfg.Audience = provider+"/introspect", "api", secret.New("s"), provider, []string{"https://api.example"}
		s, err := introspection.New(cfg)
		add(s, err)
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return all
}

// everything is a document whose operations are guarded by each of the schemes
// alone, by any of some, and by two together.
func everything(t *testing.T) []byte {
	t.Helper()
	schemes := everyScheme(t)
	names := make([]string, 0, len(schemes))
	for name := range schemes {
		names = append(names, name)
	}
	slices.Sort(names)
	api, err := warder.NewAPI(warder.APIConfig{
		Title: "Every scheme", Version: "1.0.0", Servers: []openapi.Server{{URL: "https://api.example.org"}}, Requirement: authn.Require(schemes["apiKey"]),
	})
	if err != nil {
		t.Fatal(err)
	}
	answer := func(http.ResponseWriter, *http.Request) {}
	add := func(path string, r authn.Requirement) {
		if err := api.HandleFunc("GET /"+path, warder.Operation{ID: path, Summary: path, Requirement: r}, answer); err != nil {
			t.Fatal(err)
		}
	}
	var anyOf authn.Requirement
	for _, name := range names {
		add("by-"+name, authn.Require(schemes[name], "orders:read"))
		anyOf = append(anyOf, authn.Require(schemes[name], "orders:read")...)
	}
	add("by-any", anyOf)
	add("by-two", authn.Requirement{{{Scheme: schemes["apiKey"]}, {Scheme: schemes["mutualTLS"]}}, {{Scheme: schemes["login"], Scopes: []string{"orders:read"}}}})
	add("by-any-or-none", append(authn.Require(schemes["token"]), authn.Alternative{}))
	if err := api.HandleFunc("GET /openapi.json", warder.Operation{ID: "openapi", Summary: "This document", Public: true}, api.ServeDocument); err != nil {
		t.Fatal(err)
	}
	return serve(t, api.Handler())
}

// TestEverySchemeIsDescribed reads from the document what each scheme says of
// itself, and that each of OpenAPI's types is among them.
func TestEverySchemeIsDescribed(t *testing.T) {
	var doc struct {
		Components struct {
			SecuritySchemes map[string]struct{ Type, In, Scheme string }
		}
		Paths map[string]map[string]struct {
			Security  []map[string][]string
			Responses map[string]any
		}
	}
	if err := json.Unmarshal(everything(t), &doc); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for name := range everyScheme(t) {
		s, ok := doc.Components.SecuritySchemes[name]
		if !ok {
			t.Errorf("%s is not in the document", name)
			continue
		}
		seen[s.Type+" "+s.In+s.Scheme] = true
		operation := doc.Paths["/by-"+name]["get"]
		if len(operation.Security) != 1 || operation.Security[0][name] == nil || operation.Responses["401"] == nil || operation.Responses["403"] == nil {
			t.Errorf("%s: its operation says %v, and answers %v", name, operation.Security, operation.Responses)
		}
	}
	for _, want := range []string{"apiKey header", "apiKey query", "apiKey cookie", "http bearer", "http basic", "mutualTLS ", "oauth2 ", "openIdConnect "} {
		if !seen[want] {
			t.Errorf("no scheme is of type %q: %v", want, seen)
		}
	}
}
