package keyservice

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/humaapi"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/usage"
	"github.com/warder-dev/warder/usage/tally"
)

// A Store keeps keys. The stores of this module are Stores.
type Store interface {
	apikey.Store
	apikey.Finder
}

// Config configures a [Service].
type Config struct {
	_ [0]func()

	Store    Store             // Required.
	Issuer   *apikey.Issuer    // makes and changes keys of Store. Required.
	Verifier *apikey.Verifier  // Required.
	Registry fleet.Registry    // tells which nodes have applied a change. Required.
	Attempts idempotency.Store // Required.
	Schemes  []authn.Scheme    // of whoever administers; see [Scopes] for the principals. Required.
	Log      *slog.Logger      // Required.

	// Owners keeps what is known of whom keys belong to. nil: nothing does, and
	// operations about it answer 503.
	Owners apikey.OwnerStore

	Credits usage.Store     // nil: nothing keeps credits, and operations about them answer 503
	Ledger  *usage.Ledger   // of Credits, from which verifyKey spends; nil as Credits
	Limits  ratelimit.Store // counts the limits of keys for verifyKey; nil: in memory
	Audit   audit.Reader    // nil: nothing reads it here, and operations about it answer 503
	Record  Recorder        // nil: what is changed of what runs cannot be recorded, and is answered 503
	Usage   Usage           // nil: nothing keeps it, and getUsage answers 503
	Counts  Counts          // of the same; nil: topUsage and getKeyUsage answer 503

	// Uses tells what keys were used for, and Health says from when on something is
	// wrong. nil Uses: nothing counts it, and operations about health answer 503.
	Uses   Uses
	Health tally.HealthConfig

	// Explain says what would become of a request, by the configuration in force, and
	// writes nothing; see [Question]. nil: nobody knows, and explainRequest answers 503.
	Explain func(ctx context.Context, q *Question) (Explanation, error)

	// Running is what this node judges by, and what it counts. nil: nobody knows, and
	// operations about limits, OpenAPI documents and the shadow configuration answer 503.
	Running Running

	People    *account.Manager // nil: nothing keeps administrators, and operations about them answer 503
	AdminKeys *login.Keys      // of its store; nil as People

	// Portal makes links to the holders' portal. nil: there is none, and operations about
	// them answer 404.
	Portal *Portal

	// Policy judges what verifyKey is asked about by the gateway's policy. nil: nobody
	// does, and it answers 503 to that.
	Policy Policy

	// Peppers are those under which imported keys are stored, and Prefix begins the
	// texts that they get when they are rolled. nil Peppers: nothing is imported.
	Peppers *apikey.Peppers
	Prefix  string

	// Used is told of each key that verifyKey found good, and by which of its secrets:
	// what is not seen to be used is revoked when it shall be. nil: nobody is told.
	Used func(key string, secret int)

	// Tokens makes tokens from keys; nil: there are none, and exchangeKey answers 404.
	Tokens *apikey.TokenIssuer

	// Stale reports whether a person has to log in again for what a right allows. nil:
	// nobody has to.
	Stale func(p *exchange.Principal, right Right) bool

	// Tail tells what becomes of requests on this node, and at most Viewers may watch at
	// once, default 100; ViewersEach are those of one caller, or of all who are bound to
	// one owner, default 10. nil Tail: nothing is told, and watchDecisions answers 503.
	Tail                 *accesslog.Tail
	Viewers, ViewersEach int

	// Timeout bounds what is done after a client went away. Default 5s.
	Timeout time.Duration
}

