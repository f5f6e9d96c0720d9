package server

import (
	"context"
	"net/http"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/usage"
)

// returnTime bounds how long what was not spent may take to go back.
const returnTime = 5 * time.Second

// otherTokens begin the bearer tokens that are not the admin token.
const otherTokens = "wadm_"

// A keyService is the admin API with what it alone needs; the zero value is none.
type keyService struct {
	api    *keyservice.Service
	ledger *usage.Ledger // from which verifying spends
}

// openKeyService makes the admin API; none without a token, or with a store that
// finds no keys.
func (p *program) openKeyService() error {
	o := &p.options
	store, finds := o.Store.(keyservice.Store)
	if o.AdminToken.IsZero() || !finds {
		return nil
	}
	token, err := keyservice.NewToken(o.AdminToken, otherTokens)
	if err != nil {
		return err
	}
	issuer, err := p.issuer(p.verifier.Invalidate)
	if err != nil {
		return err
	}
	credits := &o.Config.Credits
	p.keys.ledger, err = usage.NewLedger(usage.LedgerConfig{
		Store: o.Credits, Log: o.Log, CrashFavoursCustomer: credits.CrashFavoursCustomer,
		MinReserve: int64(credits.MinReserve), MaxReserve: int64(credits.MaxReserve), Term: credits.Term, Timeout: o.Config.Timeouts.Store,
	})
	if err != nil {
		return err
	}
	uses, rules := p.keyHealth()
	p.keys.api, err = keyservice.New(keyservice.Config{
		Store: store, Issuer: issuer, Verifier: p.verifier, Registry: o.Registry, Attempts: p.attempts(),
		Schemes: append([]authn.Scheme{token}, p.administrators.schemes()...), Stale: stale, Log: o.Log, Owners: o.Owners, Credits: o.Credits, Ledger: p.keys.ledger, Limits: o.LimitStore, Audit: o.Audit.reader(), Record: o.Audit.recorder(), Running: p.running(), Usage: p.keyUsage(), Counts: p.keyCounts(), Used: p.used, Tokens: p.tokens.issuer, Explain: p.explain, Policy: &asked{program: p}, Peppers: o.Peppers, Prefix: o.Config.Keys.Prefix,
		People: p.administrators.people, AdminKeys: p.administrators.keys, Uses: uses, Health: rules, Portal: p.portalLinks(), Tail: p.tail, Viewers: o.Config.Limits.Viewers, ViewersEach: o.Config.Limits.ViewersEach, Timeout: o.Config.Timeouts.Store,
	})
	return err
}

// schemes are those of people and of admin keys.
func (a *administrators) schemes() []authn.Scheme {
	if a.keys == nil {
		return nil
	}
	return []authn.Scheme{a.keys.Scheme(), a.door.Scheme()}
}

// stale reports whether a person has to log in again for what a right allows.
func stale(p *exchange.Principal, right keyservice.Right) bool {
	_, again := account.Permits(p, account.Action(right), time.Now())
	return again
}

// issuer makes and changes keys of this node, which sees each change at once: changed
// is told of it.
func (p *program) issuer(changed func(apikey.ID)) (*apikey.Issuer, error) {
	o := &p.options
	keys := &o.Config.Keys
	return apikey.NewIssuer(apikey.IssuerConfig{
		Store: o.Store, Peppers: o.Peppers, Prefix: keys.Prefix, Changed: changed,
		Policy: apikey.Policy{DefaultTTL: keys.DefaultTTL, MaxTTL: keys.MaxTTL, MaxSecrets: keys.MaxSecrets},
	})
}

// holder answers holders of keys; nil unless the configuration says where.
func (p *program) holder() (gateway.HolderCommands, error) {
	o := &p.options
	if o.Config.Holder.Path == "" {
		return nil, nil //nolint:nilnil // nobody answers
	}
	issuer, err := p.issuer(p.lineage.settled(p.verifier.Invalidate))
	if err != nil {
		return nil, err
	}
	return keyservice.NewHolder(keyservice.HolderConfig{Store: o.Store, Issuer: issuer, Registry: o.Registry, Log: o.Log, Credits: o.Credits, Tokens: p.tokens.issuer})
}

// reader is the audit for the API; nil for none.
func (a *AuditOptions) reader() audit.Reader {
	if a == nil {
		return nil
	}
	return a.Store
}

// recorder takes entries of the audit; nil for none.
func (a *AuditOptions) recorder() keyservice.Recorder {
	if a == nil {
		return nil
	}
	return a.Store
}

// close gives back what was not spent.
func (k *keyService) close() error {
	if k.ledger == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), returnTime)
	defer cancel()
	return k.ledger.Close(ctx)
}

// mount adds the API to the mux of the admin listener.
func (k *keyService) mount(mux *http.ServeMux) {
	for _, pattern := range k.patterns() {
		mux.Handle(pattern, k.api)
	}
}

// patterns are those of the API.
func (k *keyService) patterns() []string {
	if k.api == nil {
		return nil
	}
	return k.api.Patterns()
}

// limitOf is how long a body may be for a pattern of the admin listener.
func limitOf(pattern string) int64 {
	if pattern == keyservice.BatchPattern || pattern == keyservice.ImportPattern {
		return keyservice.BatchBody
	}
	return adminBody
}

// bodyLimit returns the stage for a pattern.
func bodyLimit(pattern string) (*bodylimit.Stage, error) {
	return bodylimit.New(bodylimit.Config{Max: limitOf(pattern)})
}
