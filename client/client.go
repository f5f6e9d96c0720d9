// Package client is the Go client of warder's admin API. Its types and operations
// are generated from the API's OpenAPI document, so that they are what the server
// says; this file is what all of them share.
//
//	c, err := client.New(client.Config{Server: "http://127.0.0.1:8081", Token: token})
//	made, err := c.CreateKey(ctx, client.CreateKeyParams{IdempotencyKey: rand.Text()}, client.KeySpec{Name: "ci"})
//	key := made.Value.Text // printed by nothing; Reveal it at the one place of use
//
// An answer that is no success is a [*Problem], as an error: see errors.As.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/secret"
)

//go:generate go test ../internal/clientgen -update

// Config configures a [Client].
type Config struct {
	_ [0]func()

	// Server is the base URL of the API: "https://keys.example.com", or
	// "http://127.0.0.1:8081". Plain HTTP is for loopback addresses only: the token
	// goes with every request. Required.
	Server string

	// Token is sent as a bearer token. Required.
	Token secret.Text

	// Roots are the authorities that the server's certificate may come from. nil: those
	// of the system.
	Roots *x509.CertPool

	// Timeout is for one request with its answer. Default 30s.
	Timeout time.Duration

	// Tries is how often a request is sent that gets no answer, or 503: only one that
	// changes nothing, or that has an Idempotency-Key. 1 to 10. Default 3.
	Tries int
}

const (
	defaultTimeout = 30 * time.Second
	defaultTries   = 3
	maxTries       = 10
	firstPause     = 100 * time.Millisecond // before the second try; then twice the one before
	maxPause       = 5 * time.Second        // whatever Retry-After says
	maxAnswer      = 64 << 20               // bytes
	maxProblem     = 1 << 20                // bytes
	maxDocument    = 16 << 20               // bytes
	documentTitle  = "warder key service"   // of the API's document
)

// A Client asks the admin API. It is safe for concurrent use.
type Client struct {
	cfg  Config
	base string
	http *http.Transport
}

// New reports everything that is wrong with cfg at once. Nothing is sent.
func New(cfg Config) (*Client, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Tries == 0 {
		cfg.Tries = defaultTries
	}
	errs := []error{checkServer(cfg.Server)}
	if cfg.Token.IsZero() || strings.ContainsAny(cfg.Token.Reveal(), " \t\r\n\x00") {
		errs = append(errs, errors.New("client: Token is missing, or has blanks"))
	}
	if cfg.Timeout < 0 || cfg.Tries < 1 || cfg.Tries > maxTries {
		errs = append(errs, fmt.Errorf("client: want a Timeout above 0, and 1 to %d Tries", maxTries))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, base: strings.TrimSuffix(cfg.Server, "/"), http: &http.Transport{
		TLSClientConfig:       &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: cfg.Timeout,
	}}, nil // no proxy of the environment: the token is for the server alone
}

// checkServer refuses what would send the token where others read it.
func checkServer(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return errors.New("client: Server: want a URL such as https://keys.example.com, without path, user and query")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("client: Server: want https, or http on this machine")
	}
	if address, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !address.Unmap().IsLoopback()) {
		return errors.New("client: Server: plain http is for this machine only, since whoever is on the way could read the token: want https")
	}
	return nil
}

// Close closes connections that nothing uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// IsAdminAPI reports whether the admin API of a warder answers at Server, by asking
// for its document without the token: after a refusal it tells a wrong address from
// a wrong token. It is false when nothing answers, too.
func (c *Client) IsAdminAPI(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/openapi.json", http.NoBody)
	if err != nil {
		return false
	}
	response, err := c.http.RoundTrip(request)
	if err != nil {
		return false
	}
	defer response.Body.Close() //nolint:errcheck // read only
	var document struct {
		Info struct {
			Title string `json:"title"`
		} `json:"info"`
	}
	err = json.NewDecoder(io.LimitReader(response.Body, maxDocument)).Decode(&document)
	return err == nil && response.StatusCode == http.StatusOK && document.Info.Title == documentTitle
}

// A Result is an answer.
type Result[T any] struct {
	Value    T
	ETag     string // the state of the key, for IfMatch; "" for none
	Replayed bool   // it is the answer to an earlier request with the same IdempotencyKey, and has no text of a key
}

// Error says what the server refused, and which fields.
func (p *Problem) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "client: the server answered %d: %s", p.Status, p.Title)
	if p.Detail != "" {
		text.WriteString(": " + p.Detail)
	}
	for _, f := range p.Errors {
		text.WriteString("; " + f.Field + ": " + f.Message)
	}
	return text.String()
}

// Kind returns the word that the problem's type ends in, such as "not-found"; "" when
// the answer was none of the API's.
func (p *Problem) Kind() string {
	_, kind, _ := strings.Cut(p.Type, "#")
	return kind
}

// A Text is the text of a key. Nothing prints it but what asks it to
// [secret.Text.Reveal].
type Text struct{ secret.Text }

// NewText returns s as the text of a key.
func NewText(s string) Text { return Text{secret.New(s)} }

