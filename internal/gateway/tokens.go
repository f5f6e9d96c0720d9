package gateway

import (
	"errors"
	"net/http"

	"github.com/warder-dev/warder"
)

var errNoKeySet = errors.New("tokens.issuer is set, and nothing signs tokens")

// addTokens publishes the keys that sign tokens, for everybody.
func (g *Gateway) addTokens(routes *warder.Routes) error {
	tokens := &g.cfg.Config.Tokens
	switch {
	case !tokens.On():
		return nil
	case g.cfg.TokenKeys == nil:
		return errNoKeySet
	}
	return g.answer(routes, http.MethodGet+" "+tokens.Path, &warder.Policy{AddressLimit: g.limits.everybody}, g.cfg.TokenKeys)
}
