package server_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/wire"
)

// TestTheGuideNamesEveryMetric that a program with all of its parts tells of.
func TestTheGuideNamesEveryMetric(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	yaml, _ := overTLS(t)
	p := start(t, upstream.URL(), settings{yaml: yaml + "proxy_protocol: {trusted_peers: [192.0.2.1]}\nroutes:\n  - {match: '/', upstream: api}\n"})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.admin+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(do(t, r).Body)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/guide/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^# HELP (warder_\S+)`).FindAllStringSubmatch(string(text), -1)
	if len(names) < 7 {
		t.Fatalf("metrics tell of %d", len(names))
	}
	for _, m := range names {
		if !strings.Contains(string(page), "`"+m[1]) {
			t.Errorf("the guide lacks %s", m[1])
		}
	}
}
