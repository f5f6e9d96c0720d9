package server_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/ticket"
)

// ticketKey is warder's and the services' in these tests.
const ticketKey = "0123456789abcdef0123456789abcdef"

// lasting lets passes be kept, with routes of all sorts.
const lasting = `
keys: {freshness: 1m}
decision: {listen: "127.0.0.1:0", dialect: nginx, max_age: 20s, ticket_key: "${TICKET_KEY}"}
cors: {default: {origins: ["https://app.example.com"], request_headers: [X-API-Key]}}
rate_limits: {many: {count: 100000, per: 1s, by: [key]}}
routes:
  - {match: /orders/, upstream: api, scopes: ["orders:read"]}
  - {match: /admin/, upstream: api, scopes: [admin]}
  - {match: /public/, upstream: api, public: true}
  - {match: /limited/, upstream: api, rate_limits: [many]}
  - {match: /pages/, upstream: api, public_keys: true}
  - {match: /cel/, upstream: api, conditions: [{name: now, cel: "now > timestamp('2020-01-01T00:00:00Z')"}]}
`

func startLasting(t *testing.T, upstream string) *program {
	t.Helper()
	return start(t, upstream, settings{yaml: lasting, environ: []string{"TICKET_KEY=" + ticketKey}})
}

// maxAge is for how many seconds the answer may be stored; 0 for not at all.
func maxAge(t *testing.T, w *http.Response) int {
	t.Helper()
	control := w.Header.Values("Cache-Control")
	if len(control) != 1 {
		t.Errorf("Cache-Control: %q, want one", control)
		return 0
	}
	if control[0] == "no-store" {
		return 0
	}
	seconds, err := strconv.Atoi(strings.TrimPrefix(control[0], "max-age="))
	if err != nil || seconds <= 0 {
		t.Errorf("Cache-Control: %q, want no-store or max-age", control)
	}
	return seconds
}

// verified is the ticket of an answer to q, as a service verifies it that gets the
// request from a proxy.
func verified(t *testing.T, q question, w *http.Response, fields ...string) (ticket.Ticket, error) {
	t.Helper()
	v, err := ticket.NewVerifier(ticket.VerifierConfig{Keys: []secret.Text{secret.New(ticketKey)}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(q["X-Original-Method"], "http://"+q["X-Original-Host"]+q["X-Original-Uri"], http.NoBody)
	for _, name := range append(ticket.IdentityFields(), ticket.Field) {
		if value := w.Header.Get(name); value != "" {
			r.Header[name] = []string{value}
		}
	}
	r.Header["X-Forwarded-For"] = []string{q["X-Original-Addr"]}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	return verify(t, v, r)
}

func verify(t *testing.T, v *ticket.Verifier, r *http.Request) (found ticket.Ticket, err error) {
	t.Helper()
	clients, err := forwarded.XForwardedFor(forwarded.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	targets, err := target.New(target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	clients.Wrap(targets.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		found, err = v.Verify(exchange.From(r.Context()))
	}))).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("the service's edge: %d", w.Code)
	}
	return found, err
}

