package gateway

import (
	"cmp"
	"crypto/tls"
	"errors"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// identity returns what signs the principal for an upstream.
func (g *Gateway) identity(u config.Upstream, name string) (func(x *exchange.Exchange) (string, error), error) {
	if g.cfg.Signer == nil {
		return nil, errors.New("it wants signed identities, and nothing signs them")
	}
	return g.cfg.Signer.Identity(cmp.Or(u.Audience, name))
}

// clientCertificate reads warder's own certificate for an upstream, once: a new
// one takes a restart.
func clientCertificate(certFile, keyFile string) (func() (*tls.Certificate, error), error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return func() (*tls.Certificate, error) { return &pair, nil }, nil
}
