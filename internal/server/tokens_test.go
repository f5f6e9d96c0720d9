package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/usage"
)

// tokenRoutes takes tokens of keys on some routes.
const tokenRoutes = `
tokens: {issuer: "https://api.example.com", audience: [orders, invoices]}
holder: {path: /_warder/me}
schemes:
  partner: {key: {in: bearer, tokens: true, insecure_any_audience: true}}
  orders: {key: {in: bearer, tokens: true, token_audience: orders}}
  plain: {key: {in: bearer}}
  idp: {jwt: {issuers: [{issuer: "https://issuer.example", audience: [api], jwks_file: "%s"}]}}
credits: {by: key}
rate_limits:
  few: {count: 5, per: 366d, by: [key]}
routes:
  - {match: /partner/, upstream: api, security: [{partner: ["orders:read"]}]}
  - {match: /orders/, upstream: api, security: [{orders: []}]}
  - {match: /plain/, upstream: api, security: [{plain: []}]}
  - {match: /both/, upstream: api, security: [{partner: []}, {idp: []}, {apiKey: []}]}
  - {match: /idp/, upstream: api, security: [{idp: []}]}
  - {match: /paid/, upstream: api, security: [{partner: []}], credits: {cost: 2}}
  - {match: /limited/, upstream: api, security: [{partner: []}, {apiKey: []}], rate_limits: [few]}
`

// exchange makes a token from a key, as its holder does.
func (p *program) exchange(t *testing.T, key, body string) (token string, answer *http.Response) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.gateway+"/_warder/me/token", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", key)
	r.Header.Set("Content-Type", "application/json")
	answer = do(t, r)
	var made struct {
		Token string `json:"access_token"`
	}
	if answer.StatusCode == http.StatusOK {
		if err := json.NewDecoder(answer.Body).Decode(&made); err != nil || made.Token == "" {
			t.Fatalf("the answer to an exchange: %v", err)
		}
	}
	return made.Token, answer
}

// bear asks for path with a bearer token.
func (p *program) bear(t *testing.T, path, token string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.gateway+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return do(t, r)
}

func (p *program) wantBearer(t *testing.T, what, path, token string, status int) {
	t.Helper()
	if got := p.bear(t, path, token).StatusCode; got != status {
		t.Errorf("%s: %d, want %d", what, got, status)
	}
}

// TestTokensThroughTheGateway makes tokens from keys, uses them, and takes the keys
// away.
func TestTokensThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	keys, sign := issuerOf(t)
	p := start(t, upstream.URL(), settings{yaml: fmt.Sprintf(tokenRoutes, keys)})
	for name, change := range map[string]func(t *testing.T, id apikey.ID) apikey.Revision{
		"revoked": func(t *testing.T, id apikey.ID) apikey.Revision {
			t.Helper()
			return p.change(t, id, apikey.OpRevoke, func(r *apikey.Record) { r.Revoked, r.Reason = time.Now(), "key-compromise" })
		},
		"disabled": func(t *testing.T, id apikey.ID) apikey.Revision {
			t.Helper()
			return p.change(t, id, apikey.OpDisable, func(r *apikey.Record) { r.Disabled = true })
		},
		"expired": func(t *testing.T, id apikey.ID) apikey.Revision {
			t.Helper()
			return p.change(t, id, apikey.OpUpdate, func(r *apikey.Record) { r.Expires = time.Now() })
		},
		"deleted": func(t *testing.T, id apikey.ID) apikey.Revision {
			t.Helper()
			return p.change(t, id, apikey.OpDelete, nil)
		},
		"rolled": func(t *testing.T, id apikey.ID) apikey.Revision {
			t.Helper()
			record, _, err := p.issuer.Roll(t.Context(), apikey.By{Actor: "system", Source: "test"}, id, 0, apikey.RollSpec{})
			if err != nil {
				t.Fatal(err)
			}
			return record.Revision
		},
	} {
		attack.Case(t, "KEY-38", attack.Gateway, func(t *testing.T) {
			record, key := p.create(t, apikey.Spec{Environment: "live", Scopes: []string{"orders:*"}})
			token, _ := p.exchange(t, key, "")
			p.wantBearer(t, "before", "/partner/", token, http.StatusOK)
			p.awaitNodes(t, change(t, record.ID)) // after the receipt no token passes
			p.wantBearer(t, name, "/partner/", token, http.StatusUnauthorized)
			p.wantBearer(t, name, "/both/", token, http.StatusUnauthorized)
			if _, answer := p.exchange(t, key, ""); answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: another token is made: %d", name, answer.StatusCode)
			}
		})
	}
	token, _ := p.exchange(t, p.key, "")
	narrow, _ := p.exchange(t, p.key, `{"scopes":["orders:write"],"audience":["invoices"]}`)
	foreign := sign(time.Now().Add(time.Hour))
	for _, tt := range []struct {
		what, path, token string
		status            int
	}{
		{"a token", "/partner/", token, 200},
		{"its key, at the same place", "/partner/", p.key, 200},
		{"without the scope", "/partner/", narrow, 403},
		{"for another", "/orders/", narrow, 401},
		{"for this one too", "/orders/", token, 200},
		{"where tokens are not taken", "/plain/", token, 401},
		{"beside tokens of others", "/both/", token, 200},
		{"a key beside them", "/both/", p.key, 200},
		{"another's token beside it", "/both/", foreign, 200},
		{"where others' tokens alone are taken", "/idp/", token, 401},
		{"another's token where it is not taken", "/partner/", foreign, 401},
		{"one that was altered", "/both/", token[:len(token)-8] + "AAAAAAAA", 401},
		{"the holder's page", "/_warder/me", token, 401},
	} {
		p.wantBearer(t, tt.what, tt.path, tt.token, tt.status)
	}
	if got := p.get(t, "/both/", token).StatusCode; got != http.StatusUnauthorized {
		t.Errorf("as a key in X-API-Key: %d, want 401", got)
	}
	if _, answer := p.exchange(t, token, ""); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token makes a token: %d", answer.StatusCode)
	}
	if log := p.log(t); strings.Contains(log, token) || strings.Contains(log, "eyJ") || !strings.Contains(log, string(p.record.ID)) {
		t.Error("the log holds a token, or does not name its key")
	}
}

