package imports_test

import (
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// onTheMap returns the packages that the lists below "The map of the house" name:
// those before the colon of each item.
func onTheMap(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	_, lists, found := strings.Cut(file.Doc.Text(), "# The map of the house\n")
	if !found {
		t.Fatal("doc.go has no map")
	}
	for _, m := range regexp.MustCompile(`(?m)^  - ([^:\n]+): \S`).FindAllStringSubmatch(lists, -1) {
		names = append(names, strings.Split(m[1], ", ")...)
	}
	if items := strings.Count(lists, "\n  - "); items == 0 || items > len(names) {
		t.Fatalf("the map has %d items, and %d packages in them", items, len(names))
	}
	return names
}

// TestTheMapIsWhole: every package stands once in the map of the house, and
// nothing else does.
func TestTheMapIsWhole(t *testing.T) {
	noteTheTree(t)
	offTheMap := []string{"", "docs", "examples/eleven", "examples/library"} // the house itself, and what is told of above the map
	names := onTheMap(t)
	known := make(map[string]bool)
	for _, p := range list(t, module+"/...") {
		rel, ok := relative(p.ImportPath)
		if !ok || slices.Contains(offTheMap, rel) {
			continue
		}
		known[rel] = true
		if !slices.Contains(names, rel) {
			t.Errorf("the map in doc.go lacks %s", rel)
		}
	}
	for i, name := range names {
		if !known[name] {
			t.Errorf("the map in doc.go names %q, which is no package to be found there", name)
		}
		if slices.Contains(names[:i], name) {
			t.Errorf("the map in doc.go names %s twice", name)
		}
	}
}
