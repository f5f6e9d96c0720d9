package portal_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// held is all that a holder changes, but for the log, and for how many keys a link has
// made: that is counted before one is made, and stays counted where nobody knows.
const held = `SELECT (SELECT coalesce(group_concat(id || name || disabled || coalesce(revoked, 0) || revision), '') FROM keys) || ';'
	|| (SELECT coalesce(group_concat(key_id || hex(digest) || coalesce(retires, 0)), '') FROM secrets) || ';' || (SELECT count(*) FROM changes) || ';'
	|| (SELECT coalesce(group_concat(id || owner || coalesce(used, 0) || coalesce(ended, 0)), '') FROM portal_passes)`

// Each form of the portal that changes something leaves exactly one entry, in its own
// transaction: while the database refuses either half, neither is there.
func TestEachFormOfAHolderLeavesOneEntry(t *testing.T) {
	attack.Case(t, "AUDIT-01", attack.Admin, func(t *testing.T) {
		h := start(t)
		db, err := sql.Open("sqlite", h.file+"?_pragma=busy_timeout(30000)")
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		exec := func(query string) {
			t.Helper()
			_, err := db.ExecContext(t.Context(), query)
			must(t, err)
		}
		read := func(query string, args ...any) (text string) {
			t.Helper()
			must(t, db.QueryRowContext(t.Context(), query, args...).Scan(&text))
			return text
		}
		id, link := h.link(t, everything("acme"))
		key, _ := h.key(t, apikey.Spec{Name: "ci", Owner: "acme"})
		p, of := &holder{h: h}, "/keys/"+string(key.ID)
		who := "holder of acme through link " + id + " by admin-token 127.0.0.1 "
		form := func(path string, pairs ...string) func() shown {
			return func() shown {
				t.Helper()
				return p.post(t, path, p.fill(t, path, pairs...)) // anew each time: a form is good once
			}
		}
		for _, s := range []struct {
			name, entry string
			status      int
			send        func() shown
		}{
			{"open", "use portal " + id, http.StatusSeeOther, func() shown { return p.post(t, "/open", url.Values{"link": {link}}) }},
			{"make", "create key *", http.StatusOK, form("/new", "name", "new", "scope", "orders:read", "expires", "720h")},
			{"roll", "roll key " + string(key.ID), http.StatusOK, form(of+"/roll", "overlap", "1h")},
			{"revoke", "revoke key " + string(key.ID), http.StatusOK, form(of+"/revoke", "reason", "superseded", "sure", "yes")},
			{"end", "end portal " + id, http.StatusOK, func() shown { return p.post(t, "/end", url.Values{}) }},
		} {
			const newest = `SELECT coalesce(max(seq), 0) FROM audit`
			before, was := read(newest), read(held)
			for refused, tables := range map[string][]string{"the entry": {"INSERT ON audit"}, "the change": {"INSERT ON changes", "UPDATE ON portal_passes"}} {
				for i, table := range tables {
					exec(fmt.Sprintf(`CREATE TRIGGER fault%d BEFORE %s BEGIN SELECT RAISE(ABORT, 'no room'); END`, i, table))
				}
				cookie := p.cookie
				got := s.send()
				p.cookie = cookie
				for i := range tables {
					exec(fmt.Sprintf(`DROP TRIGGER fault%d`, i))
				}
				if got.status != http.StatusServiceUnavailable || got.secret() != "" {
					t.Errorf("%s: %d, want 503 while the database refuses %s:\n%s", s.name, got.status, refused, got.text())
				}
				if read(held) != was || read(newest) != before {
					t.Errorf("%s: half of it is there while the database refuses %s", s.name, refused)
				}
			}
			s.send().want(t, s.name, s.status)
			got := read(`SELECT coalesce(group_concat(actor || ' ' || source || ' ' || op || ' ' || kind || ' ' || subject, '; '), '') FROM audit WHERE seq > ?1`, before)
			if prefix, any := strings.CutSuffix(who+s.entry, "*"); got != prefix && (!any || !strings.HasPrefix(got, prefix) || strings.Contains(got, "; ")) {
				t.Errorf("%s left %q, want %q", s.name, got, who+s.entry)
			}
			if read(held) == was {
				t.Errorf("%s changed nothing: this shows nothing", s.name)
			}
		}
	})
}
