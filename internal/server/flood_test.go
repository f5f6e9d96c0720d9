package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/webhook"
)

// Whoever makes up subjects of a limit does not push out the alarm that a honeytoken
// was used, and fills no database.
func TestAFloodOfSubjectsHidesNoAlarm(t *testing.T) {
	in, ca := newInbox(t)
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: fmt.Sprintf(`
webhooks:
  ops: {url: "%s/hook", secret: "${HOOK_SECRET}", ca_file: "%s", insecure_private: true}
rate_limits:
  teams: {count: 1, per: 1m, by: [address, "header:X-Team"], soft: true}
routes: [{match: "/", upstream: api, rate_limits: [teams]}]
`, in.URL, ca), environ: []string{"HOOK_SECRET=" + webhookSecret}})
	_, trap := p.create(t, apikey.Spec{Environment: "live", Kind: apikey.KindHoneytoken})
	var transport http.Transport
	defer transport.CloseIdleConnections()
	ask := func(team, key string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.gateway+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Team", team)
		if key != "" {
			r.Header.Set("X-API-Key", key)
		}
		w, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Body.Close()
	}
	begin := time.Now()
	for i := range 1000 {
		ask(fmt.Sprintf("team %d", i), "")
	}
	ask("the thief's", trap)
	took := time.Since(begin)
	eventually(t, func() (int, bool) {
		n := len(in.of(webhook.HoneytokenUsed))
		return n, n == 1
	})
	if got, most := len(in.of(webhook.LimitNear)), 101+int(took/(5*time.Second)); got == 0 || got > most {
		t.Errorf("%d events tell of who is near a limit, want 1 to %d", got, most)
	}
}
