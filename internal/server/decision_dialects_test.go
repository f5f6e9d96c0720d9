package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/ticket"
)

// askingDialects are those that ask by HTTP/1.1, by their names in configurations.
func askingDialects() map[string]attack.Via {
	return map[string]attack.Via{
		"nginx": attack.ViaNginx, "caddy": attack.ViaCaddy, "haproxy": attack.ViaHAProxy, "traefik": attack.ViaTraefik, "envoy-http": attack.ViaEnvoyHTTP,
	}
}

// forwardedAsks is a whole question in Caddy's and Traefik's dialect.
func forwardedAsks(method, target string) question {
	return question{
		"X-Forwarded-Method": method, "X-Forwarded-Uri": target, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example.com", "X-Forwarded-For": "192.0.2.7",
	}
}

// asksAs is a whole question in a dialect that names the target in a field.
func asksAs(dialect, method, target string) question {
	if dialect == "nginx" || dialect == "haproxy" {
		return nginxAsks(method, target)
	}
	return forwardedAsks(method, target)
}

// TestStrangersOfEveryDialectAreNotAnswered: whatever a question looks like, who is
// not listed gets nothing.
func TestStrangersOfEveryDialectAreNotAnswered(t *testing.T) {
	for dialect, via := range askingDialects() {
		attack.CaseVia(t, "FWD-01", via, func(t *testing.T) {
			p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML(dialect + `, proxies: ["192.0.2.0/24"]`)})
			for _, target := range []string{"/public/", "/orders/1"} {
				var w *http.Response
				if dialect == "envoy-http" {
					w = p.envoyReplays(t, "GET", target, "x-api-key", p.key, "x-forwarded-for", "192.0.2.1")
				} else {
					w = p.question(t, asksAs(dialect, "GET", target), "X-Api-Key", p.key)
				}
				wantsOf(t, target, w, http.StatusForbidden)
			}
			if log := p.logged(t, "not listed in decision.proxies", 1); strings.Contains(log, p.key) {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

// TestQuestionsWithoutTheirParts takes away, empties and repeats each field that
// Caddy and HAProxy ask by.
func TestQuestionsWithoutTheirParts(t *testing.T) {
	for dialect, via := range map[string]attack.Via{"caddy": attack.ViaCaddy, "haproxy": attack.ViaHAProxy} {
		attack.CaseVia(t, "FWD-04", via, func(t *testing.T) {
			p, _ := startAsked(t, wire.Listen(t, wire.Answer(wire.OK)), dialect)
			whole := asksAs(dialect, "GET", "/orders/1")
			ask := func(q question, fields ...string) *http.Response {
				return p.question(t, q, append(fields, "X-Api-Key", p.key)...)
			}
			wantsOf(t, "whole", ask(whole), http.StatusOK)
			for name := range whole {
				absent := maps.Clone(whole)
				delete(absent, name)
				for what, w := range map[string]*http.Response{"absent": ask(absent), "empty": ask(absent, name, ""), "twice": ask(whole, name, whole[name]), "unreadable": ask(absent, name, "b\u00e4d")} {
					told := w.Header.Get("X-Warder-Status")
					if told == "" {
						told = fmt.Sprint(w.StatusCode)
					}
					if w.StatusCode < http.StatusBadRequest || !strings.HasPrefix(told, "40") {
						t.Errorf("%s %s: %d, for the client %s", name, what, w.StatusCode, told)
					}
				}
			}
		})
	}
}

// TestTicketsInEveryDialect: what a ticket is for does not depend on how it was asked
// for.
func TestTicketsInEveryDialect(t *testing.T) {
	for dialect, via := range map[string]attack.Via{"caddy": attack.ViaCaddy, "haproxy": attack.ViaHAProxy, "traefik": attack.ViaTraefik} {
		attack.CaseVia(t, "FWD-18", via, func(t *testing.T) {
			yaml := strings.Replace(lasting, "dialect: nginx", "dialect: "+dialect, 1)
			p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: yaml, environ: []string{"TICKET_KEY=" + ticketKey}})
			const target = "/orders/1?a=b"
			q := asksAs(dialect, "GET", target)
			record, key := p.create(t, apikey.Spec{Environment: "live", Name: "second", Owner: "globex", Scopes: []string{"orders:read"}})
			w := p.question(t, q, "X-Api-Key", key)
			if _, err := verified(t, nginxAsks("GET", target), w); err != nil {
				t.Fatalf("%v, of %d %v", err, w.StatusCode, w.Header)
			}
			for _, other := range []question{nginxAsks("DELETE", target), nginxAsks("GET", "/orders/2?a=b")} {
				if _, err := verified(t, other, w); err == nil {
					t.Errorf("the ticket holds for %v", other)
				}
			}
			text := w.Header.Get(ticket.Field)
			if _, err := verified(t, nginxAsks("GET", target), w, ticket.Field, text[:len(text)-2]+"AA"); err == nil {
				t.Error("an altered ticket holds")
			}
			revoked, err := p.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, record.ID, "superseded")
			if err != nil {
				t.Fatal(err)
			}
			p.awaitNodes(t, revoked.Revision)
			w = p.question(t, q, "X-Api-Key", key)
			if texts := w.Header.Values(ticket.Field); w.StatusCode == http.StatusOK || len(texts) != 1 || texts[0] != "" {
				t.Errorf("after the revocation: %d, with the ticket %q", w.StatusCode, texts)
			}
		})
	}
}

