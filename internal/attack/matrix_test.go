package attack_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
)

// proxied is a case of each kind that the second table has.
func proxied(t *testing.T) (entries []attack.Entry) {
	t.Helper()
	for _, id := range []string{"PATH-01", "FWD-16", "OAS-01"} {
		e, ok := attack.Find(id)
		if !ok {
			t.Fatalf("no case %s", id)
		}
		entries = append(entries, e)
	}
	return entries
}

// via are the results of a run in which everything held.
func via() (results []attack.Result) {
	for _, via := range []attack.Via{attack.ViaNginx, attack.ViaCaddy, attack.ViaHAProxy, attack.ViaTraefik, attack.ViaEnvoy, attack.ViaEnvoyHTTP} {
		results = append(results, attack.Result{ID: "PATH-01", Front: via.Front(), Via: via, Test: "TestA", Passed: true})
	}
	return append(results,
		attack.Result{ID: "PATH-01", Front: attack.Gateway, Test: "TestB", Passed: true}, // without a way in of its own
		attack.Result{ID: "PATH-01", Front: attack.Library, Test: "TestC", Passed: true},
		attack.Result{ID: "FWD-16", Front: attack.ExtAuthz, Test: "TestD", Passed: true},
		attack.Result{ID: "OAS-01", Front: attack.Library, Test: "TestE", Passed: true},
	)
}

func TestReportByWayIn(t *testing.T) {
	results := via()
	page, gaps := attack.Report(proxied(t), results)
	if len(gaps) > 0 {
		t.Errorf("gaps: %q", gaps)
	}
	for _, want := range []string{
		"| id | gateway | library | nginx | Caddy | HAProxy | Traefik | Envoy gRPC | Envoy HTTP | verify |",
		"| PATH-01 | held | held | held | held | held | held | held | held | – 1 |\n\n1. verify judges with",
		"| FWD-16 | – 1 | – 1 | – 2 | – 2 | – 2 | – 2 | held | – 2 | – 1 |\n\n1. nobody asks",
		"| OAS-01 | – 1 | held | – 1 | – 1 | – 1 | – 1 | – 1 | – 1 | – 1 |",
	} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	slices.Reverse(results)
	if again, _ := attack.Report(proxied(t), append(results, results...)); !bytes.Equal(page, again) {
		t.Error("the page depends on the order or number of results")
	}
}

func TestReportNamesTheWayIn(t *testing.T) {
	whole := via()
	for i, r := range whole {
		if r.ID != "PATH-01" || r.Via == "" {
			continue
		}
		without := slices.Delete(slices.Clone(whole), i, i+1)
		page, gaps := attack.Report(proxied(t), without)
		if want := "PATH-01: no result via " + string(r.Via); !slices.Equal(gaps, []string{want}) || !bytes.Contains(page, []byte("**not tried**")) {
			t.Errorf("without %s: the gaps %q, want %q", r.Via, gaps, want)
		}
		failed := slices.Clone(whole)
		failed[i].Passed = false
		page, gaps = attack.Report(proxied(t), append(failed, r)) // another test of it passed
		if len(gaps) != 1 || !strings.Contains(gaps[0], "failed at "+string(r.Front)) || bytes.Count(page, []byte("**does not hold**")) != 2 {
			t.Errorf("failed by %s: the gaps %q, and the page\n%s", r.Via, gaps, page)
		}
	}
}

// TestEveryAbsenceIsOfACase: a reason for a case that there is not would hide a slip.
func TestEveryAbsenceIsOfACase(t *testing.T) {
	known := map[string]bool{}
	for _, e := range attack.Catalogue() {
		known[e.ID], known[e.Area()] = true, true
	}
	for _, id := range attack.AbsentIDs() {
		if !known[id] {
			t.Errorf("the catalogue has no %s", id)
		}
	}
}

func TestEveryWayInHasAFront(t *testing.T) {
	for _, via := range attack.Vias() {
		if !slices.Contains(attack.Fronts(), via.Front()) {
			t.Errorf("%s counts as %q, which is no front", via, via.Front())
		}
	}
	if front := attack.Via("apache").Front(); front != "" {
		t.Errorf("an unknown way in counts as %q", front)
	}
}
