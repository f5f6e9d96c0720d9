package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

// askAdmin sends JSON to the admin listener with a bearer token.
func (p *program) askAdmin(t *testing.T, token, method, path string, body any, fields ...string) (int, string) {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.admin+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(all)
}

// adminKey issues an admin key to the program's store, by a person or the operator.
func (p *program) adminKey(t *testing.T, by account.Actor, role account.Role, owner string) (account.Key, string) {
	t.Helper()
	keys, err := login.NewKeys(login.KeysConfig{Store: p.accounts, Peppers: p.peppers})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := keys.Close(); err != nil {
			t.Error(err)
		}
	}()
	key, text, err := keys.Issue(t.Context(), by, login.KeySpec{Role: role, Owner: owner})
	if err != nil {
		t.Fatal(err)
	}
	return key, text.Reveal()
}

// An admin key that is bound to an owner, through the admin listener of a program.
func TestAdminKeysOfOneOwner(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	const adminToken = "ADMINTOKENADMINTOKENADMINTOKEN"
	p := start(t, upstream.URL(), settings{token: secret.New(adminToken)})
	operator := account.Actor{By: "user:ada", Source: "cli", Operator: true}
	own, _ := p.create(t, apikey.Spec{Environment: "live", Name: "own", Owner: "acme"})
	theirs, text := p.create(t, apikey.Spec{Environment: "live", Name: "canary", Owner: "globex"})
	p.create(t, apikey.Spec{Environment: "live", Name: "canary", Owner: "globex"})
	other, mine := "/v1/keys/"+string(theirs.ID), "/v1/keys/"+string(own.ID)
	_, cursor := p.askAdmin(t, adminToken, http.MethodGet, "/v1/keys?limit=1", nil)
	next := cursor[strings.Index(cursor, `"next":"`)+len(`"next":"`):]
	next = next[:strings.Index(next, `"`)]

	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		for _, role := range []account.Role{account.Owner, account.Admin} {
			key, token := p.adminKey(t, operator, role, "acme")
			if key.Owner != "acme" || key.Maker != "" {
				t.Errorf("the admin key is of %q, by %q", key.Owner, key.Maker)
			}
			for _, tt := range []struct {
				method, path string
				body         any
				status       int
			}{
				{http.MethodGet, other, nil, 404},
				{http.MethodPatch, other, map[string]string{"name": "x"}, 404},
				{http.MethodPost, other + ":roll", struct{}{}, 404},
				{http.MethodPost, other + ":endOverlap", nil, 404},
				{http.MethodPost, other + ":revoke", struct{}{}, 404},
				{http.MethodPost, other + ":disable", nil, 404},
				{http.MethodPost, other + ":enable", nil, 404},
				{http.MethodDelete, other, nil, 404},
				{http.MethodGet, "/v1/keys?owner=globex", nil, 404},
				{http.MethodGet, "/v1/keys?limit=1&cursor=" + next, nil, 400},
				{http.MethodPost, "/v1/keys", map[string]string{"owner": "globex"}, 404},
				{http.MethodPost, "/v1/keys:batchCreate", map[string]any{"keys": []map[string]string{{}, {"owner": "globex"}}}, 404},
				{http.MethodPost, "/v1/keys:search", map[string]string{"text": text}, 404},
				{http.MethodPatch, mine, map[string]string{"owner": "globex"}, 404},
				{http.MethodGet, "/v1/usage?owner=globex", nil, 404},
				{http.MethodGet, "/v1/usage?key=" + string(theirs.ID), nil, 404},
				{http.MethodGet, "/v1/credits?owner=globex", nil, 404},
				{http.MethodGet, "/v1/credits?key=" + string(theirs.ID), nil, 404},
				{http.MethodPost, "/v1/credits:grant", map[string]any{"owner": "globex", "credits": 5}, 403},
				{http.MethodGet, "/v1/audit", nil, 403},
				{http.MethodGet, "/v1/audit:export", nil, 403},
				{http.MethodGet, "/v1/people", nil, 403},
				{http.MethodGet, "/v1/adminKeys", nil, 403},
				{http.MethodPost, "/v1/adminKeys", map[string]string{"role": "auditor"}, 403},
				{http.MethodGet, "/v1/limits", nil, 403},
				{http.MethodPost, "/v1/limits/any:reset", map[string]string{}, 403},
			} {
				status, answer := p.askAdmin(t, token, tt.method, tt.path, tt.body, "If-Match", "*")
				if status != tt.status || strings.Contains(answer, "canary") {
					t.Errorf("%s: %s %s %v = %d %s, want %d", role, tt.method, tt.path, tt.body, status, answer, tt.status)
				}
			}
			if status, answer := p.askAdmin(t, token, http.MethodGet, "/v1/keys", nil); status != 200 || !strings.Contains(answer, `"name":"own"`) || strings.Contains(answer, "canary") {
				t.Errorf("%s lists %d %s", role, status, answer)
			}
			if _, answer := p.askAdmin(t, token, http.MethodPost, "/v1/keys:verify", map[string]string{"key": text}); !strings.Contains(answer, `"valid":false`) || !strings.Contains(answer, `"reason":"unknown"`) {
				t.Errorf("%s verifies another's key: %s", role, answer)
			}
			if status, answer := p.askAdmin(t, token, http.MethodGet, "/v1/whoami", nil); status != 200 || !strings.Contains(answer, `"owner":"acme"`) {
				t.Errorf("%s is %d %s", role, status, answer)
			}
			if status, answer := p.askAdmin(t, token, http.MethodPatch, mine, map[string]string{"name": "own"}, "If-Match", "*"); status != 200 {
				t.Errorf("%s changes its own: %d %s", role, status, answer)
			}
		}
		if k, err := p.keys.Lookup(t.Context(), theirs.ID); err != nil || k.Revision != theirs.Revision {
			t.Errorf("the key of another owner was changed: %v", err)
		}
	})

	// One that a person made is bound to nobody: least of all to that person.
	key, token := p.adminKey(t, account.Actor{By: "account:aaaaaaaaaaaaaaaa", Source: "192.0.2.1", ID: "aaaaaaaaaaaaaaaa", Role: account.Owner, Fresh: true}, account.Developer, "")
	if key.Owner != "" || key.Maker != "aaaaaaaaaaaaaaaa" {
		t.Errorf("the key is of %q, by %q", key.Owner, key.Maker)
	}
	if status, answer := p.askAdmin(t, token, http.MethodGet, other, nil); status != 200 {
		t.Errorf("an admin key that a person made sees %d %s", status, answer)
	}
}
