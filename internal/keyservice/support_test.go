package keyservice_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/keytoken"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/usage"
)

const adminToken = "ADMINTOKENADMINTOKENADMINTOKEN"

// A world is a service and all around it.
type world struct {
	store    *apikey.MemoryStore
	owners   *apikey.MemoryOwners
	issuer   *apikey.Issuer
	verifier *apikey.Verifier
	tokens   *apikey.TokenIssuer
	credits  *usage.MemoryStore
	ledger   *usage.Ledger
	attempts *idempotency.Memory
	people   *people
	admins   *account.Manager
	accounts *account.MemoryStore
	machines *login.Keys
	service  *keyservice.Service
	handler  http.Handler
	fault    func() error // of the registry of nodes
	passes   portallink.Memory
}

// people is a scheme of tokens such as "person:admin" and "person:developer:acme".
type people struct{}

func (*people) Name() string            { return "person" }
func (*people) Challenge(string) string { return "Person" }

func (*people) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme("person", openapi.SecurityScheme{Type: openapi.TypeAPIKey, In: openapi.InHeader, Name: "X-Person"})
}

func (*people) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	who := x.Request.Header.Get("X-Person")
	if who == "" {
		return exchange.Principal{}, authn.ErrNoCredential
	}
	role, owner, _ := strings.Cut(who, ":")
	if role == "expired" {
		return exchange.Principal{}, authn.Wrong("expired")
	}
	if owner == "" && account.Role(role).Valid() {
		return exchange.Principal{
			Issuer: account.Issuer, Subject: personID(role), Scheme: "person", Ambient: x.Request.Header.Get("X-Ambient") != "", Scopes: account.Role(role).Scopes(),
			Claims: map[string]any{
				account.ClaimRole: role, account.ClaimFactor: true, account.ClaimAt: time.Now().Add(-age(x.Request.Header.Get("X-Age"))).Unix(),
			},
		}, nil
	}
	return exchange.Principal{
		Issuer: "test", Subject: who, Owner: owner, Scheme: "person", Ambient: x.Request.Header.Get("X-Ambient") != "",
		Scopes: keyservice.Scopes(keyservice.Role(role), owner != "" && x.Request.Header.Get("X-Unbound") == ""), Claims: map[string]any{"role": role},
	}, nil
}

// personID is the id of the person of a role, whom no store has.
func personID(role string) string {
	return (role + strings.Repeat("a", 16))[:16]
}

// age is how long ago somebody logged in.
func age(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

// nodes is a registry in which one node applies everything at once.
type nodes struct{ w *world }

func (nodes) Announce(context.Context, fleet.Node) error { return nil }
func (nodes) Leave(context.Context, string) error        { return nil }
func (n nodes) Nodes(context.Context, time.Duration) ([]fleet.Node, error) {
	if n.w.fault != nil {
		return nil, n.w.fault()
	}
	return []fleet.Node{{ID: "n1", Host: "here", PID: 1, Applied: 1 << 40, Seen: time.Now()}}, nil
}

func newWorld(tb testing.TB, more ...func(*keyservice.Config)) *world {
	tb.Helper()
	return newWorldOf(tb, nil, more...)
}

// newWorldOf is newWorld whose issuer and service have the store m, in front of
// that of the world.
func newWorldOf(tb testing.TB, m *meddler, more ...func(*keyservice.Config)) *world {
	tb.Helper()
	w := &world{store: new(apikey.MemoryStore), credits: new(usage.MemoryStore), attempts: new(idempotency.Memory), people: new(people)}
	w.credits.HoldOwner = w.store.HoldOwner
	w.owners = &apikey.MemoryOwners{Keys: w.store}
	line, err := apikey.NewPepper(rand.Reader)
	must(tb, err)
	peppers, err := apikey.ParsePeppers(line)
	must(tb, err)
	log := slog.New(slog.DiscardHandler)
	tokens, err := keytoken.New(keytoken.Config{Issuer: "https://api.example.com", Audience: []string{"orders", "invoices"}})
	must(tb, err)
	w.tokens, err = apikey.NewTokenIssuer(apikey.TokenIssuerConfig{Signer: tokens, Audience: tokens.Audience()})
	must(tb, err)
	w.verifier, err = apikey.NewVerifier(apikey.VerifierConfig{Store: w.store, Peppers: peppers, Tokens: tokens})
	must(tb, err)
	tb.Cleanup(func() { must(tb, w.verifier.Close()) })
	var store keyservice.Store = w.store
	if m != nil {
		m.MemoryStore, store = w.store, m
	}
	w.issuer, err = apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Changed: w.verifier.Invalidate})
	must(tb, err)
	ledger, err := usage.NewLedger(usage.LedgerConfig{Store: w.credits, Log: log})
	must(tb, err)
	w.ledger = ledger
	tb.Cleanup(func() { must(tb, ledger.Close(context.WithoutCancel(tb.Context()))) })
	w.accounts = new(account.MemoryStore)
	w.admins, err = account.New(account.Config{Store: w.accounts, Hash: func(secret.Text) (string, error) { return "hash", nil }, Sealer: peppers})
	must(tb, err)
	w.machines, err = login.NewKeys(login.KeysConfig{Store: w.accounts, Peppers: peppers})
	must(tb, err)
	tb.Cleanup(func() { must(tb, w.machines.Close()) })
	token, err := keyservice.NewToken(secret.New(adminToken), "wadm_")
	must(tb, err)
	cfg := keyservice.Config{
		Store: store, Issuer: w.issuer, Verifier: w.verifier, Registry: nodes{w}, Attempts: w.attempts, Schemes: []authn.Scheme{token, w.people, w.machines.Scheme()},
		Log: log, Running: new(node), Record: new(audit.MemoryStore), Owners: w.owners, Credits: w.credits, Ledger: ledger, Tokens: w.tokens, People: w.admins, AdminKeys: w.machines,
		Portal: &keyservice.Portal{Passes: &w.passes, Open: "https://keys.test/open", Returns: func(address string) bool { return address == "https://app.test/" }},
	}
	for _, change := range more {
		change(&cfg)
	}
	w.service, err = keyservice.New(cfg)
	must(tb, err)
	w.handler = behind(tb, w.service)
	return w
}

