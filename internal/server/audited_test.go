package server_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

// raw is the program's database, without its packages.
func (p *program) raw(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(p.folder, "warder.db")+"?_pragma=busy_timeout(20000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// texts returns the one column of query.
func texts(t *testing.T, db *sql.DB, query string, args ...any) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// stored is all that the admin API changes, but for the log.
const stored = `SELECT (SELECT coalesce(group_concat(id || name || owner || disabled || coalesce(revoked, 0) || detail || revision), '') FROM keys) || ';'
	|| (SELECT coalesce(group_concat(key_id || hex(digest) || coalesce(retires, 0)), '') FROM secrets) || ';' || (SELECT count(*) FROM changes) || ';'
	|| (SELECT coalesce(group_concat(kind || id || balance || coalesce(amount, 0)), '') FROM credits) || ';'
	|| (SELECT coalesce(group_concat(id || name || detail || revision), '') FROM accounts) || ';'
	|| (SELECT coalesce(group_concat(id || detail || revision), '') FROM admin_keys) || ';' || (SELECT count(*) FROM account_changes) || ';'
	|| (SELECT coalesce(group_concat(id || owner || coalesce(ended, 0)), '') FROM portal_passes) || ';'
	|| (SELECT coalesce(group_concat(id || name || metadata || revision), '') FROM owners)`

// A step is an operation of the admin API that changes something. What stands in
// braces is a member of an answer before it.
type step struct {
	operation    string // its id in the document; "" for what is not in it
	method, path string
	body         any
	entries      []string // that it leaves: op, kind and subject
	keep         string   // name for what the answer made
}

// shown is where the limit stands that two of the steps change: nothing of it is in the
// database.
func (p *program) shown(t *testing.T, token string) string {
	t.Helper()
	status, text := p.askAdmin(t, token, http.MethodPost, "/v1/limits/few:standing", map[string]any{"parts": map[string]string{"address": "127.0.0.1"}})
	if status != http.StatusOK {
		t.Fatalf("standing: %d %s", status, text)
	}
	var at keyservice.SubjectStanding
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(at.Subject, at.Count, at.Left)
}

func steps() []step {
	const key, one, admin = "/v1/keys/{key}", "/v1/people/{person}", "/v1/adminKeys/"
	of := func(op string) []string { return []string{op + " key {key}"} }
	account := func(op string) []string { return []string{op + " account {person}"} }
	return []step{
		{"createKey", "POST", "/v1/keys", map[string]any{"name": "a", "scopes": []string{"orders:read", "orders:write"}}, of("create"), "key"},
		{"createKeys", "POST", "/v1/keys:batchCreate", map[string]any{"keys": []struct{}{{}, {}}}, []string{"create key *", "create key *"}, ""},
		{"importKeys", "POST", "/v1/keys:import", map[string]any{"entries": []map[string]any{{"number": 0, "key": "legacy-0123456789abcdef"}, {"number": 1, "key": "legacy-fedcba9876543210"}}}, []string{"import key *", "import key *"}, ""},
		{"updateKey", "PATCH", key, map[string]string{"name": "b"}, of("update"), ""},
		{"rollKey", "POST", key + ":roll", map[string]string{"overlap": "1h"}, of("roll"), ""},
		{"endOverlap", "POST", key + ":endOverlap", nil, of("end-overlap"), ""},
		{"disableKey", "POST", key + ":disable", nil, of("disable"), ""},
		{"enableKey", "POST", key + ":enable", nil, of("enable"), ""},
		{"setCredits", "POST", "/v1/credits:set", map[string]any{"key": "{key}", "credits": 5}, []string{"set credits {key}"}, ""},
		{"grantCredits", "POST", "/v1/credits:grant", map[string]any{"key": "{key}", "credits": 5}, []string{"add credits {key}"}, ""},
		{"setRefill", "POST", "/v1/credits:setRefill", map[string]any{"key": "{key}", "every": "month", "amount": 7}, []string{"refill credits {key}"}, ""},
		{"reduceKey", "POST", key + ":reduce", nil, of("update"), ""},
		{"revokeKey", "POST", key + ":revoke", map[string]string{"reason": "superseded"}, of("revoke"), ""},
		{"revokeKeys", "POST", "/v1/keys:batchRevoke", map[string]any{"environment": "live", "count": 5, "reason": "superseded"}, []string{"revoke key *", "revoke key *", "revoke key *", "revoke key *", "revoke key *"}, ""},
		{"deleteKey", "DELETE", key, nil, of("delete"), ""},
		{"createPerson", "POST", "/v1/people", map[string]any{"name": "bob", "role": "auditor", "anywhere": true}, account("create"), "person"},
		{"invitePerson", "POST", one + ":invite", map[string]bool{"anywhere": true}, account("invite"), "person"},
		{"", "POST", "/v1/account/setup/finish", map[string]string{"link": "{link}", "password": "seven quiet otters"}, account("set-up"), ""},
		{"updatePerson", "PATCH", one, map[string]string{"email": "bob@example.com"}, account("describe"), ""},
		{"setPersonRole", "POST", one + ":setRole", map[string]string{"role": "developer"}, account("change-role"), ""},
		{"disablePerson", "POST", one + ":disable", nil, account("disable"), ""},
		{"enablePerson", "POST", one + ":enable", nil, account("enable"), ""},
		{"resetPerson", "POST", one + ":reset", map[string]bool{"password": true}, account("reset"), ""},
		{"removePerson", "DELETE", one, nil, account("remove"), ""},
		{"createAdminKey", "POST", "/v1/adminKeys", map[string]string{"role": "auditor"}, []string{"create-key admin-key {admin}"}, "admin"},
		{"putOwner", "PUT", "/v1/owners/record?owner=acme", map[string]string{"name": "Acme"}, []string{"create owner acme"}, ""},
		{"putOwner", "PUT", "/v1/owners/record?owner=acme", map[string]string{"name": "Acme Ltd"}, []string{"update owner acme"}, ""},
		{"deleteOwner", "DELETE", "/v1/owners/record?owner=acme", nil, []string{"delete owner acme"}, ""},
		{"createPortalLink", "POST", "/v1/portalLinks", map[string]string{"owner": "acme"}, []string{"create portal *"}, "pass"},
		{"endPortalLink", "POST", "/v1/portalLinks/{pass}:end", nil, []string{"end portal {pass}"}, ""},
		{"overrideLimit", "POST", "/v1/limits/few:override", map[string]any{"parts": map[string]string{"address": "127.0.0.1"}, "count": 9, "per": "366d"}, []string{"override limit few"}, ""},
		{"resetLimit", "POST", "/v1/limits/few:reset", map[string]any{"parts": map[string]string{"address": "127.0.0.1"}}, []string{"reset limit few"}, ""},
		{"revokeAdminKey", "POST", admin + "{admin}:revoke", struct{}{}, []string{"revoke-key admin-key {admin}"}, ""},
	}
}

// changing are the operations of the document that administer something.
func changing(t *testing.T, p *program, token string) (ids []string) {
	t.Helper()
	_, text := p.askAdmin(t, token, http.MethodGet, "/openapi.json", nil)
	var doc struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	for path, operations := range doc.Paths {
		if strings.HasPrefix(path, "/v1/account/") { // what a person does with itself, which wants a login
			continue
		}
		for method, o := range operations {
			// These read; what a verdict spends is usage, and a token is kept nowhere.
			// To confirm a document is tried where one waits: TestADocumentThatAsksForLess.
			if reads := []string{"searchKey", "verifyKey", "exchangeKey", "explainRequest", "limitStanding", "confirmDocument"}; method != "get" && !slices.Contains(reads, o.ID) {
				ids = append(ids, o.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// Each change by the admin API leaves exactly one entry for each thing that it
// changed; while the log takes none, nothing is changed.
func TestTheAdminAPILeavesOneEntry(t *testing.T) {
	attack.Case(t, "AUDIT-01", attack.Admin, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		const token = "ADMINTOKENADMINTOKENADMINTOKEN"
		const withPortal = "routes: [{match: \"/\", upstream: api}]\nportal: {listen: 127.0.0.1:0, url: 'http://localhost:8084'}\nrate_limits: {few: {count: 5, per: 366d, by: [address]}}\ndefault_rate_limits: [few]\n"
		p := start(t, upstream.URL(), settings{yaml: withPortal, token: secret.New(token), spec: apikey.Spec{Environment: "live"}})
		raw := p.raw(t)
		exec := func(query string) {
			t.Helper()
			if _, err := raw.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		const newest, since = `SELECT coalesce(max(seq), 0) FROM audit`, `SELECT actor || ' ' || source || ' ' || op || ' ' || kind || ' ' || subject FROM audit WHERE seq > ?1 ORDER BY seq`
		made, done := map[string]string{}, []string{}
		for _, s := range steps() {
			if s.operation != "" {
				done = append(done, s.operation)
			}
			fill := func(text string) string {
				for name, value := range made {
					text = strings.ReplaceAll(text, "{"+name+"}", value)
				}
				return text
			}
			body, err := json.Marshal(s.body)
			if err != nil {
				t.Fatal(err)
			}
			var filled any
			if s.body != nil {
				filled = json.RawMessage(fill(string(body)))
			}
			send := func() (int, string) {
				if s.entries[0] == "create owner acme" { // there is no state of it yet
					return p.askAdmin(t, token, s.method, fill(s.path), filled)
				}
				return p.askAdmin(t, token, s.method, fill(s.path), filled, "If-Match", "*")
			}
			if s.operation == "reduceKey" { // of a key that was used
				exec(`INSERT INTO usage_secrets (key_id, secret, at) VALUES ('` + made["key"] + `', 1, 1)`)
				exec(`INSERT INTO usage_scopes (key_id, scope, at) VALUES ('` + made["key"] + `', 'orders:read', 1)`)
			}
			if s.operation == "resetLimit" { // of somebody who has spent something
				_, key := p.create(t, apikey.Spec{Environment: "live"})
				if status, text := p.call(t, http.MethodGet, "/", key, ""); status != http.StatusOK {
					t.Fatalf("through the gateway: %d %s", status, text)
				}
			}
			state := func() string { return texts(t, raw, stored)[0] + p.shown(t, token) }
			before, was := texts(t, raw, newest)[0], state()
			for _, f := range faults() {
				if f.name == "the change" && strings.HasPrefix(s.path, "/v1/limits/") {
					continue // it is in memory, and the entry comes first
				}
				f.under(t, raw, func() {
					if status, answer := send(); status != http.StatusServiceUnavailable {
						t.Errorf("%s: %d %s, want 503 while the database refuses %s", s.path, status, answer, f.name)
					}
				})
				if got := state(); got != was || texts(t, raw, newest)[0] != before {
					t.Errorf("%s: %s is there without %s", s.path, f.otherHalf, f.name)
				}
			}
			status, answer := send()
			if status != http.StatusOK && status != http.StatusCreated {
				t.Fatalf("%s: %d %s", s.path, status, answer)
			}
			keep(t, s.keep, answer, made)
			if state() == was {
				t.Errorf("%s changed nothing: this shows nothing", s.path)
			}
			got := texts(t, raw, since, before)
			if len(got) != len(s.entries) {
				t.Errorf("%s left %d entries: %q, want %d", s.path, len(got), got, len(s.entries))
				continue
			}
			for i, entry := range s.entries {
				who := "admin-token"
				if s.operation == "" {
					who = "account:" + made["person"]
				}
				want := who + " 127.0.0.1 " + fill(entry)
				if prefix, any := strings.CutSuffix(want, "*"); got[i] != want && (!any || !strings.HasPrefix(got[i], prefix)) {
					t.Errorf("%s left %q, want %q", s.path, got[i], want)
				}
			}
		}
		slices.Sort(done)
		done = slices.Compact(done)
		if all := changing(t, p, token); !slices.Equal(done, all) {
			t.Errorf("tried are %q, and the document has %q", done, all)
		}
	})
}

// keep notes the id, and the link, of what an answer made.
func keep(t *testing.T, name, answer string, made map[string]string) {
	t.Helper()
	var members struct {
		ID, Link    string
		Key, Person struct{ ID string }
	}
	if err := json.Unmarshal([]byte(answer), &members); err != nil {
		t.Fatal(err)
	}
	if members.Link != "" {
		made["link"] = members.Link
	}
	if id := members.ID + members.Key.ID + members.Person.ID; name != "" {
		made[name] = id
	}
}
