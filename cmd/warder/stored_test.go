package main

import (
	"bytes"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// hostileNames are texts that a name may be, and that something else might take for
// more than a name.
func hostileNames() []string {
	return []string{
		`'`, `"`, `''`, `""`, `\`, `';DROP TABLE keys;--`, `"; DROP TABLE keys; --`, `' OR '1'='1`, `') UNION SELECT id FROM keys --`, `x' || (SELECT hex(digest) FROM secrets) || '`,
		`=cmd|' /C calc'!A0`, `=HYPERLINK("http://evil.example")`, `+1+1`, `-1+1`, `@SUM(1)`, `a,b`, `a;=1+1`, `"a","b"`, `{"a":1}`, `],"x":[`, `<script>alert(1)</script>`, `%s%n`, `$(id)`, "`id`",
		`{{.}}`, `a|b`, `%`, `_`, `?1`, `$1`, `NULL`, `--`, `key="x",outcome="y"} 5 #`,
	}
}

// ok runs a command that has to succeed.
func ok(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	code, out := runIn(t, strings.NewReader(stdin), &stderr, args...)
	if code != 0 {
		t.Fatalf("%q = %d: %s", args, code, stderr.String())
	}
	return out
}

// cells reads CSV, and wants as many cells in each row, and none that a spreadsheet
// runs.
func cells(t *testing.T, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		for _, one := range row {
			if one != "" && strings.ContainsRune("=+-@\t\r", rune(one[0])) {
				t.Errorf("a spreadsheet runs the cell %q", one)
			}
		}
	}
	return rows
}

// sortedCopy is all in one order, to compare.
func sortedCopy(all []string) []string { return slices.Sorted(slices.Values(all)) }

// Names that are stored are texts wherever they are used again: on the command line,
// in exports and in reports.
func TestStoredNamesInExportsAndReports(t *testing.T) {
	attack.Case(t, "SQL-09", attack.CLI, func(t *testing.T) {
		folder := t.TempDir()
		db := filepath.Join(folder, "warder.db")
		names := hostileNames()
		for _, name := range names {
			ok(t, "", "keys", "create", "--db", db, "--name="+name, "--owner="+name, "--meta=note="+name, "--output", "id")
			ok(t, "", "keys", "credits", "set", "--db", db, "--owner="+name, "5")
		}
		for _, name := range names { // used again, as it came back
			var found []struct{ Name, Owner string }
			if err := json.Unmarshal([]byte(ok(t, "", "keys", "list", "--db", db, "--owner="+name, "--output", "json")), &found); err != nil {
				t.Fatal(err)
			}
			if len(found) != 1 || found[0].Name != name || found[0].Owner != name {
				t.Errorf("%q finds %+v", name, found)
			}
		}
		export := ok(t, "", "audit", "export", "--db", db)
		var created, credited []string
		for line := range strings.Lines(export) {
			var e struct {
				Op, Kind, Subject, After string
			}
			var after struct{ Name string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("a line of the export is no entry: %v", err)
			}
			switch e.Kind {
			case "key":
				if err := json.Unmarshal([]byte(e.After), &after); err != nil {
					t.Fatal(err)
				}
				created = append(created, after.Name)
			case "credits":
				credited = append(credited, strings.TrimPrefix(e.Subject, "owner:"))
			}
		}
		if !slices.Equal(created, names) || !slices.Equal(credited, names) {
			t.Errorf("the export has the names %q and the owners %q, want %q", created, credited, names)
		}
		file := filepath.Join(folder, "audit.jsonl")
		if err := os.WriteFile(file, []byte(export), 0o600); err != nil {
			t.Fatal(err)
		}
		ok(t, "", "audit", "verify", file)
		ok(t, "", "audit", "verify", "--db", db)
		if rows := cells(t, ok(t, "", "audit", "export", "--db", db, "--format", "csv")); len(rows) != 2*len(names)+1 {
			t.Errorf("the table has %d rows, want %d", len(rows), 2*len(names)+1)
		}
		for _, name := range names {
			if rows := strings.Count(ok(t, "", "audit", "list", "--db", db, "--subject=owner:"+name), "\n"); rows != 2 {
				t.Errorf("of the owner %q the log lists %d lines, want a head and one", name, rows)
			}
		}
		var ill []struct{ Name, Owner string }
		if err := json.Unmarshal([]byte(ok(t, "", "keys", "health", "--db", db, "--output", "json")), &ill); err != nil {
			t.Fatal(err)
		}
		var reported []string
		for _, one := range ill {
			reported = append(reported, one.Name)
		}
		if !slices.Equal(sortedCopy(reported), sortedCopy(names)) {
			t.Errorf("the report has %q, want %q", reported, names)
		}
		if rows := strings.Count(ok(t, "", "keys", "health", "--db", db), "\n"); rows != len(names)+1 {
			t.Errorf("the report has %d lines, want %d", rows, len(names)+1)
		}
		cells(t, ok(t, "", "usage", "export", "--db", db))
		ok(t, "", "usage", "export", "--db", db, "--format", "prometheus")
	})
}

