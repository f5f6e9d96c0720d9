package decision_test

import (
	"bytes"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/internal/decision"
)

// FuzzQuestion reads whatever a proxy may send: what is read is what was named,
// and nothing of the proxy's own words is left among the client's.
func FuzzQuestion(f *testing.F) {
	f.Add("GET", "/orders/1?a=b", "https", "api.example.com", "192.0.2.7", "websocket", true)
	f.Add("POST", "*", "http", "[::1]:8080", "192.0.2.9, ::ffff:192.0.2.7", "", false)
	f.Add("", "//a", "ftp", "", "x", "", false)
	f.Add("GET", "/ws", "https", "a", "192.0.2.7", "WebSocket", false)
	f.Add("GET", "/%zz#", "https", "a b", "[fe80::1%eth0]:80", "h2c", true)
	f.Fuzz(func(t *testing.T, method, target, scheme, host, client, upgrade string, nginx bool) {
		d := decision.Caddy()
		if nginx {
			d = decision.Nginx()
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, decision.Path, http.NoBody)
		r.Header = http.Header{"X-Api-Key": {"k"}}
		for i, field := range d.Fields() {
			r.Header[field] = []string{[]string{method, target, scheme, host, client, upgrade}[i]}
		}
		asked, err := d.Read(r)
		if err != nil {
			if asked != nil {
				t.Error("an error and a request")
			}
			return
		}
		if asked.Method != method || asked.RequestURI != target || asked.Host != host || (asked.TLS != nil) != (scheme == "https") {
			t.Errorf("read %q %q %q", asked.Method, asked.RequestURI, asked.Host)
		}
		for name := range asked.Header {
			if slices.Contains(d.Fields(), name) {
				t.Errorf("%s is left", name)
			}
		}
		if asked.Header.Get("X-Api-Key") != "k" || asked.RemoteAddr == "" {
			t.Error("the client's part is lost")
		}
		if nginx && asked.Header.Get("Upgrade") != upgrade {
			t.Errorf("Upgrade is %q, want %q", asked.Header.Get("Upgrade"), upgrade)
		}
	})
}

// FuzzReplayed reads whatever Envoy may send over HTTP: the request that is judged
// has the question's own method, host and target, and none of Envoy's fields.
func FuzzReplayed(f *testing.F) {
	f.Add("/authz/orders/1?a=b", "https", "192.0.2.7", "k")
	f.Add("/authz*", "http", "2001:db8::1", "")
	f.Add("/authz//x", "ftp", "192.0.2.9, 192.0.2.7", "k")
	f.Add("/authz/x#/y", "https", "192.0.2.7:80", "k")
	f.Add("/authz/%zz", "https", "", "k")
	d := decision.EnvoyHTTP()
	f.Fuzz(func(t *testing.T, target, scheme, client, key string) {
		r := &http.Request{Method: "PATCH", RequestURI: target, Host: "api.example.com", Header: http.Header{"X-Original-Proto": {scheme}, "X-Original-Addr": {client}, "X-Api-Key": {key}}}
		asked, err := d.Read(r)
		if (err == nil) != (asked != nil) {
			t.Fatalf("%v and %v", asked, err)
		}
		if err != nil {
			return
		}
		if asked.Method != "PATCH" || asked.Host != "api.example.com" || decision.Path+asked.RequestURI != target || strings.Contains(asked.RequestURI, "#") || (asked.TLS != nil) != (scheme == "https") {
			t.Errorf("read %q %q %q", asked.Method, asked.RequestURI, asked.Host)
		}
		if len(asked.Header) != 1 || asked.Header.Get("X-Api-Key") != key || asked.RemoteAddr == "" {
			t.Errorf("the fields: %v", asked.Header)
		}
	})
}