// UnmarshalJSON reads it.
func (t *Text) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return errors.New("client: the text of a key is no string")
	}
	t.Text = secret.New(s)
	return nil
}

// A request is one call.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         any // nil for none
}

// set adds a parameter unless it is zero.
func set[F url.Values | http.Header, V string | bool | int64 | time.Time](to F, name string, value V) {
	var text string
	switch v := any(value).(type) {
	case string:
		text = v
	case bool:
		if v {
			text = "true"
		}
	case int64:
		if v != 0 {
			text = strconv.FormatInt(v, 10)
		}
	case time.Time:
		if !v.IsZero() {
			text = v.UTC().Format(time.RFC3339Nano)
		}
	}
	if text == "" {
		return
	}
	if header, ok := any(to).(http.Header); ok {
		header.Set(name, text)
		return
	}
	to[name] = []string{text}
}

// encode returns the body. One with the text of a key says itself how it goes out.
func (r *request) encode() ([]byte, error) {
	switch body := r.body.(type) {
	case nil:
		return nil, nil
	case interface{ wire() ([]byte, error) }:
		return body.wire()
	default:
		return json.Marshal(body)
	}
}

// wires are the elements of a list as each says itself how it goes out.
func wires[T interface{ wire() ([]byte, error) }](all []T) ([]json.RawMessage, error) {
	out := make([]json.RawMessage, len(all))
	for i := range all {
		text, err := all[i].wire()
		if err != nil {
			return nil, err
		}
		out[i] = text
	}
	return out, nil
}

// repeatable reports whether to send it again does nothing twice.
func (r *request) repeatable() bool {
	return r.method == http.MethodGet || r.header.Get("Idempotency-Key") != ""
}

// call sends r, again where that is safe, and reads the answer.
func call[T any](ctx context.Context, c *Client, r request) (Result[T], error) {
	var result Result[T]
	text, err := r.encode()
	if err != nil {
		return result, fmt.Errorf("client: the request cannot be written: %w", err)
	}
	for try := 1; ; try++ {
		response, answer, err := c.send(ctx, &r, text) //nolint:bodyclose // send has read and closed it
		if err == nil && response.StatusCode < http.StatusMultipleChoices {
			if json.Unmarshal(answer, &result.Value) != nil {
				return result, errors.New("client: the server's answer is not what was expected: is it a warder of this version?")
			}
			result.ETag, result.Replayed = response.Header.Get("ETag"), response.Header.Get("Idempotency-Replayed") == "true"
			return result, nil
		}
		if err == nil {
			err = problemOf(response, answer)
		}
		if try == c.cfg.Tries || !r.repeatable() || response != nil && response.StatusCode != http.StatusServiceUnavailable {
			return result, err
		}
		select {
		case <-ctx.Done():
			return result, errors.Join(ctx.Err(), err)
		case <-time.After(pause(try, response)):
		}
	}
}

// pause is how long to wait after a try.
func pause(try int, response *http.Response) time.Duration {
	wait := firstPause << (try - 1)
	if response != nil {
		if n, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && n >= 0 {
			wait = max(wait, time.Duration(min(n, int(maxPause/time.Second)))*time.Second)
		}
	}
	return min(wait, maxPause)
}

// stream sends r, and returns an answer that is read as it comes, however long that
// takes: ctx bounds it. The caller closes it; one that breaks off ends in an error.
func (c *Client) stream(ctx context.Context, r *request) (io.ReadCloser, error) {
	response, err := c.exchange(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < http.StatusMultipleChoices {
		return response.Body, nil
	}
	defer response.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err != nil {
		return nil, fmt.Errorf("client: the answer of %s broke off: %w", c.base, err)
	}
	return nil, problemOf(response, answer)
}

// send sends r once and reads the answer.
func (c *Client) send(ctx context.Context, r *request, text []byte) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	response, err := c.exchange(ctx, r, text)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("client: the answer of %s broke off: %w", c.base, err)
	}
	return response, answer, nil
}

// exchange sends r once. Redirects are not followed: the token is for the server
// alone.
func (c *Client) exchange(ctx context.Context, r *request, text []byte) (*http.Response, error) {
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, r.method, address, bytes.NewReader(text))
	if err != nil {
		return nil, errors.New("client: the request cannot be made")
	}
	maps.Copy(request.Header, r.header)
	request.Header.Set("Authorization", "Bearer "+c.cfg.Token.Reveal())
	request.Header.Set("Accept", "application/json")
	if text != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("client: %s does not answer: %w", c.base, err)
	}
	return response, nil
}

// problemOf reads a refusal. What is none of the API's gets its status only: it may
// hold anything.
func problemOf(response *http.Response, answer []byte) error {
	var p Problem
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") && json.Unmarshal(answer, &p) == nil && p.Status == int64(response.StatusCode) {
		return &p
	}
	return &Problem{Status: int64(response.StatusCode), Title: http.StatusText(response.StatusCode), Detail: "it is no answer of a warder's admin API"}
}
