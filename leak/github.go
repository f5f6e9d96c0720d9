package leak

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/warder-dev/warder/internal/outgoing"
)

// GitHubKeysURL is where GitHub has the keys of its secret scanning.
const GitHubKeysURL = "https://api.github.com/meta/public_keys/secret_scanning"

// The fields of a report of GitHub, as [http.Header] has them.
const (
	identifierField = "Github-Public-Key-Identifier"
	signatureField  = "Github-Public-Key-Signature"
)

const (
	keysFresh     = time.Hour     // keys are fetched anew at the first report after it
	keysStale     = 7 * time.Hour // and no longer believed after this, when that fails
	keysPause     = time.Minute   // between two questions for a key that nobody knows
	maxKeys       = 64
	maxIdentifier = 256 // bytes
	maxSignature  = 512 // bytes, of base64
)

// GitHubConfig configures a [GitHub]. The zero value is valid.
type GitHubConfig struct {
	_            [0]func()
	KeysURL      string         // Default [GitHubKeysURL].
	RootCAs      *x509.CertPool // that may sign that server's certificate. Default: the system's.
	InsecureHTTP bool           // fetches the keys over plain HTTP. It costs: whoever is on the way writes reports. For tests on one machine.
}

// GitHub is the secret scanning of GitHub as a [Sender]: its reports are signed by
// ECDSA on P-256 with SHA-256 (FIPS 186-5), under keys that it publishes. It is
// safe for concurrent use.
type GitHub struct {
	url    string
	client *http.Client

	mu      sync.Mutex // held while keys are fetched: one question at a time, for all who wait
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time // when keys were last fetched
	asked   time.Time // when that was last tried
}

// NewGitHub reports everything that is wrong with cfg at once. It asks nobody yet.
func NewGitHub(cfg GitHubConfig) (*GitHub, error) {
	if cfg.KeysURL == "" {
		cfg.KeysURL = GitHubKeysURL
	}
	_, urlErr := outgoing.ParseURL(cfg.KeysURL, cfg.InsecureHTTP)
	if urlErr != nil {
		urlErr = fmt.Errorf("leak: KeysURL: %w", urlErr)
	}
	client, err := outgoing.New(outgoing.Config{RootCAs: cfg.RootCAs, InsecureHTTP: cfg.InsecureHTTP, MaxConnections: 1})
	if err := errors.Join(urlErr, err); err != nil {
		return nil, err
	}
	return &GitHub{url: cfg.KeysURL, client: client}, nil
}

// Name returns "leak:github".
func (*GitHub) Name() string { return "leak:github" }

// Close gives back idle connections.
func (g *GitHub) Close() { g.client.CloseIdleConnections() }

// Authenticate implements [Sender]. Keys are fetched at the first report, and
// again when they are an hour old, or when a report names one that is not among
// them, at most once a minute.
func (g *GitHub) Authenticate(ctx context.Context, header http.Header, body []byte) error {
	identifier, encoded := one(header, identifierField), one(header, signatureField)
	if identifier == "" || len(identifier) > maxIdentifier || encoded == "" || len(encoded) > maxSignature {
		return ErrSignature
	}
	signature, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ErrSignature
	}
	key, err := g.key(ctx, identifier)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if key == nil || !ecdsa.VerifyASN1(key, sum[:], signature) {
		return ErrSignature
	}
	return nil
}

// key returns the key of that name, nil when there is none.
func (g *GitHub) key(ctx context.Context, identifier string) (*ecdsa.PublicKey, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	key, known := g.keys[identifier]
	age := now.Sub(g.fetched)
	if g.keys != nil && age < keysFresh && (known || now.Sub(g.asked) < keysPause) {
		return key, nil
	}
	var err error
	if g.asked.IsZero() || now.Sub(g.asked) >= keysPause {
		g.asked = now
		var keys map[string]*ecdsa.PublicKey
		if keys, err = g.fetch(ctx); err == nil {
			g.keys, g.fetched = keys, now
			return g.keys[identifier], nil
		}
	}
	if known && age < keysStale {
		return key, nil
	}
	return nil, errors.Join(errNoKeys, err)
}

var errNoKeys = errors.New("leak: the sender's keys cannot be had")

// fetch asks for the keys. It goes on when the request ends whose report it is
// for: others wait for the same.
func (g *GitHub) fetch(ctx context.Context) (map[string]*ecdsa.PublicKey, error) {
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, g.url, nil) //nolint:gosec // the operator names the address, and internal/outgoing refuses what must not be asked
	if err != nil {
		return nil, errors.New("leak: the address of the keys is malformed")
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "warder")
	response, err := g.client.Do(request) //nolint:gosec // as above
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // what was read counts
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("leak: the keys are answered with status %d", response.StatusCode)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return parseKeys(body)
}

// parseKeys reads the document that GitHub publishes. A key of another sort is
// passed over: it may be for readers of a later form.
func parseKeys(body []byte) (map[string]*ecdsa.PublicKey, error) {
	var document struct {
		Keys []struct {
			Identifier string `json:"key_identifier"`
			Key        string `json:"key"`
		} `json:"public_keys"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, errors.New("leak: the keys are not the JSON that was expected")
	}
	keys := make(map[string]*ecdsa.PublicKey)
	for _, one := range document.Keys {
		if key := parseKey(one.Key); key != nil && one.Identifier != "" && len(keys) < maxKeys {
			keys[one.Identifier] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("leak: there is no ECDSA key on P-256 among the keys")
	}
	return keys, nil
}

// parseKey reads one key (RFC 7468, section 13).
func parseKey(text string) *ecdsa.PublicKey {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil
	}
	return key
}
