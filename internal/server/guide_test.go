package server_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/redis"
)

// withEverything is the configuration of a program that has all of its parts. Its
// authority of certificates and its Redis give no answer.
const withEverything = `  redirect_listen: 127.0.0.1:0
  acme: {names: [acme.test], directory: "https://127.0.0.1:1/directory", folder: %q, agree_to_terms: true}
proxy_protocol: {trusted_peers: [192.0.2.1]}
decision: {listen: "127.0.0.1:0", dialect: envoy}
https: {require: true}
redis: {addresses: ["127.0.0.1:1"]}
rate_limits:
  one: {count: 1, per: 1h, by: [address], shadow: true}
  shared: {count: 100, per: 1h, by: [address], store: redis, on_store_failure: insecure_open}
default_rate_limits: [one]
credits: {cost: 1}
tracing: {endpoint: "https://127.0.0.1:1/v1/traces"}
webhooks: {ops: {url: "https://127.0.0.1:1", secret: "${HOOK_SECRET}"}}
`

// TestTheGuideNamesEveryMetric that a program with all of its parts tells of, and
// no other.
func TestTheGuideNamesEveryMetric(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	yaml, client := secured(t, fmt.Sprintf(withEverything, filepath.Join(t.TempDir(), "acme")))
	away, err := redis.Open(redis.Config{Addresses: []string{"127.0.0.1:1"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = away.Close() })
	file := filepath.Join(t.TempDir(), "openapi.json")
	writeDocument(t, file, described(`"/described": {"get": {}}`))
	yaml += "\nlisteners: {internal: {listen: '127.0.0.1:0'}}\nopenapi_documents: [{document: '" + file + "', upstream: api, mode: 'off'}]\n"
	other := settings{yaml: "routes: [{match: \"/\", upstream: api}]"}.load(t, t.TempDir(), upstream.URL())
	p := start(t, upstream.URL(), settings{yaml: yaml, limit: away.Limits(), environ: []string{"HOOK_SECRET=" + webhookSecret}, shadow: other})
	for range 2 { // without a key, and the second is over the limit that is only tried
		r := newRequest(t, "https://"+p.gateway+"/")
		r.Host = "api.test"
		w, err := (&http.Transport{TLSClientConfig: client, DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Body.Close()
		if w.StatusCode != http.StatusUnauthorized {
			t.Errorf("without a key: %d", w.StatusCode)
		}
	}
	text, err := io.ReadAll(do(t, newRequest(t, "http://"+p.admin+"/metrics")).Body)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/guide/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	told, named := names(`(?m)^# HELP (warder_\w+)`, text), names("(?m)^\\| `(warder_\\w+)", page)
	for _, name := range told {
		if !slices.Contains(named, name) {
			t.Errorf("the guide's table lacks %s", name)
		}
	}
	for _, name := range named {
		if !slices.Contains(told, name) {
			t.Errorf("the guide's table names %s, which a program with all of its parts does not tell of", name)
		}
	}
}

// names returns what the group of pattern matches in text, in order.
func names(pattern string, text []byte) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
		all = append(all, string(m[1]))
	}
	return all
}
