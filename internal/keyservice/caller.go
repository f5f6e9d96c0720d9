package keyservice

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/netip"
	"strings"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/bearer"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
)

// TokenIssuer is the issuer of principals that [Token] proves.
const TokenIssuer = "warder-admin-token"

// roleClaim is the claim that names a principal's role.
const roleClaim = "role"

// maxToken is the longest bearer token that is looked at, in bytes.
const maxToken = 512

// A Token is the scheme of the admin token: whoever may read the file beside the
// database is an owner. Tokens that begin with a prefix of others' are left to
// their schemes.
type Token struct {
	sum       [sha256.Size]byte
	others    []string
	refused   *bearer.Refused
	wrong     error
	principal exchange.Principal
}

// NewToken returns the scheme of one token. others are the beginnings of bearer
// tokens that another scheme takes, such as "wadm_".
func NewToken(token secret.Text, others ...string) (*Token, error) {
	if token.IsZero() {
		return nil, errors.New("keyservice: the admin token is empty")
	}
	return &Token{
		sum: sha256.Sum256([]byte(token.Reveal())), others: others, refused: bearer.NewRefused(), wrong: authn.Wrong("admin-token"),
		principal: exchange.Principal{
			Issuer: TokenIssuer, Subject: "admin-token", Scopes: Scopes(RoleOwner, false), Claims: map[string]any{roleClaim: string(RoleOwner)},
		},
	}, nil
}

// Name implements authn.Scheme.
func (t *Token) Name() string { return "adminToken" }

// Challenge implements authn.Scheme (RFC 6750, section 3).
func (t *Token) Challenge(realm string) string { return authn.BearerChallenge(realm, "", nil) }

// Describe implements the description of a scheme.
func (t *Token) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(t.Name(), openapi.SecurityScheme{
		Type: openapi.TypeHTTP, Scheme: "bearer", Description: "The admin token, which is in the file beside the database: DATABASE.admin.",
	})
}

// Authenticate implements authn.Scheme.
func (t *Token) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	token, err := t.refused.Find(x.Request.Header, maxToken, t.another)
	if err != nil {
		return exchange.Principal{}, err
	}
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], t.sum[:]) != 1 {
		return exchange.Principal{}, t.wrong
	}
	return t.principal, nil
}

func (t *Token) another(token string) bool {
	for _, prefix := range t.others {
		if strings.HasPrefix(token, prefix) {
			return true
		}
	}
	return false
}

// A caller is who asks for an operation.
type caller struct {
	principal *exchange.Principal
	client    netip.Addr
	requestID string
	attempt   idempotency.Attempt // zero without an Idempotency-Key
}

// bound is the owner that the caller's token is bound to; "" for none.
func (c *caller) bound() string { return c.principal.Owner }

// sees reports whether a record is any of the caller's business.
func (c *caller) sees(r *apikey.Record) bool { return c.bound() == "" || r.Owner == c.bound() }

// sideOf is in whose name an exchange of verify asks: what machines of one owner are
// told, and what they claim, is nothing to another's.
func sideOf(x *exchange.Exchange) string { return callerOf(x.Request.Context()).bound() }

func (c *caller) may(r Right) bool { return c.principal.Scopes.Allow(string(r)) }

func (c *caller) role() string {
	role, _ := c.principal.Claims[roleClaim].(string)
	return role
}

// by is the caller in the audit.
func (c *caller) by() apikey.By { return apikey.By{Actor: c.actor(), Source: c.client.String()} }

// actor names the caller for the audit: people and admin keys as account does.
func (c *caller) actor() string {
	switch p := c.principal; p.Issuer {
	case TokenIssuer:
		return p.Subject
	case "warder-admin-key":
		return "admin-key:" + p.Subject
	case "warder-account":
		return "account:" + p.Subject
	default:
		return p.Issuer + ":" + p.Subject
	}
}

// id tells callers apart, for what each has of its own.
func (c *caller) id() string { return c.principal.Issuer + " " + c.principal.Subject }

type callerKey struct{}

// callerOf returns who asks; the middleware has put it there.
func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	if c == nil {
		panic("keyservice: an operation runs without its middleware")
	}
	return c
}
