package oidc

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Token returns an access token of the client's own, as it gets one from the
// token endpoint (RFC 6749, section 4.4).
func (p *Provider) Token(tb testing.TB, client Client, scopes ...string) string {
	tb.Helper()
	body := p.post(tb, client, TokenPath, url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Join(scopes, " ")}})
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.AccessToken == "" {
		tb.Fatalf("oidc: the token endpoint said %s, %v", body, err)
	}
	return answer.AccessToken
}

// Revoke makes a token of the client worth nothing (RFC 7009).
func (p *Provider) Revoke(tb testing.TB, client Client, token string) {
	tb.Helper()
	p.post(tb, client, RevokePath, url.Values{"token": {token}, "token_type_hint": {"access_token"}})
}

// post sends a form as the client, and returns what a 200 holds.
func (p *Provider) post(tb testing.TB, client Client, path string, form url.Values) []byte {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(client.ID), url.QueryEscape(client.Secret))
	own := p.Client()
	defer own.CloseIdleConnections()
	w, err := own.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }() // what was read counts
	body, err := io.ReadAll(w.Body)
	if err != nil || w.StatusCode != http.StatusOK {
		tb.Fatalf("oidc: %s answered %d %s, %v", path, w.StatusCode, body, err)
	}
	return body
}
