package usage_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/usage"
)

// TestAttackCases ties the tables of this package to the catalogue.
func TestAttackCases(t *testing.T) {
	for _, c := range []struct {
		id  string
		run func(*testing.T)
	}{
		{"LIMIT-09", TestRefundAndCost},
		{"LIMIT-09", TestConfigIsChecked},
		{"LIMIT-12", TestManyAtOnceOnTheLastCredits},
		{"LIMIT-12", TestACrash},
		{"LIMIT-12", TestMemoryStore}, // the last ones are reserved one by one
		{"LIMIT-12", TestNextRefill},
		{"LIMIT-12", TestRefusal},
		{"LIMIT-12", TestRefillsAreSeenAtTheirTime},
		{"LIMIT-12", TestTheStoreIsAway},
	} {
		attack.Case(t, c.id, attack.Library, c.run)
	}
}

// scheme proves the key that X-API-Key names, but for "bad"; "away" is a store
// without an answer.
type scheme struct{}

func (scheme) Name() string            { return "apiKey" }
func (scheme) Challenge(string) string { return "ApiKey" }
func (scheme) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	switch sent := x.Request.Header.Get("X-Api-Key"); sent {
	case "":
		return exchange.Principal{}, authn.ErrNoCredential
	case "away":
		return exchange.Principal{}, errors.New("connection refused")
	case "bad":
		return exchange.Principal{}, authn.Wrong("unknown")
	default:
		return exchange.Principal{Issuer: "warder", Subject: sent, KeyID: sent}, nil
	}
}

func limit(t *testing.T, by ratelimit.Part, count int) *ratelimit.Stage {
	t.Helper()
	l, err := ratelimit.NewLimit(ratelimit.LimitConfig{Name: "limit", Quota: ratelimit.Quota{Count: count, Per: time.Hour}, By: []ratelimit.Part{by}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsRefusedCostsNothing(t *testing.T) {
	attack.Case(t, "LIMIT-06", attack.Library, func(t *testing.T) {
		store := new(usage.MemoryStore)
		give(t, store, key("k1"), 10)
		ledger := newLedger(t, store)
		paths, err := target.New(target.Config{})
		if err != nil {
			t.Fatal(err)
		}
		body, err := bodylimit.New(bodylimit.Config{Max: 10})
		if err != nil {
			t.Fatal(err)
		}
		proof, err := authn.New(authn.Config{Requirement: authn.Require(scheme{})})
		if err != nil {
			t.Fatal(err)
		}
		rules, err := authz.New(authz.Config{Rules: []authz.Rule{{Name: "closed", Effect: authz.Deny, Paths: []string{"/closed/**"}}}})
		if err != nil {
			t.Fatal(err)
		}
		served := 0
		h := (&warder.Stack{Edge: warder.Edge{Forwarded: forwarded.Direct(), Target: paths}, Policy: &warder.Policy{
			BodyLimit: body, AddressLimit: limit(t, ratelimit.ByAddress(), 9), Authn: proof, Authz: rules,
			PrincipalLimit: limit(t, ratelimit.ByKey(), 3), Credit: newStage(t, ledger, func(c *usage.Config) { c.Cost = 2 }),
		}}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
		for _, step := range []struct {
			name, path, peer, key string
			want                  int
		}{
			{"no credential", "/", "198.51.100.1", "", 401},
			{"a wrong one", "/", "198.51.100.1", "bad", 401},
			{"no answer", "/", "198.51.100.1", "away", 503},
			{"two readings", "/a//b", "198.51.100.1", "k1", 400},
			{"refused by a rule", "/closed/", "198.51.100.1", "k1", 403},
			{"passes", "/", "198.51.100.1", "k1", 200},
			{"passes", "/", "198.51.100.1", "k1", 200},
			{"passes", "/", "198.51.100.1", "k1", 200},
			{"over the key's limit", "/", "198.51.100.1", "k1", 429},
			{"another key, without an account", "/", "198.51.100.1", "k2", 429},
			{"over the address's limit", "/", "198.51.100.1", "k1", 429},
		} {
			r := httptest.NewRequest(http.MethodGet, step.path, nil)
			r.RemoteAddr = step.peer + ":4711"
			if step.key != "" {
				r.Header.Set("X-API-Key", step.key)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != step.want {
				t.Errorf("%s: status %d, want %d", step.name, w.Code, step.want)
			}
		}
		closeLedger(t, ledger)
		wants(t, account(t, store, key("k1")), 4, 0, 6, 0)
		if served != 3 {
			t.Errorf("%d requests reached the handler, want 3", served)
		}
	})
}