// behind is the service behind an edge, as the admin listener has it.
func behind(tb testing.TB, s *keyservice.Service) http.Handler {
	tb.Helper()
	paths, err := target.New(target.Config{})
	must(tb, err)
	body, err := bodylimit.New(bodylimit.Config{Max: 64 << 10})
	must(tb, err)
	long, err := bodylimit.New(bodylimit.Config{Max: keyservice.BatchBody})
	must(tb, err)
	routes := new(warder.Routes)
	for _, pattern := range s.Patterns() {
		limit := body
		if pattern == keyservice.BatchPattern || pattern == keyservice.ImportPattern {
			limit = long
		}
		must(tb, routes.Handle(pattern, &warder.Policy{BodyLimit: limit}))
	}
	stack := &warder.Stack{Edge: warder.Edge{Forwarded: forwarded.Direct(), Target: paths}, Route: routes}
	return stack.Wrap(s)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// A reply is an answer, with its body read.
type reply struct {
	status int
	header http.Header
	text   string
}

// json reads the body into to.
func (r *reply) json(tb testing.TB, to any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(r.text), to); err != nil {
		tb.Fatalf("answer %d %s: %v", r.status, r.text, err)
	}
}

// fields are those that a problem names.
func (r *reply) fields(tb testing.TB) (names []string) {
	tb.Helper()
	var p keyservice.Problem
	r.json(tb, &p)
	if p.Status != r.status || p.Type == "" || p.Title == "" || r.header.Get("Content-Type") != "application/problem+json" {
		tb.Errorf("%d %s, Content-Type %q: no problem details", r.status, r.text, r.header.Get("Content-Type"))
	}
	for _, f := range p.Errors {
		names = append(names, f.Field)
	}
	return names
}

// ask sends a request with the admin token, unless fields (name, value, ...) say
// something else. A body that is not a string is sent as JSON.
func (w *world) ask(tb testing.TB, method, path string, body any, fields ...string) *reply {
	tb.Helper()
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		text, err = json.Marshal(b)
		must(tb, err)
	}
	r := httptest.NewRequestWithContext(tb.Context(), method, "http://localhost"+path, bytes.NewReader(text))
	r.RemoteAddr = "127.0.0.1:1000"
	r.Header.Set("Authorization", "Bearer "+adminToken)
	if text != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "X-Person" {
			r.Header.Del("Authorization")
		}
		if fields[i+1] == "" {
			r.Header.Del(fields[i])
		} else {
			r.Header.Add(fields[i], fields[i+1])
			if fields[i] == "Content-Type" || fields[i] == "Authorization" {
				r.Header.Set(fields[i], fields[i+1])
			}
		}
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	text, err := io.ReadAll(rec.Body)
	must(tb, err)
	return &reply{rec.Code, rec.Header(), string(text)}
}

// made creates a key.
func (w *world) made(tb testing.TB, spec keyservice.KeySpec) keyservice.KeyMade {
	tb.Helper()
	r := w.ask(tb, http.MethodPost, "/v1/keys", spec)
	if r.status != http.StatusCreated {
		tb.Fatalf("create: %d %s", r.status, r.text)
	}
	var made keyservice.KeyMade
	r.json(tb, &made)
	return made
}

// count is how many keys there are.
func (w *world) count(tb testing.TB) int {
	tb.Helper()
	all, err := w.store.List(tb.Context(), "", 1000)
	must(tb, err)
	return len(all)
}

var errDown = errors.New("down")

func want(tb testing.TB, what string, r *reply, status int) {
	tb.Helper()
	if r.status != status {
		tb.Errorf("%s: %d %s, want %d", what, r.status, r.text, status)
	}
}

func quote(n int64) string { return fmt.Sprintf(`"%d"`, n) }

func escape(text string) string { return url.QueryEscape(text) }

// newIssuer makes keys that no world knows.
func newIssuer(tb testing.TB) *apikey.Issuer {
	tb.Helper()
	line, err := apikey.NewPepper(rand.Reader)
	must(tb, err)
	peppers, err := apikey.ParsePeppers(line)
	must(tb, err)
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: new(apikey.MemoryStore), Peppers: peppers})
	must(tb, err)
	return issuer
}
