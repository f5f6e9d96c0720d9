package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/secret"
)

// decision is the next that is told.
func (v *viewer) decision(t *testing.T) (d keyservice.Decision) {
	t.Helper()
	for {
		line, err := v.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no decision is told: %v", err)
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(text), &d); err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
}

// TestWatchingWhatProxiesAsk: a decision that a proxy asked for is told like one of the
// gateway's own: the client, the method and the path are those of the request that is
// judged, and not the question's.
func TestWatchingWhatProxiesAsk(t *testing.T) {
	t.Parallel()
	dialects := []string{"envoy"}
	for dialect := range askingDialects() {
		dialects = append(dialects, dialect)
	}
	for _, dialect := range dialects {
		t.Run(dialect, func(t *testing.T) {
			p := start(t, "http://127.0.0.1:1", settings{token: secret.New(hostileToken), yaml: askedYAML(dialect)})
			ask := func(target string, fields ...string) int {
				return p.question(t, asksAs(dialect, "PUT", target), fields...).StatusCode
			}
			switch dialect {
			case "envoy-http":
				ask = func(target string, fields ...string) int {
					return p.envoyReplays(t, "PUT", target, append(fields, "x-forwarded-for", "192.0.2.7")...).StatusCode
				}
			case "envoy":
				conn := p.dial(t, insecure.NewCredentials())
				ask = func(target string, fields ...string) int {
					w := asks(t, conn, envoyAsks("PUT", target, fields...))
					return int(w.GetDeniedResponse().GetStatus().GetCode()) // 0 for a pass
				}
			}
			v := p.viewer(t, watchToken)
			id := string(p.record.ID)
			for _, want := range []keyservice.Decision{
				{Path: "/orders/1", Route: "/orders/", Status: http.StatusOK, KeyID: id},
				{Path: "/orders/2", Route: "/orders/", Status: http.StatusUnauthorized, Stage: "authn", Reason: "no-credential"},
				{Path: "/admin/3", Route: "/admin/", Status: http.StatusForbidden, KeyID: id, Stage: "authn", Reason: "insufficient-scope"},
				{Path: "/public/4", Route: "/public/", Status: http.StatusOK},
			} {
				var fields []string
				if want.KeyID != "" {
					fields = []string{"x-api-key", p.key}
				}
				if got := ask(want.Path+"?hidden=1", fields...); got != want.Status && (dialect != "envoy" || got != 0 || want.Status != http.StatusOK) {
					t.Errorf("%s is answered %d, want %d", want.Path, got, want.Status)
				}
				got := v.decision(t)
				want.Method, want.Host, want.Client = "PUT", "api.example.com", "192.0.2.7"
				want.Time, want.ID, want.Proto, want.Bytes, want.DurationUS = got.Time, got.ID, got.Proto, got.Bytes, got.DurationUS
				if got != want {
					t.Errorf("told is %+v\nwant    %+v", got, want)
				}
			}
		})
	}
}