func TestFwd22HowLongAnswersMayBeKept(t *testing.T) {
	p := startLasting(t, wire.Listen(t, wire.Answer(wire.OK)).URL())
	revision, err := p.keys.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.awaitNodes(t, revision)
	plan := apikey.Spec{Environment: "live", Name: "planned", Owner: "acme", Scopes: []string{"orders:read"}, Plan: "gold"}
	_, planned := p.create(t, plan)
	_, short := p.create(t, apikey.Spec{Environment: "live", Name: "short", Owner: "acme", Scopes: []string{"orders:read"}, Expires: time.Now().Add(2 * time.Hour)})
	for _, tt := range []struct {
		name, method, target, key string
		status                    int
		kept                      bool
		fields                    []string
	}{
		{name: "a key", method: "GET", target: "/orders/1?a=b", key: p.key, status: 200, kept: true},
		{name: "a key that ends", method: "GET", target: "/orders/1", key: short, status: 200, kept: true},
		{name: "everybody", method: "POST", target: "/public/", status: 200, kept: true},
		{name: "a refusal", method: "GET", target: "/orders/1", key: "wrong", status: 401},
		{name: "a scope that is missing", method: "GET", target: "/admin/", key: p.key, status: 403},
		{name: "nowhere", method: "GET", target: "/nowhere", key: p.key, status: 403},
		{name: "a limit", method: "GET", target: "/limited/", key: p.key, status: 200},
		{name: "keys of pages", method: "GET", target: "/pages/", key: p.key, status: 200},
		{name: "a condition in CEL", method: "GET", target: "/cel/", key: p.key, status: 200},
		{name: "a key with a plan", method: "GET", target: "/orders/1", key: planned, status: 200},
		{name: "a page's request", method: "GET", target: "/orders/1", key: p.key, status: 200, fields: []string{"Origin", "https://app.example.com"}},
		{name: "a cookie", method: "GET", target: "/orders/1", key: p.key, status: 200, fields: []string{"Cookie", "a=b"}},
		{name: "a preflight", method: "OPTIONS", target: "/orders/1", status: 403, fields: []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "GET"}},
	} {
		attack.CaseVia(t, "FWD-22", attack.ViaNginx, func(t *testing.T) {
			q := nginxAsks(tt.method, tt.target)
			fields := tt.fields
			if tt.key != "" {
				fields = append(fields, "X-Api-Key", tt.key)
			}
			w := p.question(t, q, fields...)
			if w.StatusCode != tt.status {
				t.Fatalf("%s: %d, want %d", tt.name, w.StatusCode, tt.status)
			}
			seconds, texts := maxAge(t, w), w.Header.Values(ticket.Field)
			if (seconds > 0) != tt.kept || seconds > 20 || len(texts) != 1 || (texts[0] != "") != tt.kept {
				t.Errorf("%s: max-age %d, ticket %q; to be kept: %v", tt.name, seconds, texts, tt.kept)
			}
			if !tt.kept {
				return
			}
			got, err := verified(t, q, w)
			if err != nil || got.Revision < uint64(revision) || time.Until(got.Expires) > time.Minute {
				t.Errorf("%s: the ticket %+v, %v; want it to hold for a minute at most, from revision %d", tt.name, got, err, revision)
			}
		})
	}
}

func TestFwd18AServiceVerifiesTickets(t *testing.T) {
	p := startLasting(t, wire.Listen(t, wire.Answer(wire.OK)).URL())
	q := nginxAsks("GET", "/orders/1?a=b")
	record, key := p.create(t, apikey.Spec{Environment: "live", Name: "second", Owner: "globex", Scopes: []string{"orders:read"}})
	w := p.question(t, q, "X-Api-Key", key)
	made, err := verified(t, q, w)
	if err != nil {
		t.Fatalf("%v, of %d %v", err, w.StatusCode, w.Header)
	}
	attack.CaseVia(t, "FWD-18", attack.ViaNginx, func(t *testing.T) {
		for field, value := range map[string]string{
			"X-Original-Method": "DELETE", "X-Original-Host": "other.example.com", "X-Original-Uri": "/orders/2?a=b", "X-Original-Addr": "192.0.2.8",
		} {
			other := nginxAsks("GET", "/orders/1?a=b")
			other[field] = value
			if _, err := verified(t, other, w); err == nil {
				t.Errorf("the ticket holds for %s %s", field, value)
			}
		}
		if _, err := verified(t, q, w, "X-Warder-Owner", "acme"); err == nil {
			t.Error("the ticket holds for another owner")
		}
		text := w.Header.Get(ticket.Field)
		if _, err := verified(t, q, w, ticket.Field, text[:len(text)-2]+"AA"); err == nil {
			t.Error("an altered ticket holds")
		}
	})
	attack.CaseVia(t, "FWD-18", attack.ViaNginx, func(t *testing.T) {
		before := time.Now()
		revoked, err := p.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, record.ID, "superseded")
		if err != nil {
			t.Fatal(err)
		}
		p.awaitNodes(t, revoked.Revision)
		if end := before.Add(time.Minute); made.Expires.After(end) {
			t.Errorf("a ticket from before the revocation holds until %s, beyond the bound, %s", made.Expires, end)
		}
		w := p.question(t, q, "X-Api-Key", key)
		if texts := w.Header.Values(ticket.Field); w.StatusCode != http.StatusUnauthorized || len(texts) != 1 || texts[0] != "" {
			t.Errorf("after the revocation: %d, with the ticket %q", w.StatusCode, texts)
		}
	})
}