// The limits of a key are those of its tokens: together they send as much as it.
func TestTokensShareTheLimitsOfTheirKey(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	keys, _ := issuerOf(t)
	p := start(t, upstream.URL(), settings{yaml: fmt.Sprintf(tokenRoutes, keys)})
	one, _ := p.exchange(t, p.key, "")
	two, _ := p.exchange(t, p.key, "")
	var got []int
	for i := range 6 {
		switch i % 3 {
		case 0:
			got = append(got, p.bear(t, "/limited/", one).StatusCode)
		case 1:
			got = append(got, p.bear(t, "/limited/", two).StatusCode)
		default:
			got = append(got, p.get(t, "/limited/", p.key).StatusCode)
		}
	}
	if want := []int{200, 200, 200, 200, 200, 429}; !slices.Equal(got, want) {
		t.Errorf("by two tokens and their key: %v, want %v", got, want)
	}
}

// The credits of a key are what its tokens spend.
func TestTokensSpendTheCreditsOfTheirKey(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	keys, _ := issuerOf(t)
	p := start(t, upstream.URL(), settings{yaml: fmt.Sprintf(tokenRoutes, keys)})
	who := usage.Subject{Kind: usage.Key, ID: string(p.record.ID)}
	p.giveCredits(t, who, 5, usage.Refill{})
	one, _ := p.exchange(t, p.key, "")
	two, _ := p.exchange(t, p.key, "")
	p.wantBearer(t, "a token", "/paid/", one, http.StatusOK)
	p.wantBearer(t, "another one", "/paid/", two, http.StatusOK)
	p.wantBearer(t, "the key, with one credit left", "/paid/", p.key, http.StatusTooManyRequests)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if spent, left := p.spent(t, who); spent != 4 || left != 1 {
		t.Errorf("%d credits are spent and %d left, want 4 and 1", spent, left)
	}
}

// A stream that a token opened ends with the token's key.
func TestAStreamEndsWithTheKeyOfItsToken(t *testing.T) {
	upstream := wire.Listen(t, streaming)
	keys, _ := issuerOf(t)
	p := start(t, upstream.URL(), settings{yaml: fmt.Sprintf(tokenRoutes, keys)})
	attack.Case(t, "KEY-37", attack.Gateway, func(t *testing.T) {
		record, key := p.create(t, apikey.Spec{Environment: "live", Scopes: []string{"orders:*"}})
		revoked, _ := p.exchange(t, key, "")
		lasting, _ := p.exchange(t, p.key, "")
		ending := p.open(t, "events", "/partner/", "Authorization: Bearer "+revoked+"\r\n")
		other := p.open(t, "events", "/partner/", "Authorization: Bearer "+lasting+"\r\n")
		p.change(t, record.ID, apikey.OpRevoke, func(r *apikey.Record) { r.Revoked, r.Reason = time.Now(), "key-compromise" })
		if !ends(t, ending) {
			t.Error("a stream goes on after its token's key was revoked")
		}
		lives(t, other)
		closeAll(t, other.Close)
		if reasons := reasonsOf(t, p.log(t), string(record.ID)); !slices.Contains(reasons, "stream-revoked") {
			t.Errorf("the requests of the key ended for %q, want stream-revoked among them", reasons)
		}
	})
}

