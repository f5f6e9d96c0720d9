package server_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/webhook"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"

// inbox is a receiver of events over TLS, that verifies each.
type inbox struct {
	*httptest.Server
	mu   sync.Mutex
	got  []map[string]any // data, with the type
	bad  []error
	seen map[string]bool
}

func newInbox(t *testing.T) (in *inbox, caFile string) {
	t.Helper()
	in = &inbox{seen: map[string]bool{}}
	in.Server = httptest.NewTLSServer(in)
	t.Cleanup(in.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: in.Certificate().Raw})
	if err := os.WriteFile(caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return in, caFile
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	id, bad := webhook.Verify(r.Header, body, time.Now(), secret.New(webhookSecret))
	var event struct {
		Type string         `json:"type"`
		Data map[string]any `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil || bad != nil {
		in.bad = append(in.bad, err, bad)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !in.seen[id] {
		in.seen[id] = true
		event.Data["type"] = event.Type
		in.got = append(in.got, event.Data)
	}
}

// of returns the events of a type.
func (in *inbox) of(kind string) (all []map[string]any) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, e := range in.got {
		if e["type"] == kind {
			all = append(all, e)
		}
	}
	return all
}

// crammed has no room for one endpoint.
type crammed struct{ webhook.Outbox }

func (o crammed) Add(ctx context.Context, e webhook.Event, endpoint string) error {
	if endpoint == "dead" {
		return webhook.ErrFull
	}
	return o.Outbox.Add(ctx, e, endpoint)
}

// TestEventsAreTold starts a program with a receiver, and does what is told of.
func TestEventsAreTold(t *testing.T) {
	in, ca := newInbox(t)
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: fmt.Sprintf(`
webhooks:
  ops: {url: "%s/hook", secret: "${HOOK_SECRET}", ca_file: "%s", insecure_private: true}
  other: {url: "%[1]s/other", secret: "${HOOK_SECRET}", ca_file: "%[2]s", insecure_private: true, events: [key.leaked]}
  dead: {url: "%[1]s/dead", secret: "${HOOK_SECRET}", ca_file: "%[2]s", insecure_private: true}
rate_limits:
  few: {count: 10, per: 1h, by: [key], soft: true, plans: [{name: gold, plans: [gold], count: 20}]}
  owners: {count: 20, per: 1d, by: [owner], soft: true}
  addresses: {count: 40, per: 1h, by: [address], soft: true}
routes: [{match: "/", upstream: api, rate_limits: [few, owners, addresses]}]
`, in.URL, ca), environ: []string{"HOOK_SECRET=" + webhookSecret}, outbox: func(o webhook.Outbox) webhook.Outbox { return crammed{o} }, before: func(t *testing.T, p *program) {
		t.Helper()
		other, _ := p.create(t, apikey.Spec{Environment: "live"})
		for _, id := range []apikey.ID{p.record.ID, other.ID} {
			p.change(t, id, apikey.OpUpdate, func(r *apikey.Record) { // it was made a month ago, and has two days left
				r.Created, r.Expires = time.Now().Add(-30*24*time.Hour), time.Now().Add(48*time.Hour)
			})
		}
	}})
	_, gold := p.create(t, apikey.Spec{Environment: "live", Owner: "acme", Plan: "gold", Scopes: []string{"orders:*"}})
	for range 12 {
		p.get(t, "/", p.key)
	}
	for range 30 {
		p.get(t, "/", gold)
	}
	want := []string{ // the key with a plan was not near its own
		"addresses 40/1h0m0s of 127.0.0.1", "few 10/1h0m0s of " + string(p.record.ID) + " acme", "owners 20/24h0m0s of acme",
	}
	near := eventually(t, func() ([]string, bool) {
		var all []string
		for _, e := range in.of(webhook.LimitNear) {
			who := e["client"]
			switch e["limit"] {
			case "few":
				who = fmt.Sprint(e["key_id"], " ", e["owner"])
			case "owners":
				who = e["owner"]
			}
			all = append(all, fmt.Sprintf("%v %v/%v of %v", e["limit"], e["count"], e["per"], who))
		}
		slices.Sort(all)
		return all, len(all) >= len(want)
	})
	if !slices.Equal(near, want) {
		t.Errorf("near = %q, want %q", near, want)
	}
	expiring := eventually(t, func() ([]map[string]any, bool) {
		all := in.of(webhook.KeyExpiring)
		return all, len(all) > 1
	})
	if len(expiring) != 2 || expiring[0]["days"] != 7.0 || !slices.ContainsFunc(expiring, func(e map[string]any) bool { return e["key_id"] == string(p.record.ID) }) {
		t.Errorf("expiring = %v, want both keys within 7 days, also when one endpoint has no room for either", expiring)
	}
	eventually(t, func() (string, bool) {
		got := p.adminText(t, "/metrics")
		return got, strings.Contains(got, fmt.Sprintf("\nwarder_webhooks_dropped_total %d\n", len(want)+len(expiring)))
	})
	if slices.ContainsFunc(in.bad, func(err error) bool { return err != nil }) {
		t.Errorf("deliveries that do not hold: %v", in.bad)
	}
	if told := regexp.MustCompile(`"msg":"an event could not be announced","event":"(limit.near|key.expiring)","error":"[^"]* to dead: `+webhook.ErrFull.Error()).FindAllString(p.log(t), -1); len(told) != len(want)+len(expiring) {
		t.Errorf("the log tells of %q, want each event that had no room", told)
	}
}

// TestAlarmsAreTold: of a honeytoken and of a leaked key somebody is told at once,
// and not for each request.
func TestAlarmsAreTold(t *testing.T) {
	in, ca := newInbox(t)
	shared := strings.Repeat("s", 40)
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: fmt.Sprintf(`
webhooks:
  ops: {url: "%s/hook", secret: "${HOOK_SECRET}", ca_file: "%s", insecure_private: true}
leaks: {secret: "${LEAK_SECRET}", action: revoke}
routes: [{match: "/", upstream: api}]
`, in.URL, ca), environ: []string{"HOOK_SECRET=" + webhookSecret, "LEAK_SECRET=" + shared}})
	bait, text := p.create(t, apikey.Spec{Environment: "live", Kind: apikey.KindHoneytoken})
	record, key := p.create(t, apikey.Spec{Environment: "live"})
	for range 3 {
		if got := p.get(t, "/", text).StatusCode; got != http.StatusUnauthorized {
			t.Errorf("a honeytoken gets %d, want 401", got)
		}
	}
	sender, err := leak.NewShared("report", secret.New(shared))
	if err != nil {
		t.Fatal(err)
	}
	body := `[{"token":"` + key + `","type":"warder","url":"https://paste.example/1","source":"content"}]`
	for range 2 {
		timestamp, signature := sender.Sign([]byte(body), time.Now())
		if status, said := report(t, p, "/leaks/report", body, http.Header{leak.TimestampField: {timestamp}, leak.SharedField: {signature}}); status != http.StatusOK {
			t.Fatalf("the report: %d %s", status, said)
		}
	}
	for kind, want := range map[string]map[string]any{
		webhook.HoneytokenUsed: {"type": webhook.HoneytokenUsed, "key_id": string(bait.ID), "client": "127.0.0.1", "user_agent": "Go-http-client/1.1"},
		webhook.KeyLeaked: {
			"type": webhook.KeyLeaked, "key_id": string(record.ID), "source": "content", "url": "https://paste.example/1", "sender": "leak:report", "state": "active", "action": "revoke",
		},
	} {
		got := eventually(t, func() ([]map[string]any, bool) { return in.of(kind), len(in.of(kind)) > 0 })
		if len(got) != 1 || !maps.Equal(got[0], want) {
			t.Errorf("%s: %v, want %v once", kind, got, want)
		}
	}
}
