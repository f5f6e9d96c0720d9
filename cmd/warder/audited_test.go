package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
)

// changedByCommands is all that the commands change, but for the log.
const changedByCommands = `SELECT (SELECT coalesce(group_concat(id || name || owner || disabled || coalesce(revoked, 0) || detail || revision), '') FROM keys) || ';'
	|| (SELECT coalesce(group_concat(key_id || hex(digest) || coalesce(retires, 0)), '') FROM secrets) || ';' || (SELECT count(*) FROM changes) || ';'
	|| (SELECT coalesce(group_concat(kind || id || balance || coalesce(amount, 0)), '') FROM credits) || ';'
	|| (SELECT coalesce(group_concat(id || name || detail || revision), '') FROM accounts) || ';'
	|| (SELECT coalesce(group_concat(id || detail || revision), '') FROM admin_keys) || ';' || (SELECT count(*) FROM account_changes) || ';' || (SELECT count(*) FROM sessions)
	|| ';' || (SELECT coalesce(group_concat(id || owner || coalesce(ended, 0)), '') FROM portal_passes)
	|| ';' || (SELECT coalesce(group_concat(id || name || metadata || revision), '') FROM owners)`

// A commandStep is a command that changes something. Words in braces stand
// for ids, and {link} for the last link.
type commandStep struct {
	command string // by its names, without "warder"
	args    []string
	stdin   string
	entry   string                          // op, kind and subject
	then    string                          // the query of an id ...
	keep    string                          // ... and its name
	links   bool                            // it prints a link
	code    int                             // with which it ends
	run     func(t *testing.T, link string) // in place of the command, where it goes through; nil for none
}

// of is the folder of the test: with a file of keys to import, one with a key that has
// leaked, and a configuration.
func commandSteps(db, folder string) []commandStep {
	file, leaked, settings := filepath.Join(folder, "keys.csv"), filepath.Join(folder, "leaked"), filepath.Join(folder, "warder.yaml")
	const key, bob, ada = " key {key}", " account {bob}", " account {ada}"
	return []commandStep{
		{command: "keys create", args: []string{"--name", "a"}, entry: "create" + key, then: `SELECT id FROM keys WHERE name = 'a'`, keep: "key"},
		{command: "keys update", args: []string{"{key}", "--name", "b"}, entry: "update" + key},
		{command: "keys roll", args: []string{"{key}", "--overlap", "1h"}, entry: "roll" + key},
		{command: "keys end-overlap", args: []string{"{key}"}, entry: "end-overlap" + key},
		{command: "keys disable", args: []string{"{key}"}, entry: "disable" + key},
		{command: "keys enable", args: []string{"{key}"}, entry: "enable" + key},
		{command: "keys credits set", args: []string{"{key}", "5"}, entry: "set credits {key}"},
		{command: "keys credits add", args: []string{"{key}", "5"}, entry: "add credits {key}"},
		{command: "keys credits refill", args: []string{"{key}", "--every", "month", "--amount", "7"}, entry: "refill credits {key}"},
		{command: "keys revoke", args: []string{"{key}"}, entry: "revoke" + key},
		{command: "keys delete", args: []string{"{key}", "--yes"}, entry: "delete" + key},
		{command: "keys import", args: []string{file, "--from", "csv"}, entry: "import key {imported}", then: `SELECT id FROM keys WHERE name = 'old'`, keep: "imported"},
		{command: "leak scan", args: []string{leaked, "--disable"}, entry: "disable key {leaked}", then: `SELECT id FROM keys WHERE name = 'leaked'`, keep: "leaked", code: exitFound},
		{command: "leak check", args: []string{"-", "--revoke"}, stdin: "{report}", entry: "revoke key {leaked}", code: exitFound},
		{command: "owners set", args: []string{"acme", "--name", "Acme"}, entry: "create owner acme"},
		{command: "owners delete", args: []string{"acme", "--yes"}, entry: "delete owner acme"},
		{command: "portal link", args: []string{"acme", "--config", settings}, entry: "create portal {link of acme}", then: `SELECT id FROM portal_passes`, keep: "link of acme"},
		{command: "portal end", args: []string{"{link of acme}", "--config", settings}, entry: "end portal {link of acme}"},
		{command: "users sessions revoke", args: []string{"ada"}, entry: "revoke sessions password ada"},
		{command: "admins setup", args: []string{"--name", "ada", "--output", "secret"}, entry: "create" + ada, then: `SELECT id FROM accounts WHERE name = 'ada'`, keep: "ada", links: true},
		{command: "admins accept", entry: "set-up" + ada, run: func(t *testing.T, link string) { t.Helper(); accept(t, db, link) }},
		{command: "admins add", args: []string{"bob", "--role", "developer", "--anywhere", "--output", "secret"}, entry: "create" + bob, then: `SELECT id FROM accounts WHERE name = 'bob'`, keep: "bob", links: true},
		{command: "admins invite", args: []string{"bob", "--anywhere", "--output", "secret"}, entry: "invite" + bob, links: true},
		{command: "admins accept", stdin: "{link}\nseven quiet otters\n", entry: "set-up" + bob},
		{command: "admins role", args: []string{"bob", "auditor"}, entry: "change-role" + bob},
		{command: "admins disable", args: []string{"bob"}, entry: "disable" + bob},
		{command: "admins enable", args: []string{"bob"}, entry: "enable" + bob},
		{command: "admins reset-password", args: []string{"bob", "--anywhere"}, entry: "reset" + bob},
		{command: "admins reset-factor", args: []string{"ada", "--anywhere"}, entry: "reset" + ada},
		{command: "admins remove", args: []string{"bob"}, entry: "remove" + bob},
		{command: "admins keys create", args: []string{"--role", "auditor"}, entry: "create-key admin-key {admin}", then: `SELECT id FROM admin_keys`, keep: "admin"},
		{command: "admins keys revoke", args: []string{"{admin}"}, entry: "revoke-key admin-key {admin}"},
	}
}

