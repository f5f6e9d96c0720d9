package server_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/secret"
)

// A fault is a database that refuses one half of a change: its entry, or what it is.
type fault struct {
	name      string
	on        []string // what is refused: INSERT ON audit
	otherHalf string   // what there must not be all the same
}

func faults() []fault {
	return []fault{
		{"the entry", []string{"INSERT ON audit"}, "the change"},
		{"the change", []string{
			"INSERT ON changes", "INSERT ON account_changes", "INSERT ON credits", "UPDATE ON credits", "INSERT ON portal_passes", "UPDATE ON portal_passes",
			"INSERT ON owners", "UPDATE ON owners", "DELETE ON owners",
		}, "the entry"},
	}
}

// under runs f while the database refuses what the fault says.
func (f *fault) under(t *testing.T, db *sql.DB, run func()) {
	t.Helper()
	exec := func(query string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	for i, on := range f.on {
		exec(fmt.Sprintf(`CREATE TRIGGER fault%d BEFORE %s BEGIN SELECT RAISE(ABORT, 'no room'); END`, i, on))
	}
	run()
	for i := range f.on {
		exec(fmt.Sprintf(`DROP TRIGGER fault%d`, i))
	}
}

// A way is a change by another way in than the admin API.
type way struct {
	name  string
	entry string               // that it leaves: actor, source, op, kind and subject
	send  func() (int, string) // what it answers
}

// ownly sends a request for what is one's own.
func (v *ownBrowser) ownly(t *testing.T, path string, body map[string]any) (int, string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+v.p.admin+"/v1/account/"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Cookie", login.Cookie+"="+v.cookie)
	answer := do(t, r)
	for _, c := range answer.Cookies() {
		v.cookie = c.Value
	}
	return answer.StatusCode, textOf(t, answer)
}

// Each change by a holder, by whoever reports a leaked key, and by an administrator of
// what is its own leaves exactly one entry, in its own transaction: while the database
// refuses either half, neither is there.
func TestOtherWaysInLeaveOneEntry(t *testing.T) {
	attack.Case(t, "AUDIT-01", attack.Gateway, func(t *testing.T) {
		shared := strings.Repeat("s", 40)
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(shared), 0o600); err != nil {
			t.Fatal(err)
		}
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{
			token: secret.New(adminToken), spec: apikey.Spec{Environment: "live"},
			yaml: "holder: {path: /me}\nleaks: {secret: 'file:" + file + "', action: revoke}\nroutes: [{match: /, upstream: api}]\n",
		})
		raw := p.raw(t)
		held, text := p.create(t, apikey.Spec{Environment: "live", Owner: "acme"})
		leaked, found := p.create(t, apikey.Spec{Environment: "live", Owner: "acme"})
		sender, err := leak.NewShared("report", secret.New(shared))
		if err != nil {
			t.Fatal(err)
		}
		by := func(path, body string) (int, string) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.gateway+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-API-Key", text)
			answer := do(t, r)
			return answer.StatusCode, textOf(t, answer)
		}
		holder := "key:" + string(held.ID) + " 127.0.0.1 %s key " + string(held.ID)
		ways := []way{
			{"a holder's roll", fmt.Sprintf(holder, "roll"), func() (int, string) {
				status, answer := by("/me/roll", `{}`)
				var rolled struct{ Text string }
				if json.Unmarshal([]byte(answer), &rolled) == nil && rolled.Text != "" {
					text = rolled.Text
				}
				return status, answer
			}},
			{"a holder's revocation", fmt.Sprintf(holder, "revoke"), func() (int, string) { return by("/me/revoke", `{"reason":"superseded"}`) }},
			{"a report of a leak", "leak:report 127.0.0.1 revoke key " + string(leaked.ID), func() (int, string) {
				body := `[{"token":"` + found + `","type":"warder","url":"https://example.test/x","source":"content"}]`
				stamp, signature := sender.Sign([]byte(body), time.Now())
				return report(t, p, "/leaks/report", body, http.Header{leak.TimestampField: {stamp}, leak.SharedField: {signature}})
			}},
		}
		ways = append(ways, p.ownWays(t)...)
		for _, w := range ways {
			p.wayLeavesOne(t, raw, &w, http.StatusServiceUnavailable, http.StatusOK)
		}
	})
}

