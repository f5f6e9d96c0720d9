package jwt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/internal/bearer"
	"github.com/warder-dev/warder/internal/outgoing"
)

// maxSetBytes bounds a key set, and metadata.
const maxSetBytes = 1 << 20

// loaded is what an attempt brought.
type loaded struct {
	set      *keySet
	unusable error         // keys that should be usable and are not
	maxAge   time.Duration // a day when nothing was said
}

type loader func(ctx context.Context, client *http.Client) (loaded, error)

// newLoader returns what loads the keys of an issuer.
func newLoader(cfg *Issuer, fetch *Fetch) (loader, error) {
	if cfg.Discovery {
		return discover(cfg.Issuer, fetch.InsecureHTTP)
	}
	if _, err := outgoing.ParseURL(cfg.KeySetURL, fetch.InsecureHTTP); err != nil {
		return nil, fmt.Errorf("KeySetURL: %w", err)
	}
	return loadFrom(cfg.KeySetURL), nil
}

// metadataURL is where an issuer has its metadata (OpenID Connect Discovery 1.0,
// section 4).
func metadataURL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// discover asks the metadata of issuer where the keys are, each time anew.
func discover(issuer string, insecureHTTP bool) (loader, error) {
	at, err := outgoing.ParseURL(issuer, insecureHTTP)
	if err != nil || at.RawQuery != "" {
		return nil, errors.Join(errors.New("the issuer's name must be a URL without query for Discovery"), err)
	}
	return func(ctx context.Context, client *http.Client) (loaded, error) {
		text, _, err := get(ctx, client, metadataURL(issuer))
		if err != nil {
			return loaded{}, fmt.Errorf("metadata: %w", err)
		}
		address, err := keySetURL(text, issuer, at, insecureHTTP)
		if err != nil {
			return loaded{}, fmt.Errorf("metadata: %w", err)
		}
		return loadFrom(address)(ctx, client)
	}, nil
}

// keySetURL returns the jwks_uri in metadata, which must be that of issuer
// (OpenID Connect Discovery 1.0, section 4.3).
func keySetURL(metadata []byte, issuer string, at *url.URL, insecureHTTP bool) (string, error) {
	object, err := bearer.Object(metadata)
	if err != nil {
		return "", errors.New("it is no JSON object")
	}
	if name, _ := object["issuer"].(string); name != issuer {
		return "", errors.New("it is that of another issuer")
	}
	address, _ := object["jwks_uri"].(string)
	u, err := outgoing.ParseURL(address, insecureHTTP)
	if err != nil {
		return "", fmt.Errorf("jwks_uri: %w", err)
	}
	if u.Scheme == "http" && !outgoing.SameHost(u, at) {
		return "", errors.New("jwks_uri: want https, or the issuer's own host")
	}
	return address, nil
}

func loadFrom(address string) loader {
	return func(ctx context.Context, client *http.Client) (loaded, error) {
		text, header, err := get(ctx, client, address)
		if err != nil {
			return loaded{}, fmt.Errorf("key set: %w", err)
		}
		set, unusable, err := parseKeySet(text, false)
		if err != nil {
			return loaded{}, fmt.Errorf("key set: %w", errors.Join(err, unusable))
		}
		return loaded{set: set, unusable: unusable, maxAge: maxAge(header)}, nil
	}
}

// get returns the body of a 200. Errors do not name the address: whose it is, the
// caller says.
func get(ctx context.Context, client *http.Client, address string) (body []byte, h http.Header, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, nil, errors.New("the address is malformed")
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	request.Header.Set("User-Agent", "warder")
	response, err := client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }() // what was read counts
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("status %d", response.StatusCode)
	}
	body, err = io.ReadAll(response.Body)
	return body, response.Header, err
}

// maxAge returns how long a response stays fresh (RFC 9111, section 5.2.2).
func maxAge(h http.Header) time.Duration {
	age := 24 * time.Hour
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(h["Cache-Control"], ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err == nil {
				age = min(age, time.Duration(seconds)*time.Second)
			}
		}
	}
	return age
}
