package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// Config configures an [Upstream]. URL is required; every other zero value is
// safe. Durations must not be negative.
type Config struct {
	_ [0]func()

	// URL is where the API is: http or https, a host, and at most a base path
	// that is put in front of every path. Required.
	URL string

	// Name is what the log calls this upstream when it fails: its address may be
	// nobody's business. Default none.
	Name string

	// StripPrefix is taken off the front of the path, at the end of a segment:
	// "/api" makes "/api/orders" into "/orders". A path without it is refused
	// with 500, or with 400 when only parameters inside it keep it from matching. Default none.
	StripPrefix string

	// Canonical judges the path that StripPrefix left, and returns what is
	// forwarded. An error is a 400. Required with StripPrefix.
	Canonical func(path string) (string, error)

	// RemoveHeaders are the request fields that carry credentials. They never
	// reach the upstream, in whatever spelling, and answers to authenticated
	// requests vary on them. Default none.
	RemoveHeaders []string

	// RemoveCookies are the cookies that carry credentials. They never reach the
	// upstream, the others arrive byte for byte, and answers to authenticated
	// requests vary on Cookie. Default none.
	RemoveCookies []string

	// RemoveQuery are the parameters that carry credentials, without case. They
	// never reach the upstream, neither in the query nor in the URL that Referer
	// names; the rest arrives byte for byte. Default none.
	RemoveQuery []string

	// Credential is warder's own credential for the upstream, as the whole value of
	// CredentialHeader, such as "Bearer ..." in Authorization. No client's field of
	// that name reaches the upstream. Default none.
	Credential secret.Text

	// CredentialHeader is the field of Credential. Default "Authorization".
	CredentialHeader string

	// ClientCertificate returns the certificate that proves warder to an https
	// upstream, for each new connection, so that it may be renewed; connections that
	// are kept go on with the older one. An error fails the request with 502.
	// Default none.
	ClientCertificate func() (*tls.Certificate, error)

	// Identity returns what X-Warder-Identity tells an upstream that must be able to
	// tell warder's word from anybody's: a token that warder signed. It stands beside
	// the other X-Warder fields, which prove nothing to an upstream that others can
	// reach. It is asked for requests of proved principals only, and must not keep
	// the exchange. An error, or a value that is no token of at most 16 KiB, fails
	// the request with 503. Default none.
	Identity func(x *exchange.Exchange) (string, error)

	// HostHeader is the Host that the upstream is told. Default: the one that the
	// client asked for, canonical, with its port. For an upstream that knows only
	// its own name, write that here.
	HostHeader string

	ConnectTimeout  time.Duration // for name and connection. Default 5 s
	TLSTimeout      time.Duration // for the TLS handshake. Default 5 s
	ResponseTimeout time.Duration // from the end of the request to the end of the response's head. Default 60 s
	IdleTimeout     time.Duration // between two pieces of a response's body, also of a stream. Default 5 min
	WriteTimeout    time.Duration // for the upstream to take one piece of what we send; in a tunnel, for the client too. Default 30 s
	KeepAlive       time.Duration // for which an unused connection is kept. Default 60 s

	// TunnelIdleTimeout is for how long a WebSocket may be silent in both
	// directions before it is closed. Default 10 min.
	TunnelIdleTimeout time.Duration

	// Recheck judges anew whether the sender of a request keeps the right to its
	// answer; see warder.Stack.Recheck. It is asked each second while a stream is
	// open: a WebSocket, an event stream, a gRPC call, and any answer of unknown
	// length that has lasted for a minute. When it does not pass, or fails twice, the
	// stream is cut, with the verdict's reason in the log. Default: nobody is asked.
	Recheck func(ctx context.Context, x *exchange.Exchange) exchange.Verdict

	// StreamMaxAge is for how long such a stream may last at most, whoever opened it.
	// Default: no such limit.
	StreamMaxAge time.Duration

	// NoReuseAfterBody gives every request with a body a connection that is closed
	// after it. It is for an upstream that may answer without reading a body: what
	// it leaves unread on a kept connection it reads as the next request, which
	// nobody judged. Without it that is so after every body whose sender nobody
	// authenticated, and after every body with another method than POST, PUT and
	// PATCH. It costs a connection for each. The gateway has no setting for it yet.
	NoReuseAfterBody bool

	MaxHeaderBytes     int64 // of a response's head, interim responses included. Default 256 KiB
	MaxIdleConnections int   // that are kept unused. Default 128

	// RootCAs are the authorities that may vouch for an https upstream. Default:
	// the system's.
	RootCAs *x509.CertPool

	// ServerName is the name that an https upstream must prove. Default: the
	// URL's host.
	ServerName string

	// InsecureSkipVerify accepts any certificate of an https upstream. It costs
	// the proof of whom every request, with its data, goes to.
	InsecureSkipVerify bool

	// Log gets what belongs to no request's outcome: a request that was sent
	// again, at level debug, and an upstream that sent bytes which nobody asked
	// for, at level warn, once per connection. Default none.
	Log *slog.Logger
}

