package server

import (
	"fmt"
	"net/http"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/jwt"
)

// keySetPattern is where upstreams find the keys of signed identities (RFC 7517,
// section 5), on the admin and health listeners.
const keySetPattern = "GET /.well-known/jwks.json"

// sign makes what signs identities, when an upstream wants that.
func (p *program) sign() error {
	c := p.options.Config
	wanted := false
	for _, u := range c.Upstreams {
		wanted = wanted || u.Identity == config.IdentityJWT
	}
	if !wanted {
		return nil
	}
	signer, err := jwt.NewSigner(jwt.SignerConfig{Issuer: c.Identity.Issuer, Key: c.Identity.Key})
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if c.Identity.Key.IsZero() {
		p.options.Log.Warn("identities for upstreams are signed with a key that was made just now: other nodes, and this one after a restart, sign with another; set identity.key")
	}
	p.signer = signer
	return nil
}

// keySet serves the public keys; nil when nothing is signed.
func (p *program) keySet() http.Handler {
	if p.signer == nil {
		return nil
	}
	return p.signer.JWKS()
}

func mountKeySet(mux *http.ServeMux, keySet http.Handler) {
	if keySet != nil {
		mux.Handle(keySetPattern, keySet)
	}
}
