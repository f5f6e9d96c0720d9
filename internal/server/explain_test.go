package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

const explained = `
hosts: [localhost, 127.0.0.1]
listeners: {inner: {listen: 127.0.0.1:0, hosts: [inner.test]}}
https: {require: false}
rate_limits: {two: {count: 2, per: 1h, by: [key]}}
schemes: {link: {key: {in: query}}}
routes:
  - {match: "GET /orders/", upstream: api, scopes: ["orders:read"], rate_limits: [two]}
  - {match: "POST /orders/", upstream: api, scopes: ["orders:write"], conditions: [{name: office, addresses: [192.0.2.0/24]}]}
  - {match: "/links/", upstream: api, security: [{link: []}]}
`

// explains asks the admin API.
func (p *program) explains(t *testing.T, token string, q keyservice.RequestQuestion) (status int, e keyservice.Explanation, text string) {
	t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.admin+"/v1/explain", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"], r.Header["Content-Type"] = []string{"Bearer " + token}, []string{"application/json"}
	w, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	read, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if w.StatusCode == http.StatusOK {
		if err := json.Unmarshal(read, &e); err != nil {
			t.Fatal(err)
		}
	}
	return w.StatusCode, e, string(read)
}

func TestARunningWarderExplains(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	const token = "0123456789abcdef0123456789abcdef"
	p := start(t, upstream.URL(), settings{yaml: explained, token: secret.New(token), spec: apikey.Spec{
		Environment: "live", Name: "reader", Owner: "acme", Scopes: []string{"orders:read"},
	}})
	id := string(p.record.ID)
	_, hidden, _ := strings.Cut(p.key, "live_")
	hidden = hidden[12:]
	for _, tt := range []struct {
		name string
		ask  keyservice.RequestQuestion
		want keyservice.Explanation // Steps are not compared
		says string                 // in the whole answer
	}{
		{"by the id", keyservice.RequestQuestion{URL: "http://localhost/orders/1", KeyID: id}, keyservice.Explanation{Allowed: true, Route: "GET /orders/", Upstream: "api", Path: "/orders/1", Owner: "acme"}, "2 left of 2"},
		{"by the text", keyservice.RequestQuestion{URL: "http://localhost/orders/1", Key: p.key}, keyservice.Explanation{Allowed: true, Route: "GET /orders/", Upstream: "api", Path: "/orders/1", Owner: "acme"}, "proves"},
		{"nobody", keyservice.RequestQuestion{URL: "http://localhost/orders/1"}, keyservice.Explanation{Status: 401, Stage: "authn", Route: "GET /orders/", Upstream: "api", Path: "/orders/1"}, "is absent"},
		{"a scope that is missing", keyservice.RequestQuestion{URL: "http://localhost/orders/1", Method: "POST", KeyID: id}, keyservice.Explanation{Status: 403, Stage: "authn", Route: "POST /orders/", Upstream: "api", Path: "/orders/1", Owner: "acme"}, "lacks the scope orders:write"},
		{"in the query", keyservice.RequestQuestion{URL: "http://localhost/links/a?x=y", KeyID: id}, keyservice.Explanation{Allowed: true, Route: "/links/", Upstream: "api", Path: "/links/a", Owner: "acme"}, "scheme link"},
		{"the text in a field and in the path", keyservice.RequestQuestion{URL: "http://localhost/orders/" + p.key, Headers: []string{"X-API-Key: " + p.key}}, keyservice.Explanation{Allowed: true, Route: "GET /orders/", Upstream: "api", Owner: "acme"}, ""},
		{"another host", keyservice.RequestQuestion{URL: "http://elsewhere/orders/1", KeyID: id}, keyservice.Explanation{Status: 421, Stage: "trustedhost"}, "not reached"},
		{"at another listener", keyservice.RequestQuestion{URL: "http://inner.test/orders/1", KeyID: id, Listener: "inner"}, keyservice.Explanation{Allowed: true, Route: "GET /orders/", Upstream: "api", Path: "/orders/1", Owner: "acme"}, "2 left of 2"},
		{"at another listener, by a name of the first", keyservice.RequestQuestion{URL: "http://localhost/orders/1", KeyID: id, Listener: "inner"}, keyservice.Explanation{Status: 421, Stage: "trustedhost"}, "not reached"},
		{"two readings", keyservice.RequestQuestion{URL: "http://localhost/orders/../x", KeyID: id}, keyservice.Explanation{Status: 400, Stage: "target"}, "dot-segments"},
	} {
		status, e, text := p.explains(t, token, tt.ask)
		if status != http.StatusOK {
			t.Errorf("%s: %d %s", tt.name, status, text)
			continue
		}
		if e.Allowed != tt.want.Allowed || e.Status != tt.want.Status || e.Stage != tt.want.Stage || e.Route != tt.want.Route || e.Upstream != tt.want.Upstream ||
			e.Owner != tt.want.Owner || tt.want.Path != "" && e.Path != tt.want.Path || !strings.Contains(text, tt.says) {
			t.Errorf("%s: %s\nwant %+v, with %q", tt.name, text, tt.want, tt.says)
		}
		if strings.Contains(text, hidden) {
			t.Errorf("%s: the answer shows the key: %s", tt.name, text)
		}
	}
	for field, ask := range map[string]keyservice.RequestQuestion{
		"url": {URL: "orders"}, "headers": {URL: "http://localhost/", Headers: []string{"nothing"}}, "in": {URL: "http://localhost/", KeyID: id, In: "nobody"}, "listener": {URL: "http://localhost/", Listener: "outer"},
		"key": {URL: "http://localhost/links/", Key: "a\x01b", In: "link"},
	} {
		if status, _, text := p.explains(t, token, ask); status != http.StatusBadRequest || !strings.Contains(text, `"field":"`+field+`"`) {
			t.Errorf("a wrong %s: %d %s", field, status, text)
		}
	}
	if received := upstream.Received(); len(received) > 0 {
		t.Errorf("the upstream got %q", received)
	}
	for range 2 { // nothing was spent
		if w := p.get(t, "/orders/1", p.key); w.StatusCode != http.StatusOK {
			t.Errorf("a request of the limit's two: %d", w.StatusCode)
		}
	}
	if _, e, text := p.explains(t, token, keyservice.RequestQuestion{URL: "http://localhost/orders/1", KeyID: id}); e.Status != http.StatusTooManyRequests {
		t.Errorf("the limit as it stands: %s", text)
	}
	p.follows(t, token, id, upstream.URL())
	if log := p.log(t); strings.Count(log, `"msg":"request"`) != 2 || strings.Contains(log, hidden) {
		t.Errorf("the log has more than two requests, or a key:\n%s", log)
	}
}

// follows checks that the answers are of what is in force.
func (p *program) follows(t *testing.T, token, id, upstream string) {
	t.Helper()
	p.write(t, upstream, strings.Replace(explained, "/links/", "/others/", 1))
	p.reload(t)
	if _, e, text := p.explains(t, token, keyservice.RequestQuestion{URL: "http://localhost/others/a", KeyID: id}); !e.Allowed || e.Route != "/others/" {
		t.Errorf("after a reload: %s", text)
	}
	if _, err := p.issuer.Disable(t.Context(), apikey.By{Actor: "system", Source: "test"}, apikey.ID(id)); err != nil {
		t.Fatal(err)
	}
	if _, e, text := p.explains(t, token, keyservice.RequestQuestion{URL: "http://localhost/others/a", KeyID: id}); e.Status != http.StatusUnauthorized || e.Reason != "disabled" {
		t.Errorf("after the key was disabled: %s", text)
	}
}
