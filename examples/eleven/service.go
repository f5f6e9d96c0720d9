package main

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/securityheaders"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
	"github.com/warder-dev/warder/tlsconfig"
	"github.com/warder-dev/warder/trustedhost"
)

// settings are what differs from one place to another where the service runs.
type settings struct {
	origin      string          // where clients reach it, such as https://api.example.com
	names       []string        // of the hosts that it is
	port        int             // of https
	certificate tlsconfig.Files // for the names
	app         string          // origin whose pages may read answers, such as https://app.example.com
	peppers     string          // secrets under which keys are stored
	people      string          // name of the file of those who may log in
	forms       secret.Text     // key of the tokens in forms
	tokens      jwt.Issuer      // whose JWTs are believed
	database    *sql.DB
}

// A service is the API, and what it is made of.
type service struct {
	settings
	log *slog.Logger
	api *warder.API

	verifier *apikey.Verifier // of keys
	issuer   *apikey.Issuer
	header   *apikey.Header
	query    *apikey.Query
	sessions *session.Manager
	login    *password.Handler
	bearer   *jwt.Scheme

	ids          *requestid.Stage
	access       *accesslog.Stage
	headers      *securityheaders.Stage
	hosts        *trustedhost.Stage
	certificates *tlsconfig.Source
	https        *httpserver.HTTPS

	cors       *cors.Stage
	body       *bodylimit.Stage
	addresses  *ratelimit.Stage
	csrf       *csrf.Stage
	loginCSRF  *csrf.Stage
	principals *ratelimit.Stage
	few        *ratelimit.Stage
}

// newService returns the service, or everything that is wrong with the first of
// its answers that something is wrong with.
func newService(given settings, log *slog.Logger) (*service, error) {
	s := &service{settings: given, log: log}
	for _, add := range []func() error{
		s.addKeys, s.addSessions, s.addTokens, s.addHosts, s.addTLS, s.addCORS, s.addCSRF, s.addLimits, s.addLogs, s.addAPI,
	} {
		if err := add(); err != nil {
			s.close()
			return nil, fmt.Errorf("eleven: %w", err)
		}
	}
	return s, nil
}

// close ends what runs in the background.
func (s *service) close() {
	if s.verifier != nil {
		_ = s.verifier.Close() // the program ends
	}
	if s.bearer != nil {
		_ = s.bearer.Close()
	}
	if s.certificates != nil {
		s.certificates.Close()
	}
}

// policy is what every operation meets beside its requirement.
func (s *service) policy() *warder.Policy {
	return &warder.Policy{CORS: s.cors, BodyLimit: s.body, AddressLimit: s.addresses, CSRF: s.csrf, PrincipalLimit: s.principals}
}

// addAPI joins the answers. An operation asks for a key in the header unless it
// says something else, and what it says is both enforced and documented.
func (s *service) addAPI() error {
	api, err := warder.NewAPI(warder.APIConfig{
		Title: "Eleven answers", Version: "1.0.0", Servers: []openapi.Server{{URL: s.origin}},
		Edge: warder.Edge{
			RequestID: s.ids, AccessLog: s.access, Recover: httpserver.NewRecover(s.log), SecurityHeaders: s.headers, TrustedHost: s.hosts, HTTPS: s.https,
		},
		Policy:      s.policy(),
		Requirement: authn.Require(s.header),
	})
	if err != nil {
		return err
	}
	s.api = api
	person := s.sessions.Scheme()
	strict, few := s.policy(), s.policy()
	strict.CSRF, few.PrincipalLimit = s.loginCSRF, s.few
	return errors.Join(
		api.HandleFunc("GET /data", warder.Operation{ID: "data", Summary: "Asks for a key in the header"}, data),
		api.HandleFunc("GET /export", warder.Operation{
			ID: "export", Summary: "A download, whose link holds the key", Requirement: authn.Require(s.query, "export:read"),
		}, export),
		api.Handle("POST /login", warder.Operation{
			ID: "login", Summary: "Begins a session", Public: true, Policy: strict, RequestBody: form("username", "password"),
			Responses: openapi.Responses{
				"303": {Description: "The session has begun; its cookie is set."},
				"401": {Description: "The name or the password is wrong."},
				"429": {Description: "Too many have been wrong."},
			},
		}, s.login),
		api.HandleFunc("GET /profile", warder.Operation{ID: "profile", Summary: "Who is logged in", Requirement: authn.Require(person)}, s.profile),
		api.Handle("POST /logout", warder.Operation{
			ID: "logout", Summary: "Ends the session", Requirement: authn.Require(person),
			Responses: openapi.Responses{"303": {Description: "The session has ended."}},
		}, s.sessions.LogoutHandler("/openapi.json")),
		api.HandleFunc("POST /orders", warder.Operation{
			ID: "order", Summary: "A write with a cookie", RequestBody: form("item"), Requirement: authn.Require(person, "orders:write"),
			Responses: openapi.Responses{"201": {Description: "The order was taken."}, "400": {Description: "The form cannot be read."}},
		}, order),
		api.HandleFunc("GET /items", warder.Operation{ID: "items", Summary: "Five requests an hour", Policy: few}, items),
		api.HandleFunc("GET /reports", warder.Operation{
			ID: "reports", Summary: "Asks for a key or for a token", Requirement: s.keyOrToken("reports:read"),
		}, reports),
		api.HandleFunc("GET /users", warder.Operation{
			ID: "users", Summary: "Users whose name has a part", Requirement: authn.Require(s.header, "users:read"),
			Parameters: []openapi.Parameter{{Name: "name", In: openapi.InQuery, Required: true, Schema: &openapi.Schema{Type: "string"}}},
			Responses:  openapi.Responses{"400": {Description: "The name is missing, too long, or no text."}},
		}, s.users),
		api.HandleFunc("GET /openapi.json", warder.Operation{ID: "openapi", Summary: "This document", Public: true}, api.ServeDocument),
	)
}

// form describes a form whose fields are all required.
func form(fields ...string) *openapi.RequestBody {
	schema := &openapi.Schema{Type: "object", Properties: map[string]openapi.Schema{}, Required: fields}
	for _, name := range fields {
		schema.Properties[name] = openapi.Schema{Type: "string"}
	}
	return &openapi.RequestBody{Required: true, Content: map[string]openapi.MediaType{"application/x-www-form-urlencoded": {Schema: schema}}}
}

// answer writes a text, which no browser takes for a page: see addLogs.
func answer(w http.ResponseWriter, format string, args ...any) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, format+"\n", args...) //nolint:gosec // plain text with nosniff; the client may be gone
}
