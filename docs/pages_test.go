package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheGuideLeadsOn: each page says where to go next, and the first one leads
// to all of the others.
func TestTheGuideLeadsOn(t *testing.T) {
	const first = "getting-started.md"
	pages, err := filepath.Glob("guide/*.md")
	if err != nil || len(pages) < 2 {
		t.Fatalf("pages %v: %v", pages, err)
	}
	leads := make(map[string][]string)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		own := filepath.Base(page)
		end, found := afterLast(string(text), "\nNext:")
		for _, m := range regexp.MustCompile(`\]\(([a-z-]+\.md)\)`).FindAllStringSubmatch(end, -1) {
			leads[own] = append(leads[own], m[1])
		}
		if !found || len(leads[own]) == 0 || strings.Contains(end, "\n#") || slices.Contains(leads[own], own) {
			t.Errorf("%s does not end with what is next", page)
		}
	}
	for _, page := range pages {
		if own := filepath.Base(page); own != first && !slices.Contains(leads[first], own) {
			t.Errorf("%s does not lead to %s", first, own)
		}
	}
}

// afterLast returns what follows the last sep.
func afterLast(s, sep string) (after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", false
	}
	return s[i+len(sep):], true
}

// TestContributorsAreToldWhatTestsNeed beside Go: everything that .ci/needs looks
// for.
func TestContributorsAreToldWhatTestsNeed(t *testing.T) {
	script, err := os.ReadFile("../.ci/needs")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	needs := regexp.MustCompile(`(?m)^need(?:_python)? (\S+) `).FindAllSubmatch(script, -1)
	if len(needs) < 10 {
		t.Fatalf(".ci/needs looks for %d things", len(needs))
	}
	for _, m := range needs {
		if !strings.Contains(string(page), "`"+string(m[1])+"`") {
			t.Errorf("CONTRIBUTING.md does not name %s", m[1])
		}
	}
}
