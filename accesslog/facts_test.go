package accesslog_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/exchange"
)

// TestFactsAreThoseOfTheRecord: who tells of requests by them tells what the log tells,
// in every mode, whatever stands in the request.
func TestFactsAreThoseOfTheRecord(t *testing.T) {
	const key = "wrd_live_Canary7f3k9QxZ0123456789abcdefABCDEFabcdefABCDEF12"
	long := strings.Repeat("a", 2000)
	for _, mode := range []accesslog.PathMode{accesslog.PathMasked, accesslog.PathRoute, accesslog.PathOff} {
		for _, text := range []string{"orders", key, long, "a\x1b[31mb", "a\u202eb", "\xff", ""} {
			for _, method := range []string{http.MethodGet, key, "FOO", "A\nB"} {
				r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
				r.Method = method
				x := exchange.New(r)
				x.ID, x.Host, x.Path, x.Route, x.Claim, x.Client = text, text, "/"+text, "GET /"+text, text, netip.MustParseAddr("192.0.2.7")
				o := exchange.Outcome{Status: 401, Reason: text, Trace: exchange.Trace{Stage: text}}
				var line bytes.Buffer
				stage, err := accesslog.New(accesslog.Config{Logger: slog.New(slog.NewJSONHandler(&line, nil)), Path: mode})
				if err != nil {
					t.Fatal(err)
				}
				stage.Done(x, o)
				var record map[string]any
				if err := json.Unmarshal(line.Bytes(), &record); err != nil {
					t.Fatal(err)
				}
				f := accesslog.FactsOf(x, &o, mode)
				for name, got := range map[string]string{
					"id": f.ID, "method": f.Method, "host": f.Host, "route": f.Route, "path": f.Path, "proto": f.Proto, "client": f.Client, "key_id": f.KeyID, "stage": f.Stage, "reason": f.Reason,
				} {
					want, _ := record[name].(string)
					if got != want {
						t.Errorf("mode %s, %.20q: %s is %.40q, the record says %.40q", mode, text, name, got, want)
					}
				}
			}
		}
	}
}