// harmless are the commands, and groups of them, that change nothing of which the log
// tells: the file of people is an editor's too, tables and checkpoints are the log's own,
// and limits and documents are changed by the admin API.
func harmless() []string {
	return []string{
		"demo", "explain", "ping", "serve", "tail", "test", "version", "whoami", "audit", "completion", "config", "import", "leak rules", "limits", "migrate", "openapi", "shadow", "usage",
		"owners list", "owners show", "users add", "users list", "users password", "users remove", "webhooks",
		"keys find", "keys health", "keys list", "keys show", "keys token", "keys verify", "keys credits show", "admins list", "admins keys list",
	}
}

// changingCommands are all others.
func changingCommands() (all []string) {
	rest := newRoot(&process{}).Commands()
	for len(rest) > 0 {
		one := rest[0]
		rest = append(rest[1:], one.Commands()...)
		name := strings.TrimPrefix(one.CommandPath(), "warder ")
		if !one.HasSubCommands() && !slices.ContainsFunc(harmless(), func(other string) bool { return name == other || strings.HasPrefix(name, other+" ") }) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// halves are what the database refuses of a change, by the half that then is not there.
func halves() map[string][]string {
	return map[string][]string{
		"the entry": {"INSERT ON audit"},
		"the change": {
			"INSERT ON changes", "INSERT ON account_changes", "INSERT ON credits", "UPDATE ON credits", "INSERT ON portal_passes", "UPDATE ON portal_passes", "DELETE ON sessions",
			"INSERT ON owners", "UPDATE ON owners", "DELETE ON owners",
		},
	}
}

// Each command that changes something leaves exactly one entry, in its own transaction:
// while the database refuses either half, neither is there.
func TestEachCommandLeavesOneEntry(t *testing.T) {
	attack.Case(t, "AUDIT-01", attack.CLI, func(t *testing.T) {
		folder := t.TempDir()
		db := filepath.Join(folder, "warder.db")
		found := strings.TrimSpace(ok(t, "", "keys", "create", "--name", "leaked", "--db", db, "--output", "secret")) // makes the database
		for name, text := range map[string]string{
			"keys.csv": "key,name\nlegacy-0123456789abcdef,old\n", "leaked": "token = " + found + "\n", "warder.yaml": "portal: {listen: 127.0.0.1:0, url: 'http://localhost:8084'}\n",
		} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := sql.Open("sqlite", db+"?_pragma=busy_timeout(20000)")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := raw.Close(); err != nil {
				t.Error(err)
			}
		})
		text := func(query string, args ...any) (value string) {
			t.Helper()
			if err := raw.QueryRowContext(t.Context(), query, args...).Scan(&value); err != nil {
				t.Fatal(err)
			}
			return value
		}
		exec := func(query string) {
			t.Helper()
			if _, err := raw.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		exec(`INSERT INTO sessions (digest, revision, issuer, subject, user, created, last_used, idle_expires, expires)
			VALUES (randomblob(32), 1, 'password', 'ada', '{}', 1, 1, 9000000000000000, 9000000000000000)`)
		made := map[string]string{"report": `[{"RuleID":"warder","Secret":"` + found + `","File":"x","StartLine":1}]`, "leaked": text(`SELECT id FROM keys WHERE name = 'leaked'`)}
		fill := func(text string) string {
			for name, value := range made {
				text = strings.ReplaceAll(text, "{"+name+"}", value)
			}
			return text
		}
		const newest = `SELECT coalesce(max(seq), 0) FROM audit`
		const since = `SELECT coalesce(group_concat(source || ' ' || op || ' ' || kind || ' ' || subject, '; '), '') FROM (SELECT * FROM audit WHERE seq > ?1 ORDER BY seq)`
		var done []string
		for _, s := range commandSteps(db, folder) {
			done = append(done, s.command)
			args := append(strings.Fields(s.command), "--db", db)
			for _, one := range s.args {
				args = append(args, fill(one))
			}
			before, was := text(newest), text(changedByCommands)
			if s.run == nil {
				for half, tables := range halves() {
					for i, on := range tables {
						exec(fmt.Sprintf(`CREATE TRIGGER fault%d BEFORE %s BEGIN SELECT RAISE(ABORT, 'no room'); END`, i, on))
					}
					var stderr bytes.Buffer
					if code, _ := runIn(t, strings.NewReader(fill(s.stdin)), &stderr, args...); code != exitServer {
						t.Errorf("%s = %d while the database refuses %s, want %d: %s", s.command, code, half, exitServer, stderr.String())
					}
					for i := range tables {
						exec(fmt.Sprintf(`DROP TRIGGER fault%d`, i))
					}
					if text(changedByCommands) != was || text(newest) != before {
						t.Errorf("%s: half of it is there while the database refuses %s", s.command, half)
					}
				}
				var stderr bytes.Buffer
				code, out := runIn(t, strings.NewReader(fill(s.stdin)), &stderr, args...)
				if code != s.code {
					t.Fatalf("%s = %d, want %d: %s", s.command, code, s.code, stderr.String())
				}
				if s.links {
					made["link"] = strings.TrimSpace(out)
				}
			} else {
				s.run(t, made["link"])
			}
			if s.keep != "" {
				made[s.keep] = text(s.then)
			}
			if text(changedByCommands) == was {
				t.Errorf("%s changed nothing: this shows nothing", s.command)
			}
			from := "cli "
			if s.command == "admins accept" { // what a link does is the person's doing
				from = "127.0.0.1 "
			}
			if got, want := text(since, before), from+fill(s.entry); got != want {
				t.Errorf("%s left %q, want %q", s.command, got, want)
			}
		}
		slices.Sort(done)
		if done, all := slices.Compact(done), changingCommands(); !slices.Equal(done, all) {
			t.Errorf("tried are\n%q\nand there are\n%q", done, all)
		}
	})
}