// storing is nginx as the guide has it, with stored answers and tickets.
func storing(t *testing.T, p *program, upstream *wire.Upstream) (nginx string) {
	t.Helper()
	whole := onPage(t, askedPage, "nginx", "nginx")
	parts := onPage(t, askedPage, "Answers that nginx stores", "nginx")
	tickets := onPage(t, askedPage, "Tickets", "nginx")
	if len(whole) != 1 || len(parts) != 2 || len(tickets) != 1 {
		t.Fatalf("the page has %d, %d and %d blocks of nginx's, want 1, 2 and 1", len(whole), len(parts), len(tickets))
	}
	before, rest, found := strings.Cut(whole[0], "  location = /_warder {")
	_, after, closed := strings.Cut(rest, "\n  }\n")
	if !found || !closed {
		t.Fatal("the page's wiring has no location = /_warder")
	}
	text := parts[0] + "\n" + before + parts[1] + "\n" + after
	// The test's own: whether the answer was stored.
	text = strings.Replace(text, "    error_page 401 403 = @warder;", tickets[0]+"\n    auth_request_set $kept $upstream_cache_status; add_header X-Kept $kept always;\n    error_page 401 403 = @warder;", 1)
	return startNginx(t, strings.NewReplacer(
		"listen 80;", "listen {ADDR};", "/dev/shm/nginx-warder", "{FOLDER}/kept", "127.0.0.1:8083", p.asked, "127.0.0.1:8000", upstreamAddress(upstream),
	).Replace(text))
}