// TestTraefikAsksFurther tries what the real proxies are tried with, by Traefik's
// questions.
func TestTraefikAsksFurther(t *testing.T) {
	p, _ := startAsked(t, wire.Listen(t, wire.Answer(wire.OK)), "traefik")
	attack.CaseVia(t, "FWD-08", attack.ViaTraefik, func(t *testing.T) {
		for _, agent := range []string{"ELB-HealthChecker/2.0", "GoogleHC/1.0", "kube-probe/1.30"} {
			for path, want := range map[string]int{"/orders/1": 401, "/ping": 404, "/healthz": 404, "/ready": 404} {
				wantsOf(t, agent+path, p.question(t, forwardedAsks("GET", path), "User-Agent", agent), want)
			}
		}
	})
	attack.CaseVia(t, "FWD-09", attack.ViaTraefik, func(t *testing.T) {
		record, key := p.create(t, apikey.Spec{Environment: "live", Name: "second", Owner: "globex", Scopes: []string{"orders:read"}})
		for key, owner := range map[string]string{p.key: "acme", key: "globex"} {
			if w := wantsOf(t, owner, p.traefikAsks(t, "GET", "/orders/1", "X-Api-Key", key), 200); w.Header.Get("X-Warder-Owner") != owner {
				t.Errorf("the key of %s: %v", owner, w.Header)
			}
		}
		wantsOf(t, "another route", p.traefikAsks(t, "GET", "/admin/", "X-Api-Key", key), 403)
		wantsOf(t, "another method", p.traefikAsks(t, "PUT", "/here/", "X-Api-Key", key), 405)
		revoked, err := p.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, record.ID, "superseded")
		if err != nil {
			t.Fatal(err)
		}
		p.awaitNodes(t, revoked.Revision)
		wantsOf(t, "a revoked key", p.traefikAsks(t, "GET", "/orders/1", "X-Api-Key", key), 401)
	})
	attack.CaseVia(t, "FWD-10", attack.ViaTraefik, func(t *testing.T) {
		keys := map[string]string{}
		for i := range 20 {
			owner := fmt.Sprintf("owner-%d", i)
			_, keys[owner] = p.create(t, apikey.Spec{Environment: "live", Name: owner, Owner: owner, Scopes: []string{"orders:read"}})
		}
		var wg sync.WaitGroup
		for _, owner := range slices.Repeat(slices.Collect(maps.Keys(keys)), 10) {
			wg.Go(func() {
				if w := p.question(t, forwardedAsks("GET", "/orders/1"), "X-Api-Key", keys[owner]); w.Header.Get("X-Warder-Owner") != owner {
					t.Errorf("%s got the identity of %q (%d)", owner, w.Header.Get("X-Warder-Owner"), w.StatusCode)
				}
			})
		}
		wg.Wait()
	})
	attack.CaseVia(t, "FWD-11", attack.ViaTraefik, func(t *testing.T) {
		var fields strings.Builder
		for name, value := range forwardedAsks("POST", "/orders/1") {
			fields.WriteString(name + ": " + value + "\r\n")
		}
		for _, begun := range []string{"", "hello"} { // of a body that does not come
			for key, want := range map[string]int{p.key: 200, "nothing": 401} {
				wantsOf(t, begun, p.bytes(t, "GET /authz HTTP/1.1\r\nHost: warder\r\n"+fields.String()+"X-Api-Key: "+key+"\r\nContent-Length: 1000\r\n\r\n"+begun), want)
			}
		}
	})
	attack.CaseVia(t, "FWD-13", attack.ViaTraefik, func(t *testing.T) {
		wantsOf(t, "a megabyte of fields", p.question(t, forwardedAsks("GET", "/orders/1"), "X-Api-Key", p.key, "X-Long", strings.Repeat("x", 1<<20)), 431)
		var scopes []string
		for i := range 99 {
			scopes = append(scopes, fmt.Sprintf("orders:%d", i))
		}
		_, key := p.create(t, apikey.Spec{Environment: "live", Name: "many", Scopes: append(scopes, "orders:read")})
		if w := wantsOf(t, "a hundred scopes", p.traefikAsks(t, "GET", "/orders/1", "X-Api-Key", key), 200); len(w.Header.Get("X-Warder-Scopes")) > 64<<10 {
			t.Errorf("a hundred scopes: %d bytes", len(w.Header.Get("X-Warder-Scopes")))
		}
	})
	attack.CaseVia(t, "FWD-15", attack.ViaTraefik, func(t *testing.T) {
		wantsOf(t, "HEAD", p.traefikAsks(t, "HEAD", "/orders/1", "X-Api-Key", p.key), 200)
		wantsOf(t, "HEAD without a key", p.traefikAsks(t, "HEAD", "/orders/1"), 401)
		const handshake = "dGhlIHNhbXBsZSBub25jZQ==" // Traefik takes Upgrade and Connection out, and leaves the rest
		wantsOf(t, "a handshake", p.traefikAsks(t, "GET", "/orders/1", "X-Api-Key", p.key, "Sec-Websocket-Version", "13", "Sec-Websocket-Key", handshake), 200)
		wantsOf(t, "a handshake without a key", p.traefikAsks(t, "GET", "/orders/1", "Sec-Websocket-Version", "13", "Sec-Websocket-Key", handshake), 401)
	})
	attack.CaseVia(t, "FWD-22", attack.ViaTraefik, func(t *testing.T) {
		for _, key := range []string{p.key, "", "wrong"} {
			if w := p.traefikAsks(t, "GET", "/orders/1", "X-Api-Key", key); w.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d with Cache-Control %q", w.StatusCode, w.Header.Get("Cache-Control"))
			}
		}
	})
}
