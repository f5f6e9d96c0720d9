package jwt

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/bearer"
)

// identity is a token, and until when it is given out.
type identity struct {
	token string
	until time.Time
}

// leastIdentity is how long an identity holds at least: a request that was let
// in may come from a token that is in its leeway.
const leastIdentity = 5 * time.Second

// Identity returns what tells an upstream who sent a request, in a way that
// nobody else can write: a token for the audience, signed here. It returns "" for
// a request of nobody.
//
// The upstream verifies it with [Signer.JWKS] and must check iss, aud and exp. A
// principal's token is given out again for half of its life, so that signing is
// rare; it ends no later than the principal's credential does, though not before
// 5 s. What is in it: sub and sub_id with the subject and who vouches for it, scope,
// owner, key_id and environment. Of the scopes of somebody else's token, those that
// end in "*" are left out, where they are characters: an upstream would take them
// for wildcards, as they are in grants of keys.
func (s *Signer) Identity(audience string) (func(x *exchange.Exchange) (string, error), error) {
	if !bearer.Printable(audience, maxIssuerBytes) {
		return nil, errors.New("jwt: identity: want a printable audience")
	}
	cache := bearer.NewCache[identity](s.cache)
	return func(x *exchange.Exchange) (string, error) {
		p := &x.Principal
		if p.IsZero() {
			return "", nil
		}
		now := time.Now()
		sum := sumOf(p)
		if known, ok := cache.Get(sum); ok && now.Before(known.until) {
			return known.token, nil
		}
		token, ends, err := s.sign(identityClaims(p, audience, now), now)
		if err == nil && !x.Dry {
			cache.Put(sum, identity{token, now.Add(ends.Sub(now) / 2)})
		}
		return token, err
	}, nil
}

func identityClaims(p *exchange.Principal, audience string, now time.Time) Claims {
	c := Claims{
		Subject: p.Subject, SubjectIssuer: p.Issuer, Audience: audience, Scopes: grants(p.Scopes),
		Owner: p.Owner, KeyID: p.KeyID, Environment: p.Environment, Expires: p.Expires,
	}
	if least := now.Add(leastIdentity); !p.Expires.IsZero() && p.Expires.Before(least) {
		c.Expires = least
	}
	return c
}

// grants returns the names of scopes that an upstream may read.
func grants(scopes exchange.Scopes) []string {
	var names []string
	for _, name := range scopes.Names() {
		if !literalWildcard(scopes, name) {
			names = append(names, name)
		}
	}
	return names
}

// literalWildcard reports whether name, of scopes, ends in a "*" that stands for
// nothing else.
func literalWildcard(scopes exchange.Scopes, name string) bool {
	stem, ok := strings.CutSuffix(name, "*")
	return ok && !scopes.Allow(stem+"x")
}

// sumOf stands for all of p that a token has in it. Each part has its length
// before it: no two principals share one. It does not allocate for up to 1 KiB.
func sumOf(p *exchange.Principal) bearer.Sum {
	var few [1 << 10]byte
	b := few[:0]
	for _, part := range [...]string{p.Issuer, p.Subject, p.KeyID, p.Owner, p.Environment} {
		b = appendPart(b, part)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(p.Expires.UnixNano()))
	for _, name := range p.Scopes.Names() {
		if !literalWildcard(p.Scopes, name) {
			b = appendPart(b, name)
		}
	}
	return sha256.Sum256(b)
}

func appendPart(b []byte, part string) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(part))), part...)
}
