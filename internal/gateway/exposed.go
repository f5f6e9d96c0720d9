package gateway

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// maxExposed bounds the keys of one request that are looked at.
const maxExposed = 4

// each calls note with each text of x that may be one of the credentials.
func (c carriers) each(x *exchange.Exchange, note func(text string)) {
	once := func(value string, s credential.State) {
		if s != credential.Absent {
			note(value)
		}
	}
	for _, name := range c.headers {
		for _, value := range x.Request.Header[name] {
			if name != "Authorization" {
				note(value)
				continue
			}
			scheme, rest, _ := strings.Cut(value, " ")
			note(strings.TrimLeft(rest, " "))
			if strings.EqualFold(scheme, "Basic") {
				eachHalf(rest, note)
			}
		}
	}
	for _, name := range c.cookies {
		once(credential.Cookie(x.Request.Header, name))
	}
	for _, name := range c.parameters {
		once(credential.Query(x.Request.URL.RawQuery, name))
	}
}

// eachHalf calls note with the name and the password of HTTP Basic (RFC 7617,
// section 2).
func eachHalf(encoded string, note func(text string)) {
	text, err := base64.StdEncoding.DecodeString(strings.Trim(encoded, " "))
	if err != nil {
		return
	}
	name, password, _ := strings.Cut(string(text), ":")
	note(name)
	note(password)
}

// carries reports whether x carries what may be one of our credentials, and the
// key's id when it has the form of a key.
func (c carriers) carries(x *exchange.Exchange) (id string, carries bool) {
	c.each(x, func(text string) {
		carries = true
		if info, err := apikey.Parse(text); err == nil {
			id = cmp.Or(id, string(info.ID))
		}
	})
	return id, carries
}

// supposed marks requests that somebody told of.
type supposed struct{}

// Told returns a context for a request that nobody sent to the gateway: somebody asks
// what would become of it. A key that is said to have come over plain HTTP is
// refused and counted then, and never disabled: the asker saw it, and may be wrong.
func Told(ctx context.Context) context.Context { return context.WithValue(ctx, supposed{}, true) }

// exposed is told of a credential that came over plain HTTP, and what becomes of it.
func (g *Gateway) exposed(x *exchange.Exchange, id, then string) {
	if g.cfg.Exposed != nil {
		g.cfg.Exposed(x, id)
	}
	if then != config.ExposedDisable || g.cfg.Disable == nil || x.Request.Context().Value(supposed{}) != nil {
		return
	}
	var keys []string
	g.carriers.each(x, func(text string) {
		if _, err := apikey.Parse(text); err == nil && len(keys) < maxExposed {
			keys = append(keys, text)
		}
	})
	for _, key := range keys {
		g.disable(x, key)
	}
}

// disable disables a key that was exposed, if it is a good one: an id alone is no
// secret, and whoever knows it must not be able to take the key away. It goes on
// when the client has left.
func (g *Gateway) disable(x *exchange.Exchange, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.Request.Context()), g.cfg.Config.Timeouts.Store)
	defer cancel()
	who, err := g.cfg.Verifier.Verify(ctx, key)
	// One that is narrowed is good for what it is narrowed to. A public one is for
	// everybody to read: whoever did must not be able to take it away.
	if denial, ok := errors.AsType[*authn.Denial](err); ok && denial.Rule != apikey.RulePublic {
		who, err = denial.Principal, nil
	}
	if err != nil {
		return // it is of no use to whoever read it; or nobody knows, and the log says that the store is away
	}
	told := []slog.Attr{slog.String("id", x.ID), slog.String("key_id", who.KeyID), slog.String("client", x.Client.String())}
	if err := g.cfg.Disable(ctx, apikey.ID(who.KeyID)); err != nil {
		g.cfg.Log.LogAttrs(ctx, slog.LevelError, "an exposed key could not be disabled: do it by hand", append(told, slog.String("error", err.Error()))...)
		return
	}
	g.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "an exposed key is disabled: replace it, or enable it again", told...)
}
