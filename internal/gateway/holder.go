package gateway

import (
	"errors"
	"net/http"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
)

// HolderCommands are what the holder of a key may do with it.
type HolderCommands interface {
	Show() http.Handler
	Roll() http.Handler
	Exchange() http.Handler // makes a token
	Revoke() http.Handler
}

// holderBody is the largest body of a holder's command, in bytes.
const holderBody = 4 << 10

var errNoHolder = errors.New("holder.path is set, and nothing answers there")

// addHolder makes the paths by which the holder of a key looks at it, makes tokens of
// it, rolls and revokes it. The key is the one in the header of the configuration.
func (g *Gateway) addHolder(routes *warder.Routes) error {
	path := g.cfg.Config.Holder.Path
	switch {
	case path == "":
		return nil
	case g.cfg.Holder == nil:
		return errNoHolder
	}
	keys := &g.cfg.Config.Keys
	header, headerErr := apikey.NewHeader(apikey.HeaderConfig{Verifier: g.cfg.Verifier, Name: keys.Header})
	limit, limitErr := bodylimit.New(bodylimit.Config{Max: holderBody})
	if err := errors.Join(headerErr, limitErr); err != nil {
		return err
	}
	stage, err := authn.New(authn.Config{Requirement: authn.Require(header), Realm: keys.Realm})
	if err != nil {
		return err
	}
	policy := func() *warder.Policy {
		return &warder.Policy{BodyLimit: limit, AddressLimit: g.limits.everybody, Guard: g.guard, Authn: stage}
	}
	var tokenErr error
	if g.cfg.Config.Tokens.On() {
		tokenErr = g.answer(routes, "POST "+path+"/token", policy(), g.cfg.Holder.Exchange())
	}
	return errors.Join(
		tokenErr,
		g.answer(routes, "GET "+path, policy(), g.cfg.Holder.Show()),
		g.answer(routes, "POST "+path+"/roll", policy(), g.cfg.Holder.Roll()),
		g.answer(routes, "POST "+path+"/revoke", policy(), g.cfg.Holder.Revoke()),
	)
}
