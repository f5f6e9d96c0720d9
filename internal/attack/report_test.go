package attack_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
)

// small is a catalogue with one case of each kind.
func small(t *testing.T) []attack.Entry {
	t.Helper()
	var entries []attack.Entry
	for _, id := range []string{"KEY-01", "KEY-17", "FLOOD-02", "SMUG-01"} {
		e, ok := attack.Find(id)
		if !ok {
			t.Fatalf("no case %s", id)
		}
		if id == "KEY-17" {
			e.Waits = "public keys" // the catalogue's own do not stay
		}
		if id == "FLOOD-02" {
			e.Rest, e.At = "the rest", nil // the catalogue's own do not stay
		}
		entries = append(entries, e)
	}
	return entries
}

func TestReport(t *testing.T) {
	archive, err := os.ReadFile("testdata/report.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for section := range strings.SplitSeq(string(archive), "\n-- ") {
		name, text, ok := strings.Cut(section, " --\n")
		if !ok {
			continue // what stands before the first section
		}
		t.Run(name, func(t *testing.T) {
			record, want, _ := strings.Cut(text, "gaps:")
			results, err := attack.ReadResults(strings.NewReader(record))
			if err != nil {
				t.Fatal(err)
			}
			page, gaps := attack.Report(small(t), results)
			if got, want := strings.Join(gaps, "\n"), strings.TrimSpace(want); got != want {
				t.Errorf("gaps:\n%s\nwant:\n%s", got, want)
			}
			if got, want := bytes.Contains(page, []byte("does not hold")), len(gaps) > 0 && !strings.HasPrefix(gaps[0], "KEY-99"); got != want {
				t.Errorf("the page says that a case does not hold: %v, want %v", got, want)
			}
			slices.Reverse(results)
			if again, _ := attack.Report(small(t), append(results, results...)); !bytes.Equal(page, again) {
				t.Error("the page depends on the order or number of results")
			}
		})
	}
}

func TestReportRows(t *testing.T) {
	page, _ := attack.Report(small(t), []attack.Result{
		{ID: "KEY-01", Front: attack.Gateway, Test: "TestB", Passed: true},
		{ID: "KEY-01", Front: attack.Library, Test: "TestA", Passed: true},
		{ID: "FLOOD-02", Front: attack.Gateway, Test: "TestC", Passed: true},
	})
	for _, want := range []string{"library, gateway | TestA, TestB |", "| waits for public keys |", "| gateway, waits: the rest | TestC |"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestReadResultsNamesTheLine(t *testing.T) {
	_, err := attack.ReadResults(strings.NewReader("{}\n{broken\n"))
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error = %v, want one that names line 2", err)
	}
}

func TestCatalogueIsWhole(t *testing.T) {
	want := map[string]int{
		"KEY": 38, "SESS": 14, "JWT": 19, "MULTI": 12, "PROXY": 24, "LOG": 12, "PATH": 18, "SMUG": 24, "TLS": 16, "HOST": 10, "IP": 11, "CORS": 11, "CSRF": 13,
		"LIMIT": 16, "FWD": 22, "SQL": 9, "ADMIN": 16, "UI": 11, "FLOOD": 7,
	}
	got, waiting, rest := map[string]int{}, []string{}, []string{}
	for _, e := range attack.Catalogue() {
		got[e.Area()]++
		if id := fmt.Sprintf("%s-%02d", e.Area(), got[e.Area()]); e.ID != id {
			t.Errorf("case %s stands at the place of %s", e.ID, id)
		}
		if e.Sent == "" || e.Must == "" {
			t.Errorf("%s says nothing", e.ID)
		}
		if e.Waits != "" {
			waiting = append(waiting, e.ID)
		}
		if e.Rest != "" {
			rest = append(rest, e.ID)
		}
	}
	for area, n := range want {
		if got[area] != n {
			t.Errorf("area %s has %d cases, want %d", area, got[area], n)
		}
	}
	if got, want := strings.Join(waiting, " "), ""; got != want {
		t.Errorf("waiting: %s, want %s", got, want)
	}
	if got, want := strings.Join(rest, " "), ""; got != want {
		t.Errorf("waiting in part: %s, want %s", got, want)
	}
	if _, ok := attack.Find("KEY-39"); ok {
		t.Error("Find knows a case that does not exist")
	}
}

// TestTheGatewayIsAskedFor: what the edge refuses, it refuses as a whole, over a socket;
// that a package does so alone says nothing of how it was joined to the others.
func TestTheGatewayIsAskedFor(t *testing.T) {
	elsewhere := map[string]string{
		"TLS-09":   "of a file, told at the command line",
		"HOST-10":  "of the admin listener",
		"IP-09":    "of a configuration, which does not start",
		"CORS-04":  "of a configuration, which does not start",
		"FLOOD-05": "of reading a document, before requests are served",
	}
	for _, e := range attack.Catalogue() {
		if !slices.Contains([]string{"TLS", "HOST", "IP", "CORS", "CSRF", "PROXY", "FLOOD"}, e.Area()) {
			continue
		}
		if asked := slices.Contains(e.At, attack.Gateway); asked == (elsewhere[e.ID] != "") {
			t.Errorf("%s: the gateway is asked for: %v; it is elsewhere because %q", e.ID, asked, elsewhere[e.ID])
		}
	}
}

func TestCaseRecordsItsResult(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(attack.RecordDir, dir)
	attack.Case(t, "KEY-01", attack.Library, func(*testing.T) {})
	attack.CaseVia(t, "FWD-03", attack.ViaEnvoyHTTP, func(*testing.T) {})
	f, err := os.Open(dir + "/results.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	results, err := attack.ReadResults(f)
	if err != nil {
		t.Fatal(err)
	}
	want := []attack.Result{
		{ID: "KEY-01", Front: attack.Library, Test: "TestCaseRecordsItsResult", Passed: true},
		{ID: "FWD-03", Front: attack.Asked, Via: attack.ViaEnvoyHTTP, Test: "TestCaseRecordsItsResult", Passed: true},
	}
	if !slices.Equal(results, want) {
		t.Errorf("recorded %v, want %v", results, want)
	}
}