// A Service is the admin API. It is safe for concurrent use.
type Service struct {
	cfg      Config
	log      *slog.Logger
	api      huma.API
	adapter  *adapter
	guard    *humaapi.Guard
	patterns map[string]pattern
	document func() []byte
	verify   *verification

	explaining chan struct{} // has room for those that are under way
	direct     map[string]direct
	watching   watching
}

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Service, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, log: cfg.Log, adapter: newAdapter(), direct: make(map[string]direct), watching: watching{stopped: make(chan struct{}), each: make(map[string]int)}}
	var err error
	if s.verify, err = newVerification(&cfg); err != nil {
		return nil, err
	}
	s.api = huma.NewAPI(s.humaConfig(), s.adapter)
	if s.guard, err = humaapi.New(s.api, humaapi.Config{Schemes: cfg.Schemes, Realm: "warder-admin"}); err != nil {
		return nil, err
	}
	s.api.UseMiddleware(s.admit)
	s.addOperations()
	if err := s.guard.Err(); err != nil {
		return nil, err
	}
	if cfg.People != nil {
		s.describeOwn()
	}
	s.document = sync.OnceValue(s.writeDocument)
	return s, s.finish()
}

func (c *Config) complete() error {
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	c.Viewers, c.ViewersEach = cmp.Or(c.Viewers, 100), cmp.Or(c.ViewersEach, 10)
	if c.Limits == nil {
		memory, err := ratelimit.NewMemory(100_000)
		if err != nil {
			return err
		}
		c.Limits = memory
	}
	var errs []error
	for name, missing := range map[string]bool{
		"Store": c.Store == nil, "Issuer": c.Issuer == nil, "Verifier": c.Verifier == nil, "Registry": c.Registry == nil,
		"Attempts": c.Attempts == nil, "Schemes": len(c.Schemes) == 0, "Log": c.Log == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("keyservice: %s is missing", name))
		}
	}
	return errors.Join(errs...)
}

// humaConfig is huma's, without anything that it would serve by itself.
func (s *Service) humaConfig() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "warder key service", Version: "1",
				Description: "The whole life of API keys. Nothing that is not named here is taken: what is, is a problem (RFC 9457) that names it.",
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Servers:    []*huma.Server{{URL: "http://127.0.0.1:8081", Description: "the admin listener, on this machine only unless admin_listen says something else"}},
			Tags:       tags(),
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{s.translate},
	}
}

// translate is for what huma itself refuses, after our own check: one answer, which
// repeats nothing of the request.
func (s *Service) translate(ctx huma.Context, _ string, v any) (any, error) {
	if _, own := v.(*huma.ErrorModel); !own {
		return v, nil
	}
	f := invalid(Fault{"request", "cannot be read"})
	if a, ok := ctx.(*admitted); ok {
		a.status = f.GetStatus()
	}
	return f, nil
}

// Patterns are those of [http.ServeMux] that the service serves.
func (s *Service) Patterns() []string {
	return append([]string{documentPattern}, s.adapter.patterns...)
}

const documentPattern = "GET /openapi.json"

// BatchPattern takes longer bodies than the others: up to [BatchBody] bytes.
const (
	BatchPattern = "POST /v1/keys:batchCreate"
	BatchBody    = 4 << 20
)

// ServeHTTP serves the API. It wants to be behind the edge of a Stack, whose
// policies limit bodies.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/openapi.json" {
		h := w.Header()
		h.Set("Content-Type", "application/openapi+json")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(s.document()) // the client may be gone
		return
	}
	s.adapter.ServeHTTP(w, r)
}

// Document returns the OpenAPI document.
func (s *Service) Document() json.RawMessage { return s.document() }

// Guard is for openapitest.RequireEnforced.
func (s *Service) Guard() *humaapi.Guard { return s.guard }

// await is the receipt of a change.
func (s *Service) await(ctx context.Context, rev apikey.Revision, wait time.Duration) (Receipt, error) {
	r, err := fleet.Await(ctx, s.cfg.Registry, rev, wait)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil // it was over before the first look: nothing is known, and so it is not complete
	}
	if err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{Revision: int64(r.Revision), Nodes: r.Nodes, Applied: r.Applied, Complete: r.Complete(), TookMS: r.Took.Milliseconds()}
	for _, n := range r.Missing {
		receipt.Missing = append(receipt.Missing, Node{ID: n.ID, Host: n.Host, PID: n.PID})
	}
	return receipt, nil
}
