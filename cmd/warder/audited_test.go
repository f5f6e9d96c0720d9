package main

import (
	"bytes"
	"database/sql"
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
	|| (SELECT coalesce(group_concat(id || detail || revision), '') FROM admin_keys) || ';' || (SELECT count(*) FROM account_changes) || ';' || (SELECT count(*) FROM sessions)`

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
	run     func(t *testing.T, link string) // in place of the command, where it goes through; nil for none
}

func commandSteps(db, file string) []commandStep {
	const key, bob, ada = " key {key}", " account {bob}", " account {ada}"
	return []commandStep{
		{command: "keys create", args: []string{"--name", "a"}, entry: "create" + key, then: `SELECT id FROM keys`, keep: "key"},
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
		{command: "keys import", args: []string{file, "--from", "csv"}, entry: "import key {imported}", then: `SELECT id FROM keys`, keep: "imported"},
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

// changingCommands are the commands that administer what is in the database.
func changingCommands() (all []string) {
	reads := []string{"keys find", "keys health", "keys list", "keys show", "keys token", "keys verify", "keys credits show", "admins list", "admins keys list"}
	for _, group := range newRoot(&process{}).Commands() {
		if group.Name() != "keys" && group.Name() != "admins" {
			continue
		}
		rest := group.Commands()
		for len(rest) > 0 {
			one := rest[0]
			rest = append(rest[1:], one.Commands()...)
			if name := strings.TrimPrefix(one.CommandPath(), "warder "); !one.HasSubCommands() && !slices.Contains(reads, name) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// Each command that changes something leaves exactly one entry; while the log takes
// none, nothing is changed.
func TestEachCommandLeavesOneEntry(t *testing.T) {
	attack.Case(t, "AUDIT-01", attack.CLI, func(t *testing.T) {
		folder := t.TempDir()
		db, file := filepath.Join(folder, "warder.db"), filepath.Join(folder, "keys.csv")
		if err := os.WriteFile(file, []byte("key,name\nlegacy-0123456789abcdef,old\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		first := strings.TrimSpace(ok(t, "", "keys", "create", "--db", db, "--output", "id")) // makes the database
		ok(t, "", "keys", "delete", first, "--yes", "--db", db)
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
		made := map[string]string{}
		fill := func(text string) string {
			for name, value := range made {
				text = strings.ReplaceAll(text, "{"+name+"}", value)
			}
			return text
		}
		const newest = `SELECT coalesce(max(seq), 0) FROM audit`
		const since = `SELECT coalesce(group_concat(source || ' ' || op || ' ' || kind || ' ' || subject, '; '), '') FROM (SELECT * FROM audit WHERE seq > ?1 ORDER BY seq)`
		var done []string
		for _, s := range commandSteps(db, file) {
			done = append(done, s.command)
			args := append(strings.Fields(s.command), "--db", db)
			for _, one := range s.args {
				args = append(args, fill(one))
			}
			before, was := text(newest), text(changedByCommands)
			if s.run == nil {
				exec(`CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END`)
				var stderr bytes.Buffer
				if code, _ := runIn(t, strings.NewReader(fill(s.stdin)), &stderr, args...); code != exitServer {
					t.Errorf("%s = %d while the entry cannot be written, want %d: %s", s.command, code, exitServer, stderr.String())
				}
				exec(`DROP TRIGGER full`)
				if text(changedByCommands) != was || text(newest) != before {
					t.Errorf("%s was done without its entry", s.command)
				}
				out := ok(t, fill(s.stdin), args...)
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