// Others verify by what the gateway publishes.
func TestTheKeysOfTokensArePublished(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	keys, _ := issuerOf(t)
	p := start(t, upstream.URL(), settings{yaml: fmt.Sprintf(tokenRoutes, keys)})
	answer := p.get(t, "/.well-known/warder/jwks.json", "")
	set, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || answer.Header.Get("Cache-Control") != "public, max-age=300" || answer.Header.Get("Content-Type") != "application/jwk-set+json" {
		t.Fatalf("the key set: %d %v, %v", answer.StatusCode, answer.Header, err)
	}
	others, err := jwt.New(jwt.Config{Issuers: []jwt.Issuer{{Issuer: "https://api.example.com", Audience: []string{"invoices"}, Types: []string{"at+jwt"}, KeySet: set}}})
	if err != nil {
		t.Fatal(err)
	}
	token, _ := p.exchange(t, p.key, `{"audience":["invoices"]}`)
	if who, err := others.Verify(t.Context(), token); err != nil || who.Subject != string(p.record.ID) {
		t.Errorf("they prove %+v, %v", who, err)
	}
	token, _ = p.exchange(t, p.key, `{"audience":["orders"]}`)
	if _, err := others.Verify(t.Context(), token); err == nil {
		t.Error("a token for orders passes for invoices")
	}
}

// What is judged beside the program knows its tokens: explain, which may have its keys,
// and a configuration in its shadow, also where the program has no tokens.
func TestTokensInTrialsAndShadows(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	keys, _ := issuerOf(t)
	yaml := fmt.Sprintf(tokenRoutes, keys)
	own, err := jwt.GenerateKey(jwt.ES256)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, upstream.URL(), settings{yaml: yaml, tokenKeys: own, shadow: settings{yaml: yaml}.load(t, t.TempDir(), upstream.URL())})
	token, _ := p.exchange(t, p.key, "")
	for name, tt := range map[string]struct {
		keys   secret.Text
		status int
	}{"with the keys": {own, 0}, "without them": {secret.Text{}, 401}} {
		trial, err := server.NewTrial(server.TrialOptions{
			Config: settings{yaml: yaml}.load(t, t.TempDir(), upstream.URL()), Store: p.keys, Peppers: p.peppers, TokenKeys: tt.keys,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(trial.Close)
		answer, err := trial.Ask(server.Question{URL: "http://localhost/partner/1", Header: []string{"Authorization: Bearer " + token}})
		if err != nil || answer.Status != tt.status || answer.Allowed != (tt.status == 0) {
			t.Errorf("a trial %s: %d, %v, want %d", name, answer.Status, err, tt.status)
		}
	}
	plain := start(t, upstream.URL(), settings{
		yaml: "routes: [{match: /, upstream: api}]\n", shadow: settings{yaml: yaml}.load(t, t.TempDir(), upstream.URL()),
	})
	if got := plain.get(t, "/", plain.key).StatusCode; got != http.StatusOK {
		t.Errorf("with tokens in the shadow alone: %d, want 200", got)
	}
}

// silent is a store that can be told to give no answer.
type silent struct {
	apikey.Store

	down *atomic.Bool
}

var errAway = errors.New("the store is away")

func (a silent) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	if a.down.Load() {
		return apikey.Record{}, errAway
	}
	return a.Store.Lookup(ctx, id)
}

// Nobody knows whether a token's key is still good: the answer is 503, and neither 401
// nor 200.
func TestATokenWhileTheStoreIsAway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	keys, _ := issuerOf(t)
	var down atomic.Bool
	p := start(t, upstream.URL(), settings{
		yaml:  fmt.Sprintf(tokenRoutes, keys),
		store: func(s apikey.Store) apikey.Store { return silent{s, &down} },
	})
	token, _ := p.exchange(t, p.key, "")
	p.wantBearer(t, "before", "/partner/", token, http.StatusOK)
	down.Store(true)
	p.wantBearer(t, "while it is away", "/partner/", token, http.StatusServiceUnavailable)
	p.wantBearer(t, "altered, which nobody needs to ask about", "/partner/", token[:len(token)-8]+"AAAAAAAA", http.StatusUnauthorized)
	if _, answer := p.exchange(t, p.key, ""); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("an exchange while it is away: %d", answer.StatusCode)
	}
	down.Store(false)
	p.wantBearer(t, "after", "/partner/", token, http.StatusOK)
}
