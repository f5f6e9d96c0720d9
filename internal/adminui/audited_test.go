package adminui_test

import (
	"cmp"
	"database/sql"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/adminui"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/usage/tally"
)

// A database is the program's, without its packages.
type database struct{ *sql.DB }

func (h *house) raw(t *testing.T) database {
	t.Helper()
	db, err := sql.Open("sqlite", h.file+"?_pragma=busy_timeout(30000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return database{db}
}

func (d database) exec(t *testing.T, query string) {
	t.Helper()
	if _, err := d.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// text is the one value of query.
func (d database) text(t *testing.T, query string, args ...any) (value string) {
	t.Helper()
	if err := d.QueryRowContext(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// administered is all that the pages change, but for the log.
const administered = `SELECT (SELECT coalesce(group_concat(id || name || owner || disabled || coalesce(revoked, 0) || detail || revision || scopes), '') FROM keys) || ';'
	|| (SELECT coalesce(group_concat(key_id || hex(digest) || coalesce(retires, 0)), '') FROM secrets) || ';' || (SELECT count(*) FROM changes) || ';'
	|| (SELECT coalesce(group_concat(id || name || detail || revision), '') FROM accounts) || ';' || (SELECT count(*) FROM account_changes) || ';'
	|| (SELECT count(*) FROM sessions)`

// A formStep is a form that somebody sends.
type formStep struct {
	form    string // as in [adminui.ChangingForms]
	by      *person
	whose   string // the account's, in the address; bob's if empty
	bare    bool   // the form is not opened before
	fill    func(t *testing.T, form url.Values)
	entries []string                         // what it leaves: actor, op, kind and subject
	then    func(t *testing.T, answer shown) // nil for nothing
}

// send opens the form, and sends it; where is the address, with ids in it.
func (s *formStep) send(t *testing.T, where string) shown {
	t.Helper()
	form := url.Values{}
	if !s.bare {
		form = s.by.fill(t, where)
	}
	s.fill(t, form)
	return s.by.post(t, where, form)
}

// Each form that changes something leaves exactly one entry; while the log takes none,
// nothing is changed.
func TestEachFormLeavesOneEntry(t *testing.T) {
	attack.Case(t, "AUDIT-01", attack.Admin, func(t *testing.T) {
		h := start(t)
		ada := h.settle(t, "ada", account.Owner).login(t) // which hashes the password at the program's costs
		cleo := h.settle(t, "cleo", account.Owner)        // somebody with a second factor
		a := &audited{h: h, raw: h.raw(t), ids: map[string]string{"ada": string(ada.id), "cleo": string(cleo.id)}}
		for _, s := range a.steps(ada) {
			a.step(t, &s)
		}
		all, err := adminui.ChangingForms()
		if err != nil {
			t.Fatal(err)
		}
		// These end a session, find a key, lead to a part of a list, or show what would be set.
		for _, none := range []string{"POST /ui/keys", "POST /ui/audit", "POST /ui/health", "POST /ui/live", "POST /ui/keys/search", "POST /ui/logout", "POST /ui/me/factor", "POST /ui/setup"} {
			if !slices.Contains(all, none) {
				t.Errorf("there is no %s", none)
			}
			a.done = append(a.done, none)
		}
		slices.Sort(a.done)
		if done := slices.Compact(a.done); !slices.Equal(done, all) {
			t.Errorf("tried are\n%q\nand there are\n%q", done, all)
		}
	})
}

// audited goes from form to form.
type audited struct {
	h    *house
	raw  database
	ids  map[string]string // by the names in braces
	bob  *person
	link string
	done []string
}

func (a *audited) named(text string) string {
	for name, id := range a.ids {
		text = strings.ReplaceAll(text, "{"+name+"}", id)
	}
	return text
}

func (a *audited) step(t *testing.T, s *formStep) {
	t.Helper()
	const newest = `SELECT coalesce(max(seq), 0) FROM audit`
	const since = `SELECT coalesce(group_concat(actor || ' ' || op || ' ' || kind || ' ' || subject || ' ' || source, '; '), '') FROM (SELECT * FROM audit WHERE seq > ?1 ORDER BY seq)`
	a.done = append(a.done, s.form)
	where, id := strings.TrimPrefix(s.form, "POST "), a.ids["key"]
	if strings.HasPrefix(where, "/ui/people/") {
		id = a.ids[cmp.Or(s.whose, "bob")]
	}
	where = strings.ReplaceAll(where, "{id}", id)
	before, was := a.raw.text(t, newest), a.raw.text(t, administered)
	a.raw.exec(t, `CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END`)
	if got := s.send(t, where); got.status != http.StatusServiceUnavailable {
		t.Errorf("%s: %d, want 503 while the entry cannot be written\n%s", where, got.status, got.text())
	}
	if a.raw.text(t, administered) != was || a.raw.text(t, newest) != before {
		t.Errorf("%s was done without its entry", where)
	}
	a.raw.exec(t, `DROP TRIGGER full`)
	answer := s.send(t, where)
	if answer.status != http.StatusOK && answer.status != http.StatusSeeOther {
		t.Fatalf("%s: %d\n%s", where, answer.status, answer.text())
	}
	if s.then != nil {
		s.then(t, answer)
	}
	if a.raw.text(t, administered) == was {
		t.Errorf("%s changed nothing: this shows nothing", where)
	}
	var want []string
	for _, e := range s.entries {
		want = append(want, a.named(e)+" 127.0.0.1")
	}
	if got := a.raw.text(t, since, before); got != strings.Join(want, "; ") {
		t.Errorf("%s left %q, want %q", where, got, want)
	}
}

func with(pairs ...string) func(*testing.T, url.Values) {
	return func(_ *testing.T, form url.Values) {
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
	}
}

func (a *audited) steps(ada *person) []formStep {
	return slices.Concat(a.loginSteps(ada), a.keySteps(ada), a.peopleSteps(ada), a.ownSteps(ada))
}

// loginSteps enter by a recovery code, which is spent.
func (a *audited) loginSteps(ada *person) []formStep {
	return []formStep{{
		form: "POST /ui/login/code", by: ada, bare: true, entries: []string{"account:{ada} login-by-recovery-code account {ada}"},
		fill: func(t *testing.T, form url.Values) {
			t.Helper()
			page := ada.post(t, "/ui/login", url.Values{"name": {"ada"}, "password": {goodPassword}}).want(t, "the password", http.StatusOK)
			maps.Copy(form, page.form(t))
			form.Set("code", ada.codes[7].Reveal())
		},
	}}
}

func (a *audited) keySteps(ada *person) []formStep {
	entry := func(op string) []string { return []string{"account:{ada} " + op + " key {key}"} }
	of := func(verb, op string, pairs ...string) formStep {
		return formStep{form: "POST /ui/keys/{id}/" + verb, by: ada, fill: with(pairs...), entries: entry(op)}
	}
	made := formStep{form: "POST /ui/keys/new", by: ada, fill: with("name", "first", "scopes", "orders:read\nusers:read"), entries: entry("create"), then: func(t *testing.T, answer shown) {
		t.Helper()
		info, err := apikey.Parse(answer.secret())
		if err != nil {
			t.Fatal(err)
		}
		a.ids["key"] = string(info.ID)
		r := a.h.record(t, a.ids["key"])
		a.h.count(t, time.Hour, &r, 1, "192.0.2.7/32", map[tally.Outcome]int64{tally.OK: 1})
	}}
	return []formStep{
		made, of("edit", "update", "name", "second"), of("reduce", "update"), of("roll", "roll", "overlap", "24h"), of("end-overlap", "end-overlap"),
		of("disable", "disable"), of("enable", "enable"), of("revoke", "revoke", "typed", "second", "reason", "superseded"), of("delete", "delete", "typed", "second"),
	}
}

func (a *audited) peopleSteps(ada *person) []formStep {
	a.bob = &person{h: a.h, name: "bob"}
	entry := func(op string) []string { return []string{"account:{ada} " + op + " account {bob}"} }
	of := func(verb, op string, pairs ...string) formStep {
		return formStep{form: "POST /ui/people/{id}/" + verb, by: ada, fill: with(pairs...), entries: entry(op)}
	}
	linked := func(s formStep) formStep {
		s.then = func(t *testing.T, answer shown) {
			t.Helper()
			a.ids["bob"] = a.raw.text(t, `SELECT id FROM accounts WHERE name = 'bob'`)
			if a.link = answer.secret(); a.link == "" {
				t.Fatalf("there is no link:\n%s", answer.text())
			}
		}
		return s
	}
	return []formStep{
		linked(formStep{form: "POST /ui/people/new", by: ada, fill: with("name", "bob", "role", "developer", "where", "anywhere"), entries: entry("create")}),
		linked(of("invite", "invite", "where", "anywhere")),
		{
			form: "POST /ui/setup/finish", by: a.bob, bare: true, entries: []string{"account:{bob} set-up account {bob}"},
			fill: func(t *testing.T, form url.Values) {
				t.Helper()
				with("link", a.link, "name", "bob", "role", "developer", "sets", "1", "password", goodPassword, "again", goodPassword)(t, form)
			},
		},
		{form: "POST /ui/login", by: a.bob, bare: true, fill: with("name", "bob", "password", goodPassword), entries: []string{"account:{bob} login account {bob}"}},
		of("email", "describe", "email", "bob@example.com"), of("role", "change-role", "role", "auditor"), of("disable", "disable"), of("enable", "enable"),
		linked(of("reset-password", "reset", "where", "anywhere")),
		{form: "POST /ui/people/{id}/reset-factor", by: ada, whose: "cleo", fill: with("where", "anywhere"), entries: []string{"account:{ada} reset account {cleo}"}},
		of("remove", "remove", "typed", "bob"),
	}
}

func (a *audited) ownSteps(ada *person) []formStep {
	entry := func(op string) []string { return []string{"account:{ada} " + op + " account {ada}"} }
	const another = "eight quiet otters"
	return []formStep{
		{form: "POST /ui/me/password", by: ada, fill: with("old", goodPassword, "password", another, "again", another), entries: entry("change-password")},
		{form: "POST /ui/me/recovery-codes", by: ada, fill: with(), entries: entry("renew-recovery-codes")},
		{form: "POST /ui/me/enrol", by: ada, bare: true, entries: entry("change-factor"), fill: func(t *testing.T, form url.Values) {
			t.Helper()
			maps.Copy(form, ada.post(t, "/ui/me/factor", ada.fill(t, "/ui/me/factor")).want(t, "an offer", http.StatusOK).form(t))
			ada.shared = secretText(form.Get("secret"))
			form.Set("code", ada.code(t, 0))
		}},
	}
}
