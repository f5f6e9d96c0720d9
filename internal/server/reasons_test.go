package server_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/server"
)

// libraryReasons reads, from the source of the library, the words by which its stages
// and schemes refuse, with the file that has each.
func libraryReasons(t *testing.T) map[string]string {
	t.Helper()
	forms := []*regexp.Regexp{
		regexp.MustCompile(`authn\.Wrong\("([a-z-]+)"\)`),
		regexp.MustCompile(`(?m)^\s*reason[A-Z]\w*\s+= "([a-z-]+)"`),
		regexp.MustCompile(`(?m)exchange\.(?:Refuse|Answer)\(.*, "([a-z-]+)"\)`),
		regexp.MustCompile(`(?m)^(?:const|\s)\s*(?:overHTTP|preflight)\s+= "([a-z-]+)"`),
	}
	found := map[string]string{}
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"internal", "interop", "examples", "cmd", "client", "tools", "testdata"}, d.Name()) || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			if name != "../.." {
				return fs.SkipDir
			}
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for _, form := range forms {
				for _, m := range form.FindAllStringSubmatch(string(text), -1) {
					found[m[1]] = name
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestMetricsTellWhy: a reason that the log tells is none that the metrics call other.
func TestMetricsTellWhy(t *testing.T) {
	reasons := libraryReasons(t)
	for _, sure := range []string{"origin-not-listed", "preflight", "cross-site", "credential-over-http", "https-redirect", "wrong-secret", "sni", "audience", "wrong-usage"} {
		if reasons[sure] == "" {
			t.Errorf("%s is not found in the source: the search is broken", sure)
		}
	}
	m := server.NewMetrics("v1")
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		m.Shadowed("authn", reason)
		m.Done(request("/"), refused(403, "authn", reason))
	}
	text := scrape(t, m)
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		for _, metric := range []string{"warder_shadow_refusals_total", "warder_refusals_total"} {
			if !strings.Contains(text, "\n"+metric+`{reason="`+reason+`",stage="authn"} 1`+"\n") {
				t.Errorf("%s of %s is not told by %s: add it to wordsOfStages", reason, reasons[reason], metric)
			}
		}
	}
}
