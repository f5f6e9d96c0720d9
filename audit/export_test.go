package audit_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/audit/audittest"
	"github.com/warder-dev/warder/internal/attack"
)

// exportOf returns an export of entries.
func exportOf(tb testing.TB, w func(*bytes.Buffer) *audit.Writer, entries []audit.Entry) string {
	tb.Helper()
	var b bytes.Buffer
	out := w(&b)
	for i := range entries {
		if err := out.Write(&entries[i]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func asJSON(b *bytes.Buffer) *audit.Writer { return audit.NewJSONWriter(b) }
func asCSV(b *bytes.Buffer) *audit.Writer  { return audit.NewCSVWriter(b) }

// verifyExport reads an export and verifies it.
func verifyExport(text string) (audit.Head, error) {
	chain := audit.NewChain(nil)
	err := audit.ReadExport(strings.NewReader(text), chain.Add)
	return chain.Head(), errors.Join(err, chain.End())
}

func TestAnExportVerifies(t *testing.T) {
	attack.Case(t, "AUDIT-06", attack.Library, func(t *testing.T) {
		entries := newLog(t, 3)
		odd := audittest.Event(4)
		odd.Actor, odd.Subject = "user:<Å>&\u2028\"\\", "a\nb\tc"
		odd.Before, odd.After = nil, json.RawMessage(`{"a":"<\u0001>  é","n":1E5,"b":[1.0]}`)
		e, err := audit.Seal(entries[2].Head(), odd)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
		text := exportOf(t, asJSON, entries)
		if head, err := verifyExport(text); err != nil || head != e.Head() {
			t.Errorf("the export ends with %v, %v, want %v", head, err, e.Head())
		}
		for name, spoiled := range map[string]string{
			"an actor":  strings.Replace(text, "user:ada", "user:eve", 1),
			"a state":   strings.Replace(text, "n2", "n3", 1),
			"a line":    text[strings.Index(text, "\n")+1:],
			"an entry":  strings.Replace(text, `"seq":2`, `"seq":3`, 1),
			"its order": text[strings.Index(text, "\n")+1:] + text[:strings.Index(text, "\n")+1],
		} {
			if _, err := verifyExport(spoiled); !errors.Is(err, audit.ErrBroken) {
				t.Errorf("%s changed: %v, want a broken log", name, err)
			}
		}
	})
}

func TestExportsThatAreNone(t *testing.T) {
	line := exportOf(t, asJSON, newLog(t, 1))
	for name, bad := range map[string]string{
		"no JSON":        "hello",
		"a member more":  strings.Replace(line, `{"seq"`, `{"more":1,"seq"`, 1),
		"two on a line":  strings.TrimSpace(line) + line,
		"no time":        strings.Replace(line, `"at":"2026-11-01T`, `"at":"2026-11-01 `, 1),
		"a short hash":   strings.Replace(line, `"hash":"`, `"hash":"00`, 1),
		"a large number": strings.Replace(line, `"seq":1`, `"seq":1e99`, 1),
	} {
		if _, err := verifyExport(line + bad); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v, want an error that names line 2", name, err)
		}
	}
}

// TestFormulasInCSV reads a row as each of the dividers has it that spreadsheets take for
// the end of a cell: none begins a formula.
func TestFormulasInCSV(t *testing.T) {
	for text, want := range map[string]string{
		"=1":               "'=1",
		"plain":            "plain",
		"a=1-2+3@x":        "a=1-2+3@x",
		"x;=cmd|' /C c'!A": "x;'=cmd|' /C c'!A",
		"x; \"=1":          "x; \"'=1",
		"x\t@SUM(A1)":      "x\t'@SUM(A1)",
		"x\n+1":            "x\n'+1",
		"\n=1":             "'\n'=1",
		"\uff1d1;\uff0b1":  "'\uff1d1;'\uff0b1",
		"\xff;=1":          "\xff;'=1",
		";;--1":            ";;'--1",
	} {
		entry := audit.Entry{Event: audit.Event{At: time.Unix(1, 0), Actor: text, Source: "s", Op: "o", Kind: "k", Subject: "x"}}
		rows, err := csv.NewReader(strings.NewReader(exportOf(t, asCSV, []audit.Entry{entry}))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got := rows[1][2]; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestCSV(t *testing.T) {
	e := audittest.Event(1)
	e.Actor, e.Source, e.Subject, e.Before = `=HYPERLINK("http://evil.example","x")`, "+1", "a,\"b\"\nc", nil
	sealed, err := audit.Seal(audit.Head{}, e)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(exportOf(t, asCSV, []audit.Entry{sealed}))).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[0]) != 11 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for column, want := range map[int]string{0: "1", 2: "'" + e.Actor, 3: "'+1", 6: e.Subject, 7: "", 10: sealed.Hash.String()} {
		if got := rows[1][column]; got != want {
			t.Errorf("%s = %q, want %q", rows[0][column], got, want)
		}
	}
	if empty := exportOf(t, asCSV, nil); strings.Count(empty, "\n") != 1 || !strings.HasPrefix(empty, "seq,at,") {
		t.Errorf("an empty log is %q, want the row of names", empty)
	}
}

// FuzzExport: what is read is written as what is read again.
func FuzzExport(f *testing.F) {
	e, err := audit.Seal(audit.Head{}, audittest.Event(1))
	if err != nil {
		f.Fatal(err)
	}
	line := exportOf(f, asJSON, []audit.Entry{e})
	for _, seed := range []string{"", "{}", line, line + line, "\xff", strings.Replace(line, `"before":"`, `"before":"\u0000`, 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var entries []audit.Entry
		if audit.ReadExport(strings.NewReader(text), func(e *audit.Entry) error { entries = append(entries, *e); return nil }) != nil {
			return
		}
		again := exportOf(t, asJSON, entries)
		i := 0
		err := audit.ReadExport(strings.NewReader(again), func(e *audit.Entry) error {
			if i >= len(entries) || e.Sum() != entries[i].Sum() || e.Hash != entries[i].Hash {
				t.Errorf("entry %d of %q became another one", i, text)
			}
			i++
			return nil
		})
		if err != nil || i != len(entries) {
			t.Errorf("%d entries of %q became %d, %v", len(entries), text, i, err)
		}
	})
}
