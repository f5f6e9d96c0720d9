package server

import (
	"crypto/tls"
	"errors"
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
	cfg.Certificates, cfg.ClientCerts = certificatesOf(c)
	if err := p.acme(); err != nil {
		return fmt.Errorf("tls.acme: %w", err)
	}
	if p.managed != nil {
		cfg.Managed, cfg.ManagedName = p.managed.Certificate, p.managed.Name
	}
	source, err := tlsconfig.New(cfg)
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	p.certificates = source
	return nil
}

// certificatesOf are the files of c, and of whom it wants a certificate.
func certificatesOf(c *config.TLS) (pairs []tlsconfig.Files, clients tlsconfig.ClientCerts) {
	for _, pair := range c.Certificates {
		pairs = append(pairs, tlsconfig.Files{Certificate: pair.CertFile, Key: pair.KeyFile})
	}
	if c.ClientCAFile != "" {
		clients = tlsconfig.ClientCerts{CAFile: c.ClientCAFile, Mode: clientMode(c)}
	}
	return pairs, clients
}

// otherCertificates reads what cfg names, and returns what puts it in use.
func (p *program) otherCertificates(cfg *config.Config) (apply func(), err error) {
	if p.certificates == nil {
		return func() {}, nil
	}
	change, err := p.certificates.Prepare(certificatesOf(&cfg.TLS))
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return change.Apply, nil
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

// sameHandshake tells the gateway which names may share a connection; nil where nothing
// speaks TLS.
func (p *program) sameHandshake() func(name, host string) bool {
	if p.certificates == nil {
		return nil
	}
	return p.certificates.Shares
}

// certificateProblems lists what is wrong with the certificates now: nothing,
// when there are none or all are well.
func (p *program) certificateProblems() (problems []error) {
	if p.certificates == nil {
		return nil
	}
	now, status := time.Now(), p.certificates.Status()
	for _, c := range status.Certificates {
		if err := (tlsconfig.Status{Certificates: []tlsconfig.CertificateStatus{c}}).Err(now); err != nil {
			problems = append(problems, err)
		}
	}
	if ca := status.ClientCAs; ca != nil && ca.Err != nil {
		problems = append(problems, ca.Err)
	}
	if p.managed != nil {
		problems = append(problems, p.managed.Problems()...)
	}
	return problems
}

// firstExpiry is when the first of all certificates in use ends; the zero Time
// when there is none.
func (p *program) firstExpiry() time.Time {
	first := p.certificates.Status().NotAfter()
	if p.managed == nil {
		return first
	}
	for _, s := range p.managed.Status() {
		if !s.NotAfter.IsZero() && (first.IsZero() || s.NotAfter.Before(first)) {
			first = s.NotAfter
		}
	}
	return first
}

// watchTLS adds the figures of the certificates.
func (p *program) watchTLS() error {
	if p.certificates == nil {
		return nil
	}
	errs := []error{
		p.metrics.Watch("warder_tls_certificate_expiry_seconds", "When the first of the certificates expires, in Unix seconds; 0 while there is none.",
			func() float64 {
				if first := p.firstExpiry(); !first.IsZero() {
					return float64(first.Unix())
				}
				return 0
			}),
		p.metrics.Watch("warder_tls_certificate_problems", "Certificates, and files of client authorities, that need care: expired, missing, or replaced by what cannot be used.",
			func() float64 { return float64(len(p.certificateProblems())) }),
	}
	if p.managed != nil {
		errs = append(errs, p.metrics.Watch("warder_acme_failures_total", "How often no certificate could be got from the authority.",
			func() float64 { return float64(p.managed.Failures()) }))
	}
	return errors.Join(errs...)
}
