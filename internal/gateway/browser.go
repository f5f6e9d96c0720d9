package gateway

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// addBrowserStages makes the stages that protect people's browsers.
func (g *Gateway) addBrowserStages() error {
	var errs []error
	var err error
	g.csrf, err = g.newCSRF(g.cfg.Config.CSRF, false)
	errs = append(errs, err)
	for name, policy := range g.cfg.Config.CORS {
		if g.cors[name], err = g.newCORS(name, &policy); err != nil {
			errs = append(errs, fmt.Errorf("cors.%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// addOwn makes those stages that the route has of its own, in place of what holds
// everywhere.
func (g *Gateway) addOwn(policy *warder.Policy, route *config.Route) error {
	var headers, proof error
	if route.Headers != nil {
		policy.SecurityHeaders, headers = g.headers(g.cfg.Config.HeadersOf(route))
	}
	if route.CSRF != nil {
		policy.CSRF, proof = g.newCSRF(g.cfg.Config.CSRFOf(route), false)
	}
	return errors.Join(headers, proof)
}

// newCSRF makes the stage that wants proof of the site itself, with the one set of
// keys. login: also of requests that prove nobody.
func (g *Gateway) newCSRF(c config.CSRF, login bool) (*csrf.Stage, error) {
	cfg := csrf.Config{Keys: g.csrfKeys(), TrustedOrigins: c.TrustedOrigins, Lifetime: c.Lifetime, Header: c.Header, Field: c.Field, Cookie: c.Cookie, Login: login}
	cfg.Shadow = c.Shadow && !login
	if cfg.Shadow {
		cfg.Report = func(x *exchange.Exchange, reason string) { g.cfg.Shadowed(x, "csrf", reason) }
	}
	return csrf.New(cfg)
}

// csrfKeys are the keys of the tokens.
func (g *Gateway) csrfKeys() []secret.Text {
	if g.keys == nil {
		g.keys = splitKeys(g.cfg.Config.CSRF.Keys)
	}
	return g.keys
}

// keyLength is the length of a key that is made here, in bytes.
const keyLength = 32

// splitKeys reads one key per line or between commas; without any it makes one.
func splitKeys(text secret.Text) (keys []secret.Text) {
	for line := range strings.FieldsFuncSeq(text.Reveal(), func(r rune) bool { return r == '\n' || r == ',' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			keys = append(keys, secret.New(line))
		}
	}
	if len(keys) == 0 {
		random := make([]byte, keyLength)
		_, _ = rand.Read(random) // it never fails: it ends the process instead
		keys = []secret.Text{secret.New(base64.StdEncoding.EncodeToString(random))}
	}
	return keys
}

// corsOf returns the policy of a route; nil for none.
func (g *Gateway) corsOf(route *config.Route) (*cors.Stage, error) {
	switch route.CORS {
	case config.Off:
		return nil, nil
	case "":
		return g.cors[config.DefaultCORS], nil
	}
	stage, ok := g.cors[route.CORS]
	if !ok {
		return nil, fmt.Errorf("no CORS policy is called %q", route.CORS)
	}
	return stage, nil
}

func (g *Gateway) newCORS(name string, p *config.CORSPolicy) (*cors.Stage, error) {
	cfg := p.Library()
	if p.Shadow || p.Explain {
		cfg.Report = func(x *exchange.Exchange, r cors.Refusal) {
			if p.Shadow {
				g.cfg.Shadowed(x, "cors", r.Reason)
			}
			if p.Explain {
				g.explain(x, name, r)
			}
		}
	}
	return cors.New(cfg)
}

// explain tells the operator of a permission that was withheld, and what would
// give it. It quotes the request, which is why nobody is told unasked.
func (g *Gateway) explain(x *exchange.Exchange, policy string, r cors.Refusal) {
	field := "cors." + policy + "."
	var mend string
	switch r.Reason {
	case "origin-not-listed":
		mend = "list it in " + field + "origins"
	case "method-not-listed":
		mend = "list it in " + field + "methods"
	case "header-not-listed":
		mend = "list each of them in " + field + "request_headers"
	case "private-network":
		mend = "set " + field + "private_network"
	default:
		mend = "no setting allows this"
	}
	g.cfg.Log.Info("a page was not allowed to read: cors."+policy+" explains",
		slog.String("id", x.ID), slog.String("route", x.Route), slog.String("why", r.String()), slog.String("mend", mend))
}
