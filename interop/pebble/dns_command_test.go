package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// asHook is the argument with which this program is the gateway's dns_command.
const asHook = "as-dns-command"

func TestMain(m *testing.M) {
	if len(os.Args) != 6 || os.Args[1] != asHook {
		os.Exit(m.Run()) //nolint:forbidigo // as TestMain does
	}
	if err := hook(context.Background(), os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // as TestMain does
	}
}

// hook hands a record to whoever keeps the zone.
func hook(ctx context.Context, zone string, args []string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, zone+"?"+url.Values{"action": args[:1], "name": args[1:2], "value": args[2:]}.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_ = w.Body.Close()
	if w.StatusCode != http.StatusOK {
		return errors.New("the zone is closed")
	}
	return nil
}

// zone keeps a's records for hook. When it is closed it refuses to add any.
func (a *authority) zone(t *testing.T, closed bool) (at string, presented *atomic.Int64) {
	t.Helper()
	presented = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimSuffix(r.FormValue("name"), ".")
		var err error
		switch value := r.FormValue("value"); {
		case r.FormValue("action") == "cleanup":
			err = dnsOf{a}.Withdraw(r.Context(), name, value)
		case closed || r.FormValue("action") != "present":
			err = errors.New("refused")
		default:
			presented.Add(1)
			err = dnsOf{a}.Publish(r.Context(), name, value)
		}
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, presented
}

// behind opens a gateway whose names, a domain and all below it, are proved by hook.
// more is further settings of acme.
func (a *authority) behind(t *testing.T, zone, domain, more string) *gateway {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	yaml := a.acmeYAML(filepath.Join(t.TempDir(), "acme"), false, `"*.`+domain+`"`, domain)
	return open(t, yaml+fmt.Sprintf("    dns_command: [%q, %s, %q]\n    dns_resolvers: [%q]\n", program, asHook, zone, a.resolver)+more)
}

// TestDNSCommand gets a wildcard's certificate through the whole gateway.
func TestDNSCommand(t *testing.T) {
	a := newAuthority(t)
	zone, presented := a.zone(t, false)
	g := a.behind(t, zone, "wild.test", "")
	a.serve(t, closedPort, closedPort, hour)
	g.run(t)
	for host, want := range map[string]string{"api.wild.test": "*.wild.test", "wild.test": "wild.test"} {
		client := g.client(a.roots(t), host)
		await(t, "a certificate of "+want, func() bool {
			status, shown, err := get(t.Context(), client, "https://"+host+"/")
			return err == nil && status == 200 && slices.Equal(shown.DNSNames, []string{want})
		})
	}
	if n := presented.Load(); n != 2 {
		t.Errorf("%d records were published, want 2", n)
	}
	await(t, "the records to be taken away", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.records["_acme-challenge.wild.test."]) == 0
	})
	await(t, "readiness", func() bool { return g.text(t, "/readyz") == "ready\n" })
}

// TestDNSCommandFails: it is told wherever failures are.
func TestDNSCommandFails(t *testing.T) {
	a := newAuthority(t)
	zone, _ := a.zone(t, true)
	g := a.behind(t, zone, "shut.test", "")
	a.serve(t, closedPort, closedPort, hour)
	g.run(t)
	await(t, "both failures", func() bool { return g.metric(t, "warder_acme_failures_total") == "2" })
	if problems := g.metric(t, "warder_tls_certificate_problems"); problems != "2" {
		t.Errorf("problems = %s", problems)
	}
	if ready := g.text(t, "/readyz"); !strings.Contains(ready, "ready, but 2 certificates need care") {
		t.Errorf("readyz = %q", ready)
	}
	await(t, "the log", func() bool {
		log := g.log(t)
		return strings.Contains(log, "no certificate could be got") && strings.Contains(log, "dns_command present: exit status 1; it said: the zone is closed")
	})
}

// TestDNSCommandIsLate: the command ends at once, and the record shows later. The
// authority is told after that.
func TestDNSCommandIsLate(t *testing.T) {
	a := newAuthority(t)
	zone, _ := a.zone(t, false)
	a.delay(3) // of the gateway's looks
	g := a.behind(t, zone, "late.test", "")
	a.serve(t, closedPort, closedPort, hour)
	g.run(t)
	for host, want := range map[string]string{"api.late.test": "*.late.test", "late.test": "late.test"} {
		client := g.client(a.roots(t), host)
		await(t, "a certificate of "+want, func() bool {
			status, shown, err := get(t.Context(), client, "https://"+host+"/")
			return err == nil && status == 200 && slices.Equal(shown.DNSNames, []string{want})
		})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.early || a.told == 0 {
		t.Errorf("the authority was told %d times, before the record was there: %v", a.told, a.early)
	}
	if failures := g.metric(t, "warder_acme_failures_total"); failures != "0" {
		t.Errorf("failures = %s", failures)
	}
}

// TestDNSCommandLies: what the command published is nowhere. The authority is never
// told, and the record is taken away.
func TestDNSCommandLies(t *testing.T) {
	a := newAuthority(t)
	zone, presented := a.zone(t, false)
	a.delay(1 << 30)
	g := a.behind(t, zone, "gone.test", "    dns_delay: 100ms\n    dns_wait: 3s\n")
	a.serve(t, closedPort, closedPort, hour)
	g.run(t)
	await(t, "both failures", func() bool { return g.metric(t, "warder_acme_failures_total") == "2" })
	want := "the record _acme-challenge.gone.test. is not seen after 3s: no such record at " + a.resolver + "; mend what publishes it, or who is asked"
	await(t, "the log", func() bool { return strings.Contains(g.log(t), want) })
	await(t, "the records to be taken away", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.records["_acme-challenge.gone.test."]) == 0
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.told > 0 || a.looks < 2 || presented.Load() < 2 {
		t.Errorf("the authority was told %d times, after %d looks at %d records", a.told, a.looks, presented.Load())
	}
}