// question is a good question in the dialect, with more fields.
func question(t *testing.T, d *decision.Dialect, more http.Header) *http.Request {
	t.Helper()
	path := decision.Path
	if d.Fields()[0] == "" { // the target is in the question's own
		path += "/orders/1"
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	r.Header = more
	for i, field := range d.Fields() {
		if field == "" {
			continue
		}
		if _, given := more[field]; !given && i < 5 {
			r.Header[field] = []string{[]string{"GET", "/orders/1", "https", "api.example.com", "192.0.2.7"}[i]}
		}
	}
	return r
}

func TestUpgradesThatNobodyJudgesAreRefused(t *testing.T) {
	for field, d := range map[string]decision.Dialect{"X-Original-Upgrade": decision.Nginx(), "Upgrade": decision.Caddy()} {
		for value, want := range map[string]bool{"websocket": true, "WebSocket": true, "h2c": false, "websocket, h2c": false, "foo": false, "TLS/1.0": false} {
			if _, err := d.Read(question(t, &d, http.Header{field: {value}, "Connection": {"Upgrade"}})); (err == nil) != want {
				t.Errorf("%s: %s: %v, want passed %v", field, value, err, want)
			}
		}
		if _, err := d.Read(question(t, &d, http.Header{field: {"websocket", "h2c"}})); err == nil {
			t.Errorf("%s twice passed", field)
		}
	}
}

func TestIdentityFieldsInOtherSpellingsAreRefused(t *testing.T) {
	for _, d := range []decision.Dialect{decision.Nginx(), decision.Caddy(), decision.Traefik(), decision.HAProxy(), decision.EnvoyHTTP()} {
		for _, name := range []string{"X_Warder_Owner", "X-Warder_Owner", "X_Warder-Subject", "X.Warder.Owner", "x-warder_key-id", "X-Warder-Key.Id"} {
			if _, err := d.Read(question(t, &d, http.Header{name: {"evil"}})); err == nil {
				t.Errorf("%s passed", name)
			}
		}
		for _, name := range []string{"X-Warder-Identity", "X-Warder-Limit-Near", "X-Warder-Status", "X-Warder-Other"} { // which no proxy sets
			// Envoy is told to take them away.
			if _, err := d.Read(question(t, &d, http.Header{name: {"evil"}})); (err == nil) != (d.Fields()[0] == "") {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, list := range []string{"X-Warder-Owner", "close, x-warder-owner", "X_Warder_Owner"} {
			if _, err := d.Read(question(t, &d, http.Header{"Connection": {list}})); err == nil {
				t.Errorf("Connection: %s passed", list)
			}
		}
		if _, err := d.Read(question(t, &d, http.Header{"X-Warder-Owner": {"overwritten by the proxy"}, "X-Ward": {"a"}, "Connection": {"keep-alive"}})); err != nil {
			t.Error(err)
		}
	}
}

func TestNoStatusOfADenialIsAPass(t *testing.T) {
	envoy := decision.EnvoyHTTP()
	for status := 100; status < 600; status++ {
		if got := envoy.Status(status); got == http.StatusOK || status != http.StatusOK && got != status { // it takes 200 alone for a pass
			t.Errorf("Envoy: %d goes out as %d", status, got)
		}
	}
	for i, d := range []decision.Dialect{decision.Nginx(), decision.Caddy(), decision.Traefik(), decision.HAProxy()} {
		for status := 100; status < 600; status++ {
			if got := d.Status(status); got < 300 || i == 0 && got != 401 && got != 403 {
				t.Errorf("%d: %d goes out as %d", i, status, got)
			}
		}
	}
}

func TestLastAddress(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "192.0.2.9, 192.0.2.7": "192.0.2.7", "192.0.2.9,\t192.0.2.7:8080": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"[2001:db8::1]:443": "2001:db8::1", "fe80::1%eth0": "fe80::1", "192.0.2.7,": "", "unknown": "", "": "", "192.0.2.7 192.0.2.8": "", "010.0.0.1": "",
	} {
		got, err := decision.LastAddress(text)
		if err != nil && want != "" || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
}

// Whoever wires a proxy reads in one line which fields are wrong, and nothing of
// what is in them.
func TestWrongQuestionsAreToldInALine(t *testing.T) {
	good := http.Header{
		"X-Original-Method": {"GET"}, "X-Original-Uri": {"/"}, "X-Original-Proto": {"https"}, "X-Original-Host": {"h"}, "X-Original-Addr": {"192.0.2.7"},
	}
	for _, tt := range []struct {
		name   string
		change http.Header // over good; nil takes a field away
		want   string
	}{
		{
			"another proxy's",
			http.Header{"X-Original-Method": nil, "X-Original-Uri": nil, "X-Original-Proto": nil, "X-Original-Host": nil, "X-Original-Addr": nil},
			"missing or empty: X-Original-Method, X-Original-Uri, X-Original-Proto, X-Original-Host, X-Original-Addr",
		},
		{"empty and twice", http.Header{"X-Original-Uri": {""}, "X-Original-Host": {"hunter2", "b"}}, "missing or empty: X-Original-Uri; more than once: X-Original-Host"},
		{"unreadable", http.Header{"X-Original-Uri": {"hunter2"}, "X-Original-Proto": {"hunter2"}, "X-Original-Addr": {"hunter2"}}, "unreadable: X-Original-Proto, X-Original-Addr, X-Original-Uri"},
	} {
		d := decision.Nginx()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, decision.Path, http.NoBody)
		r.Header = good.Clone()
		maps.Copy(r.Header, tt.change)
		if _, err := d.Read(r); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestAWrongQuestionIsLoggedWithTheDialect(t *testing.T) {
	var log bytes.Buffer
	front, err := decision.New(decision.Config{
		Stack: &warder.Stack{}, Dialect: decision.Caddy(), Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, decision.Path, http.NoBody) // from 192.0.2.1
	w := httptest.NewRecorder()
	front.ServeHTTP(w, r)
	const want = `dialect=caddy fields="missing or empty: X-Forwarded-Method, X-Forwarded-Uri, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-For"`
	if w.Code != http.StatusBadRequest || !strings.Contains(log.String(), want) {
		t.Errorf("%d, logged %s, want %s", w.Code, log.String(), want)
	}
}