func orDefault[T int | int64 | time.Duration](value *T, standard T) {
	if *value == 0 {
		*value = standard
	}
}

func (c *Config) setDefaults() {
	orDefault(&c.ConnectTimeout, 5*time.Second)
	orDefault(&c.TLSTimeout, 5*time.Second)
	orDefault(&c.ResponseTimeout, time.Minute)
	orDefault(&c.IdleTimeout, 5*time.Minute)
	orDefault(&c.WriteTimeout, 30*time.Second)
	orDefault(&c.KeepAlive, time.Minute)
	orDefault(&c.TunnelIdleTimeout, 10*time.Minute)
	orDefault(&c.MaxHeaderBytes, 256<<10)
	orDefault(&c.MaxIdleConnections, 128)
	if !c.Credential.IsZero() && c.CredentialHeader == "" {
		c.CredentialHeader = "Authorization"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// address is the upstream's URL, parsed.
type address struct {
	scheme, host string
	path         string // escaped, without trailing slash
}

func (c *Config) check() (address, error) {
	base, errs := parseURL(c.URL)
	errs = append(errs, c.checkPrefix()...)
	errs = append(errs, c.checkCredentials()...)
	if c.ClientCertificate != nil && base.scheme != "https" {
		errs = append(errs, errors.New("upstream: ClientCertificate has no effect without an https URL"))
	}
	if c.HostHeader != "" && !validHostHeader(c.HostHeader) {
		errs = append(errs, fmt.Errorf("upstream: HostHeader %q is not a host with at most a port", c.HostHeader))
	}
	for _, d := range []struct {
		name  string
		value int64
	}{
		{"ConnectTimeout", int64(c.ConnectTimeout)},
		{"TLSTimeout", int64(c.TLSTimeout)},
		{"ResponseTimeout", int64(c.ResponseTimeout)},
		{"IdleTimeout", int64(c.IdleTimeout)},
		{"WriteTimeout", int64(c.WriteTimeout)},
		{"KeepAlive", int64(c.KeepAlive)},
		{"StreamMaxAge", int64(c.StreamMaxAge)},
		{"TunnelIdleTimeout", int64(c.TunnelIdleTimeout)},
		{"MaxHeaderBytes", c.MaxHeaderBytes},
		{"MaxIdleConnections", int64(c.MaxIdleConnections)},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("upstream: %s is negative", d.name))
		}
	}
	return base, errors.Join(errs...)
}

func (c *Config) checkPrefix() []error {
	var errs []error
	if p := c.StripPrefix; p != "" {
		if p[0] != '/' || strings.HasSuffix(p, "/") || !plainTarget(p) || strings.ContainsAny(p, "?#") {
			errs = append(errs, fmt.Errorf("upstream: StripPrefix %q: want a path such as /api, without slash at its end", p))
		}
		if c.Canonical == nil {
			errs = append(errs, errors.New("upstream: StripPrefix needs Canonical"))
		}
	}
	return errs
}

// parseURL never repeats text: it may hold a password.
func parseURL(text string) (address, []error) {
	u, err := url.Parse(text)
	if err != nil {
		return address{}, []error{errors.New("upstream: URL cannot be parsed")}
	}
	var errs []error
	fail := func(bad bool, reason string) {
		if bad {
			errs = append(errs, errors.New("upstream: URL "+reason))
		}
	}
	fail(u.Scheme != "http" && u.Scheme != "https", "must begin with http:// or https://")
	fail(u.Hostname() == "", "has no host")
	fail(u.Port() != "" && !validPort(u.Port()), "has no usable port")
	fail(u.User != nil, "must not hold a user or password")
	fail(u.RawQuery != "" || u.ForceQuery, "must not have a query")
	fail(u.Fragment != "" || strings.Contains(text, "#"), "must not have a fragment")
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	fail(path != "" && (path[0] != '/' || strings.Contains(path, "//") || !plainTarget(path)), "has no plain base path")
	return address{scheme: u.Scheme, host: u.Host, path: path}, errs
}

func validHostHeader(text string) bool {
	u, err := url.Parse("http://" + text)
	return err == nil && u.Host == text && validHost(hostOnly(u)) && validPort(u.Port())
}

func hostOnly(u *url.URL) string { return strings.TrimSuffix(u.Host, ":"+u.Port()) }

func validFieldName(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		if b := name[i]; !isAlnum(b) && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return false
		}
	}
	return true
}