// from sends a request to the proxy from an address of this machine.
func (g guarded) from(t *testing.T, address, method, host, path string, fields ...string) *http.Response {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, g.proxy)
	}}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.proxy+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	w, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestNginxStoresAnswers(t *testing.T) {
	upstream := wire.Listen(t, serveSockets)
	p := startLasting(t, upstream.URL())
	g := guarded{program: p, proxy: storing(t, p, upstream), upstream: upstream}
	const host = "api.example.com"
	_, key := p.create(t, apikey.Spec{Environment: "live", Name: "second", Owner: "globex", Scopes: []string{"orders:read"}})
	ask := func(address, method, host, path, key string, fields ...string) (int, string) {
		w := g.from(t, address, method, host, path, append(fields, "X-API-Key", key)...)
		return w.StatusCode, w.Header.Get("X-Kept")
	}
	if status, kept := ask("127.0.0.1", "GET", host, "/orders/1?a=b", p.key); status != 200 || kept != "MISS" {
		t.Fatalf("the first: %d, %s; want 200 that was not stored", status, kept)
	}
	if status, kept := ask("127.0.0.1", "GET", host, "/orders/1?a=b", p.key); status != 200 || kept != "HIT" {
		t.Fatalf("the second: %d, %s; want 200 that was stored", status, kept)
	}
	attack.CaseVia(t, "FWD-18", attack.ViaNginx, func(t *testing.T) { ticketsArrive(t, upstream, 2) })
	attack.CaseVia(t, "FWD-09", attack.ViaNginx, func(t *testing.T) {
		for _, tt := range []struct {
			name, address, method, host, path, key string
			want                                   int
			fields                                 []string
		}{
			{name: "another key", path: "/orders/1?a=b", key: key, want: 200},
			{name: "a wrong key", path: "/orders/1?a=b", key: "wrong", want: 401},
			{name: "no key", path: "/orders/1?a=b", want: 401},
			{name: "another method", method: "POST", path: "/orders/1?a=b", key: p.key, want: 200},
			{name: "another path", path: "/orders/2?a=b", key: p.key, want: 200},
			{name: "another query", path: "/orders/1?a=c", key: p.key, want: 200},
			{name: "another right", path: "/admin/?a=b", key: p.key, want: 403},
			{name: "another host", host: "other.example.com", path: "/orders/1?a=b", key: p.key, want: 200},
			{name: "another address", address: "127.0.0.2", path: "/orders/1?a=b", key: p.key, want: 200},
			{name: "one more credential", path: "/orders/1?a=b", key: p.key, want: 200, fields: []string{"Authorization", "Bearer x"}},
			{name: "of a page", path: "/orders/1?a=b", key: p.key, want: 200, fields: []string{"Origin", "https://app.example.com"}},
			{name: "of a page, as nginx says no", path: "/orders/1?a=b", key: p.key, want: 200, fields: []string{"Origin", "0"}},
			{name: "with a cookie, as nginx says no", path: "/orders/1?a=b", key: p.key, want: 200, fields: []string{"Cookie", "0"}},
			{name: "with a cookie", path: "/orders/1?a=b", key: p.key, want: 200, fields: []string{"Cookie", "session=x"}},
		} {
			status, kept := ask(orElse(tt.address, "127.0.0.1"), orElse(tt.method, "GET"), orElse(tt.host, host), tt.path, tt.key, tt.fields...)
			if status != tt.want || kept == "HIT" {
				t.Errorf("%s: %d, %s; want %d, judged anew", tt.name, status, kept, tt.want)
			}
		}
		w := g.from(t, "127.0.0.1", "GET", host, "/orders/1?a=b", "X-API-Key", key)
		_, text := g.arrived()
		if at := strings.LastIndex(text, "GET "); w.StatusCode != 200 || w.Header.Get("X-Kept") != "HIT" || !strings.Contains(strings.ToLower(text[at:]), "x-warder-owner: globex") {
			t.Errorf("the other key's answer: %d, %s; the upstream got\n%s", w.StatusCode, w.Header.Get("X-Kept"), text[at:])
		}
		for range 2 {
			if status, kept := ask("127.0.0.1", "GET", host, "/limited/", p.key); status != 200 || kept == "HIT" {
				t.Errorf("a limit: %d, %s; want it judged each time", status, kept)
			}
		}
	})
	attack.CaseVia(t, "FWD-07", attack.ViaNginx, g.identities)
	attack.CaseVia(t, "FWD-15", attack.ViaNginx, g.upgrades)
	attack.CaseVia(t, "FWD-02", attack.ViaNginx, g.spoofs)
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// ticketsArrive verifies those of the first n requests at the upstream.
func ticketsArrive(t *testing.T, upstream *wire.Upstream, n int) {
	t.Helper()
	v, err := ticket.NewVerifier(ticket.VerifierConfig{Keys: []secret.Text{secret.New(ticketKey)}})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(upstream.Received(), "")
	for in := bufio.NewReader(strings.NewReader(text)); n > 0; n-- {
		r, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if _, err := verify(t, v, r); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// TestARevokedKeyIsRefusedWithinTheBound, also where nginx stores its passes.
func TestARevokedKeyIsRefusedWithinTheBound(t *testing.T) {
	upstream := wire.Listen(t, serveSockets)
	p := start(t, upstream.URL(), settings{
		yaml: strings.NewReplacer("freshness: 1m", "freshness: 20s", "max_age: 20s", "max_age: 2s").Replace(lasting), environ: []string{"TICKET_KEY=" + ticketKey},
	})
	g := guarded{program: p, proxy: storing(t, p, upstream), upstream: upstream}
	attack.CaseVia(t, "FWD-09", attack.ViaNginx, func(t *testing.T) {
		kept := 0
		ask := func() int {
			w := g.through(t, http.MethodGet, "/orders/1", "X-API-Key", p.key)
			if w.Header.Get("X-Kept") == "HIT" {
				kept++
			}
			return w.StatusCode
		}
		for range 20 {
			if status := ask(); status != http.StatusOK {
				t.Fatalf("before: %d", status)
			}
		}
		if kept == 0 {
			t.Error("nothing was stored: the test proves nothing")
		}
		if _, err := p.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, p.record.ID, "superseded"); err != nil {
			t.Fatal(err)
		}
		bound := time.Now().Add(20 * time.Second)
		for {
			late := time.Now().After(bound)
			if ask() == http.StatusUnauthorized {
				break
			}
			if late {
				t.Fatal("a request that was sent after the bound passed")
			}
		}
		for range 20 {
			if status := ask(); status != http.StatusUnauthorized {
				t.Fatalf("after a refusal: %d", status)
			}
		}
	})
}

func TestWhatCannotBeKeptIsRefusedAtStart(t *testing.T) {
	for text, want := range map[string]string{
		`{listen: "127.0.0.1:0", dialect: nginx, max_age: 6s}`:            "longer than keys.freshness",
		`{listen: "127.0.0.1:0", dialect: nginx, max_age: 1500ms}`:        "whole number of seconds",
		`{listen: "127.0.0.1:0", dialect: nginx, ticket_key: "${SHORT}"}`: "too short",
		`{listen: "127.0.0.1:0", dialect: envoy, max_age: 1s}`:            "no effect with envoy",
		`{listen: "127.0.0.1:0", dialect: envoy, ticket_key: "${LONG}"}`:  "no effect with envoy",
		`{max_age: 1s}`: "no effect without decision.listen",
	} {
		s := settings{yaml: "decision: " + text + "\nroutes: [{match: /, upstream: api}]\n", environ: []string{"SHORT=abc", "LONG=" + ticketKey}}
		if err := s.fails(t, "http://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want one that says %q", text, err, want)
		}
	}
}
