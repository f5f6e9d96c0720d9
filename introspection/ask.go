package introspection

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/warder-dev/warder/internal/outgoing"
	"github.com/warder-dev/warder/secret"
)

// An endpoint answers what a token is.
type endpoint struct {
	url           string
	authorization secret.Text
	client        *http.Client
	timeout       time.Duration
}

func newEndpoint(cfg *Config) (*endpoint, error) {
	client, err := outgoing.New(outgoing.Config{
		Timeout: cfg.Timeout, MaxBytes: int64(cfg.MaxAnswerBytes), MaxConnections: cfg.MaxConnections,
		RootCAs: cfg.RootCAs, InsecureHTTP: cfg.InsecureHTTP,
	})
	if err != nil {
		return nil, err
	}
	return &endpoint{cfg.URL, authorization(cfg), client, cfg.Timeout}, nil
}

// authorization returns the field that proves warder to the endpoint. Within
// Basic, both parts are encoded as in a form (RFC 6749, section 2.3.1).
func authorization(cfg *Config) secret.Text {
	if cfg.ClientID == "" {
		return secret.New("Bearer " + cfg.BearerToken.Reveal())
	}
	pair := url.QueryEscape(cfg.ClientID) + ":" + url.QueryEscape(cfg.ClientSecret.Reveal())
	return secret.New("Basic " + base64.StdEncoding.EncodeToString([]byte(pair)))
}

// ask returns the body of a 200 in JSON (RFC 7662, section 2). Errors hold
// neither the token nor the secret. The question goes on when ctx ends, since
// others may wait for its answer; it ends with the time-out.
func (e *endpoint) ask(ctx context.Context, token string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.timeout)
	defer cancel()
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, strings.NewReader(form))
	if err != nil {
		return nil, errors.New("introspection: the address is malformed")
	}
	request.Header.Set("Authorization", e.authorization.Reveal())
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "warder")
	response, err := e.client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("introspection: no answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // what was read counts
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("introspection: the endpoint answered with status %d", response.StatusCode)
	}
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, errors.New("introspection: the answer is no application/json")
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("introspection: read the answer: %w", err)
	}
	return body, nil
}
