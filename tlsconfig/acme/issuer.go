package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// maxOrders is how many certificates are asked for at once.
const maxOrders = 4

// issuer asks the authority. It is certmagic's Issuer, and answers challenges by
// what is served already, where certmagic's own would open ports by itself.
type issuer struct {
	manager *Manager
	client  *http.Client
	storage certmagic.Storage
	solvers map[string]acmez.Solver
	key     string
	orders  chan struct{}
}

func newIssuer(m *Manager, client *http.Client, storage certmagic.Storage) *issuer {
	i := &issuer{
		manager: m, client: client, storage: storage, key: issuerKey(m.cfg.Directory),
		solvers: map[string]acmez.Solver{}, orders: make(chan struct{}, maxOrders),
	}
	switch {
	case m.cfg.DNS != nil:
		i.solvers[acme.ChallengeTypeDNS01] = records{m.cfg.DNS, newLookout(m.cfg.Propagation)}
	default:
		if m.cfg.HTTP {
			i.solvers[acme.ChallengeTypeHTTP01] = &m.challenges
		}
		if m.cfg.TLSALPN {
			i.solvers[acme.ChallengeTypeTLSALPN01] = &m.challenges
		}
	}
	return i
}

// issuerKey is the part of the folder that belongs to an authority.
func issuerKey(directory string) string {
	u, err := url.Parse(directory)
	if err != nil {
		return certmagic.StorageKeys.Safe(directory) // refused before
	}
	return certmagic.StorageKeys.Safe(u.Host + "-" + strings.Trim(strings.ReplaceAll(u.Path, "/", "-"), "-"))
}

// IssuerKey implements certmagic.Issuer.
func (i *issuer) IssuerKey() string { return i.key }

// ask makes a client for one order: it holds what the authority said of itself.
func (i *issuer) ask() *acmez.Client {
	return &acmez.Client{
		Client:           &acme.Client{Directory: i.manager.cfg.Directory, HTTPClient: i.client, UserAgent: "warder"},
		ChallengeSolvers: i.solvers,
	}
}

// bound makes ctx end with the manager.
func (i *issuer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(i.manager.run, cancel)
	return ctx, func() { stop(); cancel() }
}

// Issue implements certmagic.Issuer, for first certificates and renewals.
func (i *issuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	ctx, cancel := i.bound(ctx)
	defer cancel()
	select {
	case i.orders <- struct{}{}:
		defer func() { <-i.orders }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	name := csr.DNSNames[0]
	old, renewal := i.manager.cached(name)
	chain, err := i.order(ctx, csr, old.Leaf)
	if n := i.manager.names[name]; n != nil && renewal {
		if err != nil {
			i.manager.failed(name, fmt.Errorf("renewal: %w", err), 0)
		} else {
			n.set(nil)
		}
	}
	if err != nil {
		return nil, err
	}
	i.manager.cfg.Log.Info("a certificate was got", attrs(name, renewal)...)
	return &certmagic.IssuedCertificate{Certificate: chain.ChainPEM, Metadata: chain}, nil
}

// order gets a certificate, once with a new account when the authority has
// forgotten ours, and once without naming the old certificate when the authority
// does not know that (RFC 9773, section 5).
func (i *issuer) order(ctx context.Context, csr *x509.CertificateRequest, replaces *x509.Certificate) (acme.Certificate, error) {
	chain, err := i.orderOnce(ctx, csr, replaces)
	var refused acme.Problem
	if !errors.As(err, &refused) {
		return chain, err
	}
	switch {
	case refused.Type == acme.ProblemTypeAccountDoesNotExist:
		if err := i.forgetAccount(ctx); err != nil {
			return acme.Certificate{}, err
		}
		return i.orderOnce(ctx, csr, replaces)
	case replaces != nil && (refused.Type == acme.ProblemTypeMalformed || refused.Type == acme.ProblemTypeUnauthorized):
		return i.orderOnce(ctx, csr, nil)
	default:
		return acme.Certificate{}, err
	}
}

func (i *issuer) orderOnce(ctx context.Context, csr *x509.CertificateRequest, replaces *x509.Certificate) (acme.Certificate, error) {
	client := i.ask()
	account, err := i.account(ctx, client.Client)
	if err != nil {
		return acme.Certificate{}, err
	}
	order, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return acme.Certificate{}, err
	}
	if directory, err := client.GetDirectory(ctx); err == nil && directory.RenewalInfo != "" {
		order.Replaces = replaces
	}
	chains, err := client.ObtainCertificate(ctx, order)
	if err != nil {
		return acme.Certificate{}, err
	}
	if len(chains) == 0 {
		return acme.Certificate{}, errors.New("acme: the authority sent no certificate")
	}
	return chains[0], nil
}

// GetRenewalInfo asks when a certificate should be renewed (RFC 9773). It
// implements certmagic.RenewalInfoGetter.
func (i *issuer) GetRenewalInfo(ctx context.Context, c certmagic.Certificate) (acme.RenewalInfo, error) {
	ctx, cancel := i.bound(ctx)
	defer cancel()
	return i.ask().GetRenewalInfo(ctx, c.Leaf)
}

func (i *issuer) close() { i.client.CloseIdleConnections() }
