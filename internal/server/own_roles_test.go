package server_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/internal/attack"
)

// ownCast are those who ask for what a person does with itself, each with its fields.
type ownCast struct {
	persons  map[account.Role]string // cookies of fresh logins
	machines map[string]string       // tokens of admin keys, by role and owner
	others   map[string][]string     // who proves nothing here
}

// settled makes somebody of the role, and returns the cookie of its login.
func (p *program) settled(t *testing.T, people *account.Manager, name string, role account.Role) string {
	t.Helper()
	operator := account.Actor{By: "user:root", Source: "cli", Operator: true}
	_, link, err := people.Create(t.Context(), operator, account.Spec{Name: name, Role: role}, account.Link{Anywhere: true})
	if err != nil {
		t.Fatal(err)
	}
	v := &ownBrowser{p: p, doc: new(ownDocument), asked: map[string]bool{}}
	_, text := p.askAdmin(t, hostileToken, http.MethodGet, "/openapi.json", nil)
	if err := json.Unmarshal([]byte(text), v.doc); err != nil {
		t.Fatal(err)
	}
	finish := map[string]any{"link": link.Reveal(), "password": hostilePassword}
	offer := v.ask(t, "POST", "setup", map[string]any{"link": link.Reveal()}, 200)
	if offer["offer"] != nil {
		finish["offer"], finish["code"] = offer["offer"], codeOf(t, offer)
	}
	set := v.ask(t, "POST", "setup/finish", finish, 200)
	first := v.ask(t, "POST", "login", map[string]any{"name": name, "password": hostilePassword}, 200)
	if codes, _ := set["recovery_codes"].([]any); len(codes) > 0 {
		v.ask(t, "POST", "login/factor", map[string]any{"ticket": first["ticket"], "recovery_code": codes[0]}, 200)
	}
	return v.cookie
}

