// Package outgoing makes the HTTP clients that warder asks others with: for key
// sets, providers' metadata, introspection, webhooks.
//
// What such a client asks is often named by somebody else: a provider's
// metadata names further addresses, a customer names a webhook. So a client
// speaks https only, takes no proxy from the environment, follows no redirect
// to another host, refuses link-local addresses after the name was resolved
// (where cloud providers hand out the machine's credentials), and bounds the
// time and the size of whatever comes back. It keeps no cookies.
package outgoing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Config configures a client. The zero value is valid.
type Config struct {
	_ [0]func()

	// Timeout is for the whole of a request: resolving, connecting, redirects, the
	// body. Default 5 s, at most a minute.
	Timeout time.Duration

	// MaxBytes bounds a response's body; a longer one fails with [ErrTooLarge].
	// Default 1 MiB, at most 16 MiB.
	MaxBytes int64

	// MaxConnections bounds the connections to one host; further requests wait, and
	// the wait counts for Timeout. Default 8, at most 1024.
	MaxConnections int

	// RootCAs are trusted instead of the system's.
	RootCAs *x509.CertPool

	// PublicOnly refuses loopback and private addresses too. For addresses that
	// customers name, such as webhooks.
	PublicOnly bool

	// InsecureHTTP allows plain http: whoever is on the way reads what is sent and
	// writes what comes back, keys included. For tests on one machine.
	InsecureHTTP bool
}

const (
	defaultTimeout     = 5 * time.Second
	maxTimeout         = time.Minute
	defaultBytes       = 1 << 20
	maxBytes           = 16 << 20
	defaultConnections = 8
	maxConnections     = 1024

	maxRedirects   = 3
	maxHeaderBytes = 64 << 10
	idleTimeout    = 30 * time.Second
)

var (
	// ErrTooLarge means that a response's body is over the limit.
	ErrTooLarge = errors.New("outgoing: the response is too large")

	// ErrAddress means that the host's address is one that is never asked.
	ErrAddress = errors.New("outgoing: the address is not allowed")

	// ErrPlain means a request or redirect to http where https is required.
	ErrPlain = errors.New("outgoing: want https")

	// ErrRedirect means a redirect that is not followed.
	ErrRedirect = errors.New("outgoing: the redirect is not followed")
)

// New reports everything that is wrong with cfg at once. Whoever made the
// client calls CloseIdleConnections when it is no longer needed.
func New(cfg Config) (*http.Client, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	dialer := &net.Dialer{
		Timeout: cfg.Timeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return checkAddress(address, cfg.PublicOnly)
		},
	}
	t := &transport{insecureHTTP: cfg.InsecureHTTP, maxBytes: cfg.MaxBytes, next: &http.Transport{
		Proxy:                  nil, // whatever HTTP_PROXY says
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    cfg.Timeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxConnsPerHost:        cfg.MaxConnections,
		MaxIdleConns:           cfg.MaxConnections,
		MaxIdleConnsPerHost:    cfg.MaxConnections,
		IdleConnTimeout:        idleTimeout,
		DisableCompression:     true, // a limit on what comes is one on what is read
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
	}}
	return &http.Client{Transport: t, CheckRedirect: checkRedirect, Timeout: cfg.Timeout}, nil
}

// complete sets defaults and reports what is out of range.
func (c *Config) complete() error {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultBytes
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = defaultConnections
	}
	var errs []error
	if c.Timeout < 0 || c.Timeout > maxTimeout {
		errs = append(errs, fmt.Errorf("outgoing: timeout %v: want up to %v", c.Timeout, maxTimeout))
	}
	if c.MaxBytes < 0 || c.MaxBytes > maxBytes {
		errs = append(errs, fmt.Errorf("outgoing: limit of %d bytes: want up to %d", c.MaxBytes, int64(maxBytes)))
	}
	if c.MaxConnections < 0 || c.MaxConnections > maxConnections {
		errs = append(errs, fmt.Errorf("outgoing: %d connections: want up to %d", c.MaxConnections, maxConnections))
	}
	return errors.Join(errs...)
}

// ParseURL parses the address of something to ask: absolute, https (or http, if
// insecureHTTP says so), with a host, and without user and fragment. The error
// does not repeat text, which may hold a password.
func ParseURL(text string, insecureHTTP bool) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Opaque != "" || strings.Contains(text, "#"):
		return nil, errors.New("want an absolute URL with a host, without user and fragment")
	case u.Scheme == "https", u.Scheme == "http" && insecureHTTP:
		return u, nil
	default:
		return nil, errors.New("want https")
	}
}

// SameHost reports whether a and b name the same host and port.
func SameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// checkRedirect follows a few redirects on the same host, and only those of
// requests that have no body: what a form holds was meant for one address.
func checkRedirect(r *http.Request, via []*http.Request) error {
	from := via[len(via)-1]
	switch {
	case len(via) > maxRedirects,
		from.Method != http.MethodGet && from.Method != http.MethodHead,
		from.URL.Scheme != r.URL.Scheme,
		!SameHost(via[0].URL, r.URL):
		return ErrRedirect
	default:
		return nil
	}
}

// checkAddress judges an address that is about to be dialled: after the name was
// resolved, so that no name can lead elsewhere between a check and its use.
func checkAddress(address string, publicOnly bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || Refuses(ap.Addr(), publicOnly) {
		return ErrAddress
	}
	return nil
}
