package introspection

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/bearer"
	"github.com/warder-dev/warder/openapi"
)

// A Scheme proves bearer tokens by asking their issuer: type "http" with scheme
// "bearer" in OpenAPI, or as the configuration describes it. It is safe for
// concurrent use.
type Scheme struct {
	*asker
	leave func(string) bool
}

// An asker is what schemes that leave different tokens to others share.
type asker struct {
	name     string
	refused  *bearer.Refused
	maxBytes int
	rules    rules
	ask      func(ctx context.Context, token string) ([]byte, error)
	close    func()
	describe openapi.SecurityScheme

	active   *bearer.Cache[answer]
	inactive *bearer.Cache[answer]

	mu      sync.Mutex
	flights map[bearer.Sum]*flight
}

// A flight is one question, for whoever asks it at the same time.
type flight struct {
	done   chan struct{}
	answer answer
	err    error
}

var (
	_ authn.RefusalChallenger = (*Scheme)(nil)
	_ authn.Describer         = (*Scheme)(nil)
)

// New reports everything that is wrong with cfg at once. It asks nobody.
// Changing cfg later has no effect.
func New(cfg Config) (*Scheme, error) {
	err := cfg.complete()
	s := &Scheme{leave: cfg.Leave, asker: &asker{
		name: cfg.Name, refused: bearer.NewRefused(), maxBytes: cfg.MaxBytes, describe: describe(&cfg),
		rules: rules{
			issuer: cfg.Issuer, audience: slices.Clone(cfg.Audience), active: cfg.CacheTTL, inactive: cfg.NegativeTTL,
			mapping: bearer.Mapping{Subject: cfg.SubjectClaim, Scopes: cfg.ScopeClaims, Owner: cfg.OwnerClaim},
		},
		flights: make(map[bearer.Sum]*flight),
	}}
	s.rules.mapping.Complete()
	if err := errors.Join(err, s.rules.mapping.Check(), s.Describe(new(openapi.Document))); err != nil {
		return nil, err
	}
	if cfg.InsecureAnyAudience {
		s.rules.audience = nil
	}
	e, err := newEndpoint(&cfg)
	if err != nil {
		return nil, err
	}
	s.ask, s.close = e.ask, e.client.CloseIdleConnections
	s.active, s.inactive = bearer.NewCache[answer](cfg.CacheSize), bearer.NewCache[answer](cfg.CacheSize)
	return s, nil
}

func describe(cfg *Config) openapi.SecurityScheme {
	const text = "A token that only its issuer can read."
	if cfg.Flows != nil {
		return openapi.SecurityScheme{Type: openapi.TypeOAuth2, Description: text, Flows: cfg.Flows}
	}
	return openapi.SecurityScheme{Type: openapi.TypeHTTP, Scheme: "bearer", BearerFormat: "opaque", Description: text}
}

// Leaving returns a scheme that shares everything with s, but leaves other tokens
// to other schemes: for another requirement, with other schemes beside it.
func (s *Scheme) Leaving(leave func(token string) bool) *Scheme { return &Scheme{s.asker, leave} }

// Close closes idle connections. The scheme can still be used.
func (s *Scheme) Close() error {
	s.close()
	return nil
}

// Name returns the scheme's name in OpenAPI.
func (s *Scheme) Name() string { return s.name }

// Challenge returns the challenge for an absent token (RFC 6750, section 3).
func (*Scheme) Challenge(realm string) string { return authn.BearerChallenge(realm, "", nil) }

// RefusalChallenge returns the challenge for a token that was refused.
func (*Scheme) RefusalChallenge(realm, code string, scopes []string) string {
	return authn.BearerChallenge(realm, code, scopes)
}

// Describe adds the scheme to doc: the value that guards is the value that
// documents.
func (s *Scheme) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(s.name, s.describe)
}

// Authenticate returns whom the token in Authorization proves; see the package.
// For a token whose answer is remembered it does not allocate.
func (s *Scheme) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	token, err := s.refused.Find(x.Request.Header, s.maxBytes, s.leave)
	if err != nil {
		return exchange.Principal{}, err
	}
	sum := bearer.SumOf(token)
	a, known := s.remembered(sum, time.Now())
	if !known {
		if a, err = s.look(x, sum, token); err != nil {
			return exchange.Principal{}, err
		}
	}
	if a.refusal != nil {
		return exchange.Principal{}, a.refusal
	}
	if !a.bound.Holds(x) {
		return exchange.Principal{}, authn.Wrong("certificate")
	}
	a.principal.Scheme = s.name
	return a.principal, nil
}

// remembered returns an answer that still counts.
func (s *Scheme) remembered(sum bearer.Sum, now time.Time) (answer, bool) {
	for _, cache := range [...]*bearer.Cache[answer]{s.active, s.inactive} {
		if a, ok := cache.Get(sum); ok {
			if now.Before(a.until) {
				return a, true
			}
			cache.Delete(sum)
		}
	}
	return answer{}, false
}

// look asks, or waits for who asks already. Waiting ends with the request's
// context; the question does not.
func (s *Scheme) look(x *exchange.Exchange, sum bearer.Sum, token string) (answer, error) {
	ctx := x.Request.Context()
	s.mu.Lock()
	f, joined := s.flights[sum]
	if !joined {
		if a, known := s.remembered(sum, time.Now()); known { // since we looked
			s.mu.Unlock()
			return a, nil
		}
		f = &flight{done: make(chan struct{}), err: errNobody}
		s.flights[sum] = f
	}
	s.mu.Unlock()
	if !joined {
		s.fly(ctx, f, sum, token, !x.Dry)
		return f.answer, f.err
	}
	select {
	case <-f.done:
		return f.answer, f.err
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

// fly asks, and tells whoever waits, also when asking panics.
func (s *Scheme) fly(ctx context.Context, f *flight, sum bearer.Sum, token string, remember bool) {
	defer func() {
		s.mu.Lock()
		delete(s.flights, sum)
		s.mu.Unlock()
		close(f.done)
	}()
	asked := time.Now() // an answer is as old as its question
	body, err := s.ask(ctx, token)
	if err == nil {
		f.answer, err = s.rules.read(body, asked)
	}
	if f.err = err; err != nil || !remember || !asked.Before(f.answer.until) {
		return
	}
	if f.answer.refusal != nil {
		s.inactive.Put(sum, f.answer)
	} else {
		s.active.Put(sum, f.answer)
	}
}
