package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// traefikAsks is what Traefik sends for a request, byte by byte: always GET; the
// client's fields, without those of the connection; its own five, in place of the
// client's; and what its entry point and its client add.
func (p *program) traefikAsks(t *testing.T, method, target string, fields ...string) *http.Response {
	t.Helper()
	var client strings.Builder
	for i := 0; i < len(fields); i += 2 {
		client.WriteString(fields[i] + ": " + fields[i+1] + "\r\n")
	}
	return p.bytes(t, "GET /authz HTTP/1.1\r\nHost: "+p.asked+"\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"+client.String()+
		"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: api.example.com\r\nX-Forwarded-Method: "+method+"\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Proto: https\r\n"+
		"X-Forwarded-Server: traefik-6d8f\r\nX-Forwarded-Uri: "+target+"\r\nX-Real-Ip: 192.0.2.7\r\nAccept-Encoding: gzip\r\n\r\n")
}

// bytes sends them and reads the answer's head.
func (p *program) bytes(t *testing.T, text string) *http.Response {
	t.Helper()
	conn := wire.Dial(t, p.asked)
	conn.Send(text)
	w, err := http.ReadResponse(conn.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Body.Close() })
	return w
}

func TestTraefikAsks(t *testing.T) {
	p, _ := startAsked(t, wire.Listen(t, wire.Answer(wire.OK)), "traefik")
	wants := func(t *testing.T, what string, w *http.Response, want int) {
		t.Helper()
		if w.StatusCode != want {
			t.Errorf("%s: %d, want %d", what, w.StatusCode, want)
		}
	}
	wants(t, "a good question", p.traefikAsks(t, "GET", "/orders/1?a=b", "X-Api-Key", p.key), 200)
	wants(t, "of a POST", p.traefikAsks(t, "POST", "/orders/1", "X-Api-Key", p.key, "Content-Type", "application/json"), 200)
	attack.CaseVia(t, "FWD-03", attack.ViaTraefik, func(t *testing.T) {
		wants(t, "nginx's fields", p.traefikAsks(t, "GET", "/admin/x", "X-Api-Key", p.key, "X-Original-Uri", "/public/", "X-Original-Method", "GET", "X-Original-Addr", "127.0.0.1"), 403)
	})
	attack.CaseVia(t, "FWD-04", attack.ViaTraefik, func(t *testing.T) {
		whole := "GET /authz HTTP/1.1\r\nHost: warder\r\nX-Api-Key: " + p.key + "\r\n"
		own := []string{"X-Forwarded-For: 192.0.2.7\r\n", "X-Forwarded-Host: api.example.com\r\n", "X-Forwarded-Method: GET\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Uri: /public/\r\n"}
		wants(t, "whole", p.bytes(t, whole+strings.Join(own, "")+"\r\n"), 200)
		for i, field := range own {
			name, _, _ := strings.Cut(field, ":")
			for what, bad := range map[string]string{"absent": "", "empty": name + ":\r\n", "twice": field + field, "unreadable": name + ": b\xe4d\r\n"} {
				changed := append(append([]string{}, own[:i]...), bad)
				w := p.bytes(t, whole+strings.Join(append(changed, own[i+1:]...), "")+"\r\n")
				if w.StatusCode == http.StatusOK || w.StatusCode >= 500 {
					t.Errorf("%s %s: %d", name, what, w.StatusCode)
				}
			}
		}
	})
	attack.CaseVia(t, "FWD-05", attack.ViaTraefik, func(t *testing.T) {
		for _, prefix := range []string{"/public", "/admin", ".."} {
			wants(t, prefix, p.traefikAsks(t, "GET", "/admin/x", "X-Api-Key", p.key, "X-Forwarded-Prefix", prefix, "X-Replaced-Path", "/public/"), 403)
		}
	})
	attack.CaseVia(t, "FWD-06", attack.ViaTraefik, func(t *testing.T) {
		for target, want := range map[string]int{
			"/public/../admin/x": 400, "/public/%2e%2e/admin/x": 400, "/public//x": 400, "/public/a%2fb": 400, "/public;/x": 400, "/admin/x?/public/": 403, "/public/%00": 400, "/nowhere": 404,
		} {
			wants(t, target, p.traefikAsks(t, "GET", target, "X-Api-Key", p.key), want)
		}
	})
	attack.CaseVia(t, "FWD-07", attack.ViaTraefik, func(t *testing.T) {
		_, nobodys := p.create(t, apikey.Spec{Environment: "live", Name: "no owner", Scopes: []string{"orders:read"}})
		for _, key := range []string{p.key, nobodys} {
			w := p.traefikAsks(t, "GET", "/orders/1", "X-Api-Key", key, "X-Warder-Owner", "evil", "X-Warder-Subject", "evil")
			wants(t, "a client's identity", w, 200)
			for _, name := range []string{"X-Warder-Key-Id", "X-Warder-Issuer", "X-Warder-Subject", "X-Warder-Owner", "X-Warder-Scopes"} {
				if values := w.Header[name]; len(values) != 1 || values[0] == "evil" { // Traefik copies what is there
					t.Errorf("%s: %q, want one value of ours", name, values)
				}
			}
		}
		wants(t, "another spelling", p.traefikAsks(t, "GET", "/public/", "X_Warder_Owner", "evil"), 400)
	})
	attack.CaseVia(t, "FWD-14", attack.ViaTraefik, func(t *testing.T) {
		wants(t, "within the limit", p.traefikAsks(t, "GET", "/rare/", "X-Api-Key", p.key), 200)
		for _, tt := range []struct {
			target, key string
			want        int
			field       string
		}{
			{"/orders/1", "wrong", 401, "Www-Authenticate"}, {"/admin/x", p.key, 403, "Content-Type"}, {"/rare/", p.key, 429, "Retry-After"},
		} {
			w := p.traefikAsks(t, "GET", tt.target, "X-Api-Key", tt.key)
			wants(t, tt.target, w, tt.want)
			var told struct {
				Status int `json:"status"`
			}
			if err := json.NewDecoder(w.Body).Decode(&told); err != nil || told.Status != tt.want || w.Header.Get(tt.field) == "" {
				t.Errorf("%s: %+v, %v, %v", tt.target, told, err, w.Header)
			}
		}
	})
	attack.CaseVia(t, "FWD-20", attack.ViaTraefik, func(t *testing.T) {
		w := p.traefikAsks(t, "OPTIONS", "/orders/1", "Origin", "https://app.example.com", "Access-Control-Request-Method", "GET")
		wants(t, "a preflight", w, 403)
		if w.Header.Get("X-Warder-Status") != "204" {
			t.Errorf("a preflight: %v", w.Header)
		}
	})
}
