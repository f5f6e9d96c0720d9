package server

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/tlsconfig"
)

// tls makes the source of the gateway's certificates, when it speaks TLS.
func (p *program) tls() error {
	c := &p.options.Config.TLS
	if !c.Enabled() {
		return nil
	}
	cfg := tlsconfig.Config{StrictNames: c.StrictNames, StrictFiles: c.StrictFiles, Log: p.options.Log}
	for _, pair := range c.Certificates {
		cfg.Certificates = append(cfg.Certificates, tlsconfig.Files{Certificate: pair.CertFile, Key: pair.KeyFile})
	}
	if c.ClientCAFile != "" {
		cfg.ClientCerts = tlsconfig.ClientCerts{CAFile: c.ClientCAFile, Mode: clientMode(c)}
	}
	source, err := tlsconfig.New(cfg)
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	p.certificates = source
	return nil
}

func clientMode(c *config.TLS) tlsconfig.ClientCertMode {
	if c.ClientAuth == "require" {
		return tlsconfig.ClientCertRequire
	}
	return tlsconfig.ClientCertRequest
}

// publicTLS is what the public listener speaks; nil for plain HTTP.
func (p *program) publicTLS() *tls.Config {
	if p.certificates == nil {
		return nil
	}
	return p.certificates.TLS()
}

// certificateTrouble says what is wrong with the certificates: nothing, when
// there are none or all are well.
func (p *program) certificateTrouble() error {
	if p.certificates == nil {
		return nil
	}
	return p.certificates.Status().Err(time.Now())
}

// watchTLS adds the figures of the certificates.
func (p *program) watchTLS() error {
	if p.certificates == nil {
		return nil
	}
	return p.metrics.Watch("warder_tls_certificate_expiry_seconds", "When the first of the certificates expires, in Unix seconds.",
		func() float64 { return float64(p.certificates.Status().NotAfter().Unix()) })
}
