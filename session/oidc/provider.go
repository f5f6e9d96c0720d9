package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/warder-dev/warder/secret"
)

const (
	requestTimeout = 10 * time.Second // for one question to the provider
	maxAnswer      = 1 << 20          // bytes of its answer
	rediscover     = 24 * time.Hour
	retryDiscovery = time.Second // after a failure, for a provider that was never found
	keepDiscovery  = 5 * time.Minute
)

// metadata is what a provider says of itself (OpenID Connect Discovery 1.0,
// section 3; RFC 8414, section 2; RFC 9207, section 3).
type metadata struct {
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Keys          string   `json:"jwks_uri"`
	EndSession    string   `json:"end_session_endpoint"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	SendsIssuer   bool     `json:"authorization_response_iss_parameter_supported"`

	verifier *gooidc.IDTokenVerifier
}

// style is how the client proves itself at the token endpoint. Basic is what a
// provider has that says nothing (RFC 8414, section 2).
func (m *metadata) style(password secret.Text) oauth2.AuthStyle {
	basic := len(m.TokenAuth) == 0 || slices.Contains(m.TokenAuth, "client_secret_basic")
	if basic && !password.IsZero() {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

var (
	errEndpoint = errors.New("oidc: the provider names an endpoint that is not an https URL")
	errNoS256   = errors.New("oidc: the provider takes no PKCE challenge by S256")
)

// check refuses a provider that cannot be used safely.
func (m *metadata) check(cfg *Config) error {
	for _, address := range []string{m.Authorization, m.Token, m.Keys} {
		if !cfg.usable(address) {
			return errEndpoint
		}
	}
	if m.EndSession != "" && !cfg.usable(m.EndSession) {
		return errEndpoint
	}
	if len(m.Challenges) > 0 && !slices.Contains(m.Challenges, "S256") {
		return errNoS256
	}
	return nil
}

// A provider finds out once what it has to know of the provider, and again each
// day.
type provider struct {
	client *Client
	lock   chan struct{} // of one: held while the provider is asked
	found  *metadata
	err    error
	again  time.Time // when to ask
}

func newProvider(c *Client) *provider {
	return &provider{client: c, lock: make(chan struct{}, 1)}
}

// get returns the provider's metadata. While it cannot be found out, the last
// that was counts.
func (p *provider) get(ctx context.Context) (*metadata, error) {
	select {
	case p.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.lock }()
	now := time.Now()
	if now.Before(p.again) {
		return p.found, p.err
	}
	found, err := p.discover(ctx)
	switch {
	case err == nil:
		p.found, p.err, p.again = found, nil, now.Add(rediscover)
	case ctx.Err() != nil:
		return p.found, errors.Join(err, ctx.Err()) // whoever asked has left: nothing is known
	case p.found != nil:
		p.again = now.Add(keepDiscovery)
	default:
		p.err, p.again = err, now.Add(retryDiscovery)
	}
	return p.found, p.err
}

func (p *provider) discover(ctx context.Context) (*metadata, error) {
	ctx = gooidc.ClientContext(ctx, p.client.http)
	discovered, err := gooidc.NewProvider(ctx, p.client.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("oidc: discovery: %w", brief(err))
	}
	m := new(metadata)
	if err := discovered.Claims(m); err != nil {
		return nil, fmt.Errorf("oidc: discovery: %w", brief(err))
	}
	if err := m.check(&p.client.cfg); err != nil {
		return nil, err
	}
	m.verifier = gooidc.NewVerifier(p.client.cfg.Issuer, keys{gooidc.NewRemoteKeySet(ctx, m.Keys)}, &gooidc.Config{
		ClientID: p.client.cfg.ClientID, SupportedSigningAlgs: m.algorithms(),
	})
	return m, nil
}

// algorithms returns those of the provider by which everybody can verify and
// nobody else can sign; RS256 when it names none, as every provider has it.
func (m *metadata) algorithms() []string {
	asymmetric := []string{
		gooidc.RS256, gooidc.RS384, gooidc.RS512, gooidc.ES256, gooidc.ES384, gooidc.ES512, gooidc.PS256, gooidc.PS384, gooidc.PS512, gooidc.EdDSA,
	}
	common := slices.DeleteFunc(asymmetric, func(a string) bool { return !slices.Contains(m.Algorithms, a) })
	if len(common) == 0 {
		return []string{gooidc.RS256}
	}
	return common
}

// keys tells whoever verifies, through the context, when the provider's keys
// could not be had: the library's error does not, and it is not the user's fault.
type keys struct{ remote gooidc.KeySet }

type awayKey struct{}

func (k keys) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	payload, err := k.remote.VerifySignature(ctx, raw)
	if away, ok := ctx.Value(awayKey{}).(*error); ok && err != nil && strings.HasPrefix(err.Error(), "fetching keys ") {
		*away = err
	}
	return payload, err
}

// A briefError is an error whose text is cut: libraries quote whole answers.
type briefError struct{ err error }

const maxErrorText = 200 // bytes

func brief(err error) error { return &briefError{err} }

func (e *briefError) Error() string {
	text := e.err.Error()
	if len(text) > maxErrorText {
		return text[:maxErrorText] + "..."
	}
	return text
}

func (e *briefError) Unwrap() error { return e.err }

// bounded returns c, or a client of our own, whose answers have a greatest size.
func bounded(c *http.Client) *http.Client {
	if c == nil {
		c = &http.Client{
			Timeout: requestTimeout,
			Transport: &http.Transport{ // Proxy is nil: none is taken from the environment
				DialContext:            (&net.Dialer{Timeout: requestTimeout / 2}).DialContext,
				TLSHandshakeTimeout:    requestTimeout / 2,
				ResponseHeaderTimeout:  requestTimeout,
				MaxResponseHeaderBytes: 64 << 10,
				MaxIdleConnsPerHost:    4,
				IdleConnTimeout:        time.Minute,
				ForceAttemptHTTP2:      true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	limited := *c
	if limited.Transport == nil {
		limited.Transport = http.DefaultTransport
	}
	limited.Transport = limit{limited.Transport}
	return &limited
}

// A limit is a transport whose answers end at maxAnswer.
type limit struct{ next http.RoundTripper }

func (l limit) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = &limitedBody{answer.Body, maxAnswer}
	return answer, nil
}

var errLong = errors.New("oidc: the provider's answer is too long")

type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