// wayLeavesOne tries a way with each fault, which is answered with refused, and then
// without one, which is answered with done.
func (p *program) wayLeavesOne(t *testing.T, raw *sql.DB, w *way, refused, done int) {
	t.Helper()
	const newest, since = `SELECT coalesce(max(seq), 0) FROM audit`, `SELECT actor || ' ' || source || ' ' || op || ' ' || kind || ' ' || subject FROM audit WHERE seq > ?1 ORDER BY seq`
	before, was := texts(t, raw, newest)[0], texts(t, raw, stored)[0]
	for _, f := range faults() {
		f.under(t, raw, func() {
			if status, answer := w.send(); status != refused {
				t.Errorf("%s: %d %s, want %d while the database refuses %s", w.name, status, answer, refused, f.name)
			}
		})
		if texts(t, raw, stored)[0] != was || texts(t, raw, newest)[0] != before {
			t.Errorf("%s: %s is there without %s", w.name, f.otherHalf, f.name)
		}
	}
	if status, answer := w.send(); status != done {
		t.Errorf("%s: %d %s, want %d", w.name, status, answer, done)
	}
	if got := texts(t, raw, since, before); !slices.Equal(got, []string{w.entry}) {
		t.Errorf("%s left %q, want %q", w.name, got, w.entry)
	}
	if texts(t, raw, stored)[0] == was {
		t.Errorf("%s changed nothing: this shows nothing", w.name)
	}
}

// ownWays are what an owner does with itself.
func (p *program) ownWays(t *testing.T) []way {
	t.Helper()
	v := &ownBrowser{p: p, doc: new(ownDocument), asked: map[string]bool{}}
	_, text := p.askAdmin(t, adminToken, http.MethodGet, "/openapi.json", nil)
	if err := json.Unmarshal([]byte(text), v.doc); err != nil {
		t.Fatal(err)
	}
	_, text = p.askAdmin(t, adminToken, http.MethodPost, "/v1/people", map[string]any{"name": "ada", "role": "owner", "anywhere": true})
	var invited struct {
		Link   string
		Person struct{ ID string }
	}
	if err := json.Unmarshal([]byte(text), &invited); err != nil {
		t.Fatal(err)
	}
	const first, second = "seven quiet otters", "eight quiet otters"
	own := "account:" + invited.Person.ID + " 127.0.0.1 %s account " + invited.Person.ID
	offer := v.ask(t, "POST", "setup", map[string]any{"link": invited.Link}, 200)
	var codes []any
	var ticket string
	return []way{
		{"a set-up", fmt.Sprintf(own, "set-up"), func() (int, string) {
			status, answer := v.ownly(t, "setup/finish", map[string]any{"link": invited.Link, "password": first, "offer": offer["offer"], "code": codeOf(t, offer)})
			var set struct {
				Codes []any `json:"recovery_codes"`
			}
			if json.Unmarshal([]byte(answer), &set) == nil {
				codes = set.Codes
			}
			return status, answer
		}},
		{"a login by a recovery code", fmt.Sprintf(own, "login-by-recovery-code"), func() (int, string) {
			ticket, _ = v.ask(t, "POST", "login", map[string]any{"name": "ada", "password": first}, 200)["ticket"].(string)
			return v.ownly(t, "login/factor", map[string]any{"ticket": ticket, "recovery_code": codes[0]})
		}},
		{"new recovery codes", fmt.Sprintf(own, "renew-recovery-codes"), func() (int, string) { return v.ownly(t, "recovery-codes", map[string]any{}) }},
		{"another factor", fmt.Sprintf(own, "change-factor"), func() (int, string) {
			offer := v.ask(t, "POST", "factor", map[string]any{}, 200)
			return v.ownly(t, "factor/enrol", map[string]any{"offer": offer["offer"], "code": codeOf(t, offer)})
		}},
		{"another password", fmt.Sprintf(own, "change-password"), func() (int, string) {
			return v.ownly(t, "password", map[string]any{"old": first, "password": second})
		}},
	}
}

func textOf(t *testing.T, answer *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
