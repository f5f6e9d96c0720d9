package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// A refusal is why an answer of the provider is not taken.
type refusal struct {
	reason  string // for the log
	problem *problem.Problem
	err     error // what there is to say besides, for the log; may be nil
}

func (e *refusal) Error() string { return "oidc: login refused: " + e.reason }

func (e *refusal) Unwrap() error { return e.err }

// Callback answers GET by which the provider leads back: it begins the session
// and leads to where the login was asked for, or refuses; see the package.
func (c *Client) Callback() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet {
			exchange.Respond(w, r, c.method, "", nil)
			return
		}
		back, err := c.callback(w, r)
		refused, isRefusal := errors.AsType[*refusal](err)
		switch {
		case isRefusal:
			c.refuse(w, r, refused.problem, refused.reason, refused.err)
		case err != nil:
			c.fail(w, r, err)
		default:
			w.Header().Set("Location", back)
			w.WriteHeader(http.StatusSeeOther)
		}
	})
}

// callback takes the provider's answer, in this order: is it this browser's, this
// provider's, and a good one; then the tokens.
func (c *Client) callback(w http.ResponseWriter, r *http.Request) (back string, err error) {
	answer, err := c.answer(r)
	if err != nil {
		return "", err
	}
	p, err := c.pending(r, answer.state)
	if err != nil {
		return "", err
	}
	c.setCookie(w, "", -1) // it has done its service, whatever comes of it
	m, err := c.provider.get(r.Context())
	if err != nil {
		return "", err
	}
	if err := c.accept(m, answer); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*requestTimeout)
	defer cancel()
	token, err := c.tokens(ctx, m, answer.code, p)
	if err != nil {
		return "", err
	}
	user, err := c.user(token)
	if err != nil {
		return "", err
	}
	if err := c.cfg.Sessions.Login(w, r, user); err != nil {
		return "", err
	}
	return p.Back, nil
}

func (c *Client) wrong(reason string) error { return &refusal{reason: reason, problem: c.refused} }

func (c *Client) wrongBecause(reason string, err error) error {
	return &refusal{reason: reason, problem: c.refused, err: brief(err)}
}

// An answer is what the provider sent with the browser (RFC 6749, section 4.1.2).
type answer struct {
	state, code, issuer, failure string
	hasIssuer, failed            bool
}

// answer reads the parameters. One that is there twice has two readings.
func (c *Client) answer(r *http.Request) (a answer, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return a, &refusal{reason: "query-malformed", problem: c.malformed}
	}
	for _, name := range []string{"state", "code", "iss", "error"} {
		if len(query[name]) > 1 {
			return a, &refusal{reason: name + "-repeated", problem: c.malformed}
		}
	}
	return answer{
		state: query.Get("state"), code: query.Get("code"), issuer: query.Get("iss"), failure: query.Get("error"),
		hasIssuer: query.Has("iss"), failed: query.Has("error"),
	}, nil
}

// pending returns the login of this browser that the state belongs to, and takes
// it: it is worth nothing afterwards.
func (c *Client) pending(r *http.Request, state string) (pending, error) {
	value, found := credential.Cookie(r.Header, c.cfg.Cookie)
	switch {
	case found == credential.Absent:
		return pending{}, c.wrong("cookie-missing")
	case found != credential.Once:
		return pending{}, &refusal{reason: "cookie-repeated", problem: c.malformed}
	}
	p, err := c.seal.open(value)
	switch {
	case err != nil:
		return pending{}, c.wrong("cookie-broken")
	case time.Now().Unix() >= p.Until:
		return pending{}, c.wrong("login-expired")
	case state == "":
		return pending{}, c.wrong("state-missing")
	case subtle.ConstantTimeCompare([]byte(state), []byte(p.State)) != 1:
		return pending{}, c.wrong("state-wrong")
	case !c.used.take(state):
		return pending{}, c.wrong("state-used")
	}
	return p, nil
}

// accept refuses an answer of another provider, and one that is none.
func (c *Client) accept(m *metadata, a answer) error {
	switch {
	case a.hasIssuer && a.issuer != c.cfg.Issuer:
		return c.wrong("issuer-wrong") // RFC 9207, section 2.4
	case !a.hasIssuer && m.SendsIssuer:
		return c.wrong("issuer-missing")
	case a.failed:
		return c.wrongBecause("provider-refused", fmt.Errorf("oidc: the provider says %s", word(a.failure)))
	case a.code == "":
		return c.wrong("code-missing")
	}
	return nil
}

// word returns s when it is a plain word, as the codes of errors are (RFC 6749,
// section 4.1.2.1): what a client sends is not logged as it likes.
func word(s string) string {
	if len(s) == 0 || len(s) > 64 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "something else"
	}
	return s
}

// tokens exchanges the code for an ID token, and proves it.
func (c *Client) tokens(ctx context.Context, m *metadata, code string, p pending) (*gooidc.IDToken, error) {
	ctx = gooidc.ClientContext(ctx, c.http)
	got, err := c.oauth(m).Exchange(ctx, code, oauth2.VerifierOption(p.Verifier))
	if failure, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		if status := failure.Response.StatusCode; status != http.StatusBadRequest && status != http.StatusUnauthorized || word(failure.ErrorCode) == "invalid_client" {
			return nil, fmt.Errorf("oidc: the token endpoint answered %d, %s", status, word(failure.ErrorCode)) // not the user's fault
		}
		return nil, c.wrongBecause("code-refused", fmt.Errorf("oidc: the provider says %s", word(failure.ErrorCode)))
	}
	if err != nil {
		return nil, fmt.Errorf("oidc: token endpoint: %w", brief(err))
	}
	raw, _ := got.Extra("id_token").(string)
	if raw == "" {
		return nil, c.wrong("id-token-missing")
	}
	var away error
	token, err := m.verifier.Verify(context.WithValue(ctx, awayKey{}, &away), raw)
	if away != nil {
		return nil, fmt.Errorf("oidc: the provider's keys: %w", brief(away))
	}
	if err != nil {
		return nil, c.wrongBecause("id-token-invalid", err)
	}
	return token, c.verify(token, got.AccessToken, p.Nonce)
}

// verify checks what the library leaves to its caller (OpenID Connect Core 1.0,
// sections 3.1.3.7 and 3.1.3.8).
func (c *Client) verify(token *gooidc.IDToken, access, nonce string) error {
	var party struct {
		Authorized *string `json:"azp"`
	}
	if err := token.Claims(&party); err != nil {
		return c.wrong("claims-malformed")
	}
	switch {
	case token.Nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1:
		return c.wrong("nonce-wrong")
	case party.Authorized != nil && *party.Authorized != c.cfg.ClientID,
		party.Authorized == nil && len(token.Audience) > 1:
		return c.wrong("authorized-party-wrong")
	case token.AccessTokenHash != "" && token.VerifyAccessToken(access) != nil:
		return c.wrong("access-token-wrong")
	case strings.TrimSpace(token.Subject) == "":
		return c.wrong("subject-empty")
	case token.Issuer != c.cfg.Issuer:
		return c.wrong("issuer-wrong") // the library lets one provider off
	}
	return nil
}