// newOwnCast makes everybody.
func newOwnCast(t *testing.T, p *program) *ownCast {
	t.Helper()
	people, err := account.New(account.Config{Store: p.accounts, Hash: login.Hash, Sealer: p.peppers})
	if err != nil {
		t.Fatal(err)
	}
	c := &ownCast{persons: map[account.Role]string{}, machines: map[string]string{}}
	for _, role := range account.Roles() {
		c.persons[role] = p.settled(t, people, "ada-"+string(role), role)
		for _, owner := range []string{"", "acme"} {
			_, c.machines[string(role)+":"+owner] = p.adminKey(t, account.Actor{By: "t", Source: "t", Operator: true}, role, owner)
		}
	}
	ended := p.settled(t, people, "gone", account.Developer)
	if status, text := p.asOwn(t, http.MethodPost, "/v1/account/logout", "", "Cookie", login.Cookie+"="+ended); status != http.StatusNoContent {
		t.Fatalf("logout: %d %s", status, text)
	}
	old := p.settled(t, people, "old", account.Owner)
	raw := p.raw(t)
	if result, err := raw.ExecContext(t.Context(), `UPDATE sessions SET expires = 1, idle_expires = 1 WHERE subject = (SELECT id FROM accounts WHERE name = 'old')`); err != nil {
		t.Fatal(err)
	} else if n, err := result.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("%d sessions were made old, %v", n, err)
	}
	out := p.settled(t, people, "out", account.Developer)
	page, err := p.accounts.List(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range page {
		if a.Name == "out" {
			if _, err := people.Disable(t.Context(), account.Actor{By: "t", Source: "t", Operator: true}, a.ID, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	holder := p.inPortal(t)
	c.others = map[string][]string{
		"nobody":                      nil,
		"a data key":                  {"Authorization", "Bearer " + p.key},
		"a data key in its field":     {"X-API-Key", p.key},
		"a data key as a cookie":      {"Cookie", login.Cookie + "=" + p.key},
		"the admin token":             {"Authorization", "Bearer " + hostileToken},
		"an admin key as a cookie":    {"Cookie", login.Cookie + "=" + c.machines["owner:"]},
		"a session as a token":        {"Authorization", "Bearer " + c.persons[account.Owner]},
		"a session by another name":   {"Cookie", "__Host-session=" + c.persons[account.Owner]},
		"a session with a changed id": {"Cookie", login.Cookie + "=" + c.persons[account.Owner][1:] + "A"},
		"a session that has ended":    {"Cookie", login.Cookie + "=" + ended},
		"somebody who is kept out":    {"Cookie", login.Cookie + "=" + out},
		"a session that is over":      {"Cookie", login.Cookie + "=" + old},
		"a holder in the portal":      {"Cookie", holder.Name + "=" + holder.Value},
		"its cookie by our name":      {"Cookie", login.Cookie + "=" + holder.Value},
	}
	return c
}

// inPortal opens a link to the holders' portal, and returns the cookie of the stay.
func (p *program) inPortal(t *testing.T) *http.Cookie {
	t.Helper()
	_, text := p.askAdmin(t, hostileToken, http.MethodPost, "/v1/portalLinks", map[string]any{"owner": "acme", "may": []string{"roll", "revoke", "usage"}})
	var made struct{ URL string }
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		t.Fatal(err)
	}
	_, link, _ := strings.Cut(made.URL, "#")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.portal+"/open", strings.NewReader("link="+link))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "127.0.0.1:8083"
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if cookies := answer.Cookies(); answer.StatusCode == http.StatusSeeOther && len(cookies) == 1 {
		return cookies[0]
	}
	t.Fatalf("open a link to the portal: %d %v", answer.StatusCode, answer.Header)
	return nil
}

// asOwn asks below /v1/account, or elsewhere on the admin listener, with these fields
// alone.
func (p *program) asOwn(t *testing.T, method, path, body string, fields ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.admin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	answer := do(t, r)
	var text strings.Builder
	if _, err := io.Copy(&text, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text.String()
}

// TestWhoMayDoWhat asks for every operation as everybody: those below /v1/account want whom
// the document says, all others whom the page of roles says.
func TestWhoMayDoWhat(t *testing.T) {
	b := besiege(t, onSQLite)
	p := b.program
	var document struct {
		Paths map[string]map[string]struct {
			ID          string `json:"operationId"`
			Description string `json:"description"`
		} `json:"paths"`
	}
	_, text := p.askAdmin(t, hostileToken, http.MethodGet, "/openapi.json", nil)
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	// With these a person is judged, and nothing is changed.
	bodies := map[string]string{
		"loginFresh": `{"password":"a wrong password"}`, "changePassword": `{"old":"` + hostilePassword + `","password":"short"}`, "enrolFactor": `{"offer":"x","code":"1"}`, "whoAmI": "",
	}
	judged := map[string][]int{
		"whoAmI": {200}, "loginFresh": {401}, "changePassword": {400}, "enrolFactor": {400}, "offerFactor": {200}, "renewRecoveryCodes": {200, 403},
	}
	cast := newOwnCast(t, p)
	attack.Case(t, "ADMIN-01", attack.Admin, func(t *testing.T) {
		tried := 0
		for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
			for method, o := range document.Paths[path] {
				if !strings.HasPrefix(path, "/v1/account/") {
					continue
				}
				tried++
				body, ok := bodies[o.ID]
				if !ok {
					body = "{}"
				}
				cast.ask(t, p, strings.ToUpper(method), path, body, ownRule{id: o.ID, person: strings.Contains(o.Description, "cookie of a"), machine: strings.Contains(o.Description, "an admin key"), judged: judged[o.ID]})
			}
		}
		if tried < 11 {
			t.Errorf("%d operations were tried", tried)
		}
	})
	attack.Case(t, "ADMIN-01", attack.Admin, func(t *testing.T) {
		b.whoMayDoWhat(t, cast, slices.DeleteFunc(b.operations(t), (*besiegedOperation).own))
	})
	attack.Case(t, "ADMIN-04", attack.Admin, func(t *testing.T) { b.reboundNames(t, cast, b.operations(t)) })
	attack.Case(t, "ADMIN-06", attack.Admin, func(t *testing.T) { b.onceForAll(t, cast) })
	attack.Case(t, "ADMIN-10", attack.Admin, func(t *testing.T) { b.toldOnce(t, b.operations(t)) })
	attack.Case(t, "ADMIN-15", attack.Admin, b.otherListsCursors)
}

// An ownRule says who may ask for an operation.
type ownRule struct {
	id      string
	person  bool  // it wants a login
	machine bool  // an admin key will do
	judged  []int // how a person is answered who may
}

// ask asks for one operation as everybody.
func (c *ownCast) ask(t *testing.T, p *program, method, path, body string, rule ownRule) {
	t.Helper()
	if !rule.person { // everybody is alike, and what the body proves counts: here nothing
		want, _ := p.asOwn(t, method, path, body)
		if want != http.StatusBadRequest && rule.id != "logout" {
			t.Errorf("%s by nobody: %d, want it read", rule.id, want)
		}
		for who, fields := range c.others {
			if got, text := p.asOwn(t, method, path, body, fields...); got != want {
				t.Errorf("%s by %s: %d %s, and %d by nobody", rule.id, who, got, text, want)
			}
		}
		return
	}
	if rule.judged == nil {
		t.Errorf("%s wants a login, and nobody knows how it is answered with one: tell it in judged", rule.id)
	}
	for who, fields := range c.others {
		if got, text := p.asOwn(t, method, path, body, fields...); got != http.StatusUnauthorized {
			t.Errorf("%s by %s: %d %s, want 401", rule.id, who, got, text)
		}
	}
	for who, token := range c.machines {
		want := http.StatusUnauthorized
		if rule.machine {
			want = http.StatusOK
		}
		if got, text := p.asOwn(t, method, path, body, "Authorization", "Bearer "+token); got != want {
			t.Errorf("%s by the admin key of %s: %d %s, want %d", rule.id, who, got, text, want)
		}
	}
	for role, cookie := range c.persons {
		got, text := p.asOwn(t, method, path, body, "Cookie", login.Cookie+"="+cookie)
		if !slices.Contains(rule.judged, got) || got == http.StatusUnauthorized && !strings.Contains(text, "password is wrong") {
			t.Errorf("%s by a person, %s: %d %s, want %d", rule.id, role, got, text, rule.judged)
		}
		if method == http.MethodPost {
			if got, text := p.asOwn(t, method, path, body, "Cookie", login.Cookie+"="+cookie, "Sec-Fetch-Site", "cross-site"); got != http.StatusForbidden {
				t.Errorf("%s from a page of another site, by %s: %d %s, want 403", rule.id, role, got, text)
			}
		}
	}
}