// The same through a running server, by its API and by what it counts.
func TestStoredNamesThroughTheAPI(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	s := startServed(t, upstream.URL())
	attack.Case(t, "SQL-09", attack.Admin, func(t *testing.T) {
		c, names := s.api(t), hostileNames()
		for _, name := range names {
			made, err := c.CreateKey(t.Context(), client.CreateKeyParams{}, client.KeySpec{Name: name, Owner: name})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.SetCredits(t.Context(), client.SetCreditsParams{}, client.SetCreditsRequest{Owner: name, Credits: 5}); err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.gateway+"/orders", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-API-Key", made.Value.Text.Reveal())
			answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("a request with the key of %q: %d, %v", name, answer.StatusCode, err)
			}
		}
		for _, name := range names {
			page, err := c.ListAudit(t.Context(), client.ListAuditParams{Subject: "owner:" + name})
			if err != nil || len(page.Value.Entries) != 1 || page.Value.Entries[0].Subject != "owner:"+name {
				t.Errorf("of the owner %q the log has %+v, %v", name, page.Value.Entries, err)
			}
			found, err := c.ListKeys(t.Context(), client.ListKeysParams{Owner: name, Text: name})
			if err != nil || len(found.Value.Keys) != 1 || found.Value.Keys[0].Name != name {
				t.Errorf("%q finds %+v, %v", name, found.Value.Keys, err)
			}
		}
		for form, lines := range map[string]int{"csv": 2*len(names) + 2, "jsonl": 2*len(names) + 1} { // and the key that the server began with
			body, err := c.ExportAudit(t.Context(), client.ExportAuditParams{Format: form})
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(body)
			if err = closeBoth(body, err); err != nil {
				t.Fatal(err)
			}
			got := strings.Count(string(text), "\n")
			if form == "csv" {
				got = len(cells(t, string(text)))
			}
			if got != lines {
				t.Errorf("the export as %s has %d, want %d", form, got, lines)
			}
		}
		if err := s.process.Process.Signal(syscall.SIGTERM); err != nil { // what was counted is written at the end
			t.Fatal(err)
		}
		if err := s.process.Wait(); err != nil {
			t.Fatal(err)
		}
		db := filepath.Join(s.folder, "warder.db")
		if rows := cells(t, ok(t, "", "usage", "export", "--db", db)); len(rows) != len(names)+1 {
			t.Errorf("the export of usage has %d rows, want %d", len(rows), len(names)+1)
		}
		if lines := strings.Count(ok(t, "", "usage", "top", "--db", db, "--limit", "1000"), "\n"); lines != len(names)+1 {
			t.Errorf("the table of usage has %d lines, want %d", lines, len(names)+1)
		}
	})
}

