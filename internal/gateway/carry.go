package gateway

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// Keep reports whether whoever only asks about a request of policy can keep it:
// nobody tells when that request ends, or what its answer says that it costs.
func (g *Gateway) Keep(policy *warder.Policy) bool {
	if policy.Concurrency != nil || policy.Credit != nil && g.cfg.Config.Credits.CostHeader != "" {
		return false
	}
	return policy.PrincipalLimit == nil && policy.AddressLimit == nil || len(costHeaders(g.cfg.Config)) == 0
}

// Carry puts a key into r, or a token that was made from one, where the policy looks
// for it: the first scheme of keys that it takes, of those that take tokens for a
// token, and the configuration's own header where it takes none.
func (g *Gateway) Carry(r *http.Request, policy *warder.Policy, key string) error {
	name := config.DefaultScheme
	if policy != nil && policy.Authn != nil {
		name = g.keyScheme(policy, name, strings.Count(key, ".") == 2)
	}
	k := g.cfg.Config.Schemes[name].Key
	if k == nil {
		r.Header.Set(g.cfg.Config.Keys.Header, key)
		return nil
	}
	return g.carry(r, k, key)
}

// keyScheme is the scheme that looks for a key. What has the shape of a JWT, which no
// key of ours has, is first thought to be a token.
func (g *Gateway) keyScheme(policy *warder.Policy, otherwise string, token bool) string {
	first := ""
	for _, alternative := range policy.Authn.Requirement() {
		for _, need := range alternative {
			name := need.Scheme.Name()
			switch k := g.cfg.Config.Schemes[name].Key; {
			case k == nil:
			case !token || k.Tokens:
				return name
			case first == "":
				first = name
			}
		}
	}
	return cmp.Or(first, otherwise)
}

var errCarry = errors.New("gateway: the text of the key cannot stand where the route looks for keys")

func (g *Gateway) carry(r *http.Request, k *config.KeyScheme, key string) error {
	name := g.cfg.Config.KeyName(k)
	for _, c := range []byte(key) {
		if c <= ' ' || c >= 0x7f || c == ';' && k.In == config.InCookie || c == ':' && k.In == config.InBasic {
			return errCarry
		}
	}
	switch k.In {
	case config.InQuery:
		separator := ""
		if r.URL.RawQuery != "" {
			separator = "&"
		}
		r.URL.RawQuery += separator + url.QueryEscape(name) + "=" + url.QueryEscape(key)
		r.RequestURI = r.URL.RequestURI()
	case config.InCookie:
		r.Header.Set("Cookie", name+"="+key)
	case config.InBearer:
		r.Header.Set("Authorization", "Bearer "+key)
	case config.InBasic:
		pair := key + ":"
		if k.BasicField == "password" {
			pair = "key:" + key
		}
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	default:
		r.Header.Set(name, key)
	}
	return nil
}

// PolicyOf is the policy that r meets, by a stack of g; nil where an earlier stage
// refuses it. Nothing is counted.
func PolicyOf(stack *warder.Stack, r *http.Request) *warder.Policy {
	x := exchange.New(r)
	x.Dry = true
	stack.Decide(x)
	policy, _ := x.Policy.(*warder.Policy)
	return policy
}