// An import leaves one entry for each key, in the transaction of the key; while the
// log takes none, it imports none. What the keys are called is text in its report
// and afterwards.
func TestImportsLeaveOneEntry(t *testing.T) {
	folder := t.TempDir()
	db, file := filepath.Join(folder, "warder.db"), filepath.Join(folder, "keys.csv")
	names := hostileNames()
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.Write([]string{"key", "name", "owner"}))
	for i, name := range names {
		must(w.Write([]string{fmt.Sprintf("imported-key-number-%d", i), name, name}))
	}
	w.Flush()
	must(os.WriteFile(file, text.Bytes(), 0o600))
	ok(t, "", "keys", "create", "--db", db, "--name", "first") // makes the database
	raw, err := sql.Open("sqlite", db+"?_pragma=busy_timeout(20000)")
	must(err)
	t.Cleanup(func() { must(raw.Close()) })
	exec := func(query string) {
		t.Helper()
		_, err := raw.ExecContext(t.Context(), query)
		must(err)
	}
	count := func(query string) (n int) {
		t.Helper()
		must(raw.QueryRowContext(t.Context(), query).Scan(&n))
		return n
	}
	const keys, entries = `SELECT count(*) FROM keys`, `SELECT count(*) FROM audit`
	attack.Case(t, "AUDIT-01", attack.CLI, func(t *testing.T) {
		exec(`CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END`)
		var stderr bytes.Buffer
		if code, _ := runIn(t, strings.NewReader(""), &stderr, "keys", "import", file, "--from", "csv", "--db", db); code == 0 {
			t.Error("the import succeeds, although no entry can be written")
		}
		if n := count(keys); n != 1 {
			t.Errorf("%d keys, want the first one alone", n)
		}
		exec(`DROP TRIGGER full`)
		var report struct {
			Imported int `json:"imported"`
		}
		must(json.Unmarshal([]byte(ok(t, "", "keys", "import", file, "--from", "csv", "--db", db, "--output", "json")), &report))
		if n := len(names); report.Imported != n || count(keys) != n+1 || count(entries) != n+1 {
			t.Errorf("imported %d keys; %d keys and %d entries, want one of each more than %d", report.Imported, count(keys), count(entries), n)
		}
		if n := count(`SELECT count(*) FROM (SELECT subject FROM audit WHERE op = 'import' AND kind = 'key' AND subject IN (SELECT id FROM keys) GROUP BY subject HAVING count(*) = 1)`); n != len(names) {
			t.Errorf("%d keys have exactly one entry of their import, want %d", n, len(names))
		}
		ok(t, "", "audit", "verify", "--db", db)
	})
	attack.Case(t, "SQL-09", attack.CLI, func(t *testing.T) {
		var all []struct{ Name string }
		must(json.Unmarshal([]byte(ok(t, "", "keys", "list", "--db", db, "--output", "json")), &all))
		var got []string
		for _, one := range all {
			got = append(got, one.Name)
		}
		if !slices.Equal(sortedCopy(got), sortedCopy(slices.Concat(names, []string{"first"}))) {
			t.Errorf("the names are %q", got)
		}
		// Columns that are not taken over are named in the report, and are text there.
		odd := filepath.Join(folder, "odd.csv")
		must(os.WriteFile(odd, []byte("key,"+strconv.Quote("=x;DROP")+"\nanother-imported-key-1,1\n"), 0o600))
		stderr := new(bytes.Buffer)
		code, out := runIn(t, strings.NewReader(""), stderr, "keys", "import", odd, "--from", "csv", "--db", db, "--dry-run")
		if said := out + stderr.String(); code > exitUsage || strings.Contains(said, "panic") || strings.Count(said, "\n") > 12 {
			t.Errorf("an odd column = %d: %s", code, said)
		}
		if n := count(keys); n != len(names)+1 {
			t.Errorf("%d keys, want %d", n, len(names)+1)
		}
	})
}

func closeBoth(c io.Closer, err error) error {
	if closing := c.Close(); err == nil {
		return closing
	}
	return err
}
