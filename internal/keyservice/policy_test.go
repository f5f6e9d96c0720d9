package keyservice_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/problem"
)

// A gateway is a policy that notes what it is asked.
type gateway struct {
	asked     []keyservice.Request
	judgement keyservice.Judgement
	err       error
}

func (g *gateway) Judge(_ context.Context, r *keyservice.Request) (keyservice.Judgement, error) {
	g.asked = append(g.asked, *r)
	return g.judgement, g.err
}

func TestVerifyByAPolicy(t *testing.T) {
	g := new(gateway)
	w := newWorld(t, func(c *keyservice.Config) { c.Policy = g })
	made := w.made(t, keyservice.KeySpec{Owner: "acme", Methods: []string{"GET"}})
	use := keyservice.Use{Key: made.Text, Method: "GET", Target: "https://api.example.com:8443/orders/17?a=b", Address: "::ffff:192.0.2.7", Origin: "https://app.example.com", Gateway: true}
	g.judgement = keyservice.Judgement{
		Status: 403, Kind: problem.InsufficientScope, Reason: "scope", Stage: "authn", Route: "/orders/", Principal: exchange.Principal{Issuer: "warder", Subject: made.Key.ID, KeyID: made.Key.ID, Owner: "acme"},
		Header: http.Header{"Www-Authenticate": {"A", "B"}, "Set-Cookie": {"c=d"}, "Content-Type": {"text/html"}},
	}
	v := w.verdict(t, use)
	if v.Valid || v.Code != "insufficient-scope" || v.Status != 403 || v.Problem != "insufficient-scope" || v.Reason != "scope" || v.Stage != "authn" || v.Route != "/orders/" || v.Principal == nil || v.Principal.ID != made.Key.ID {
		t.Errorf("refused: %+v", v)
	}
	if len(v.Header) != 1 || v.Header["Www-Authenticate"] != "A, B" {
		t.Errorf("header %v", v.Header)
	}
	q := g.asked[0]
	if q.Key != made.Text || q.Method != "GET" || q.Scheme != "https" || q.Host != "api.example.com:8443" || q.Target != "/orders/17?a=b" || q.Client.String() != "192.0.2.7" || q.Origin != use.Origin {
		t.Errorf("asked %+v", q)
	}
	t.Run("no reasons for a developer", func(t *testing.T) {
		if v := w.verdict(t, use, "X-Person", "developer:acme"); v.Reason != "" || v.Stage != "" || v.Route != "" || v.Status != 403 {
			t.Errorf("%+v", v)
		}
	})
	t.Run("another owner's key is none", func(t *testing.T) {
		before := len(g.asked)
		for _, method := range []string{"GET", "POST"} { // the key takes GET alone
			use := use
			use.Method = method
			if v := w.verdict(t, use, "X-Person", "developer:other"); v.Valid || v.Code != "invalid" || v.Status != 401 || v.Problem != "unauthorized" || v.Principal != nil || v.Header != nil {
				t.Errorf("%s: %+v", method, v)
			}
		}
		whole := w.made(t, keyservice.KeySpec{Owner: "acme"})
		var token keyservice.TokenMade
		w.ask(t, http.MethodPost, "/v1/keys:exchange", map[string]any{"key": whole.Text}).json(t, &token)
		use := use
		use.Key = token.AccessToken
		if v := w.verdict(t, use, "X-Person", "developer:other"); v.Valid || v.Code != "invalid" || v.Principal != nil {
			t.Errorf("a token of it: %+v", v)
		}
		if len(g.asked) != before {
			t.Error("the gateway was asked, which spends what is another's")
		}
		if v := w.verdict(t, use, "X-Person", "developer:acme"); v.Status != 403 || len(g.asked) != before+1 {
			t.Errorf("a token of one's own: %+v, asked %d times", v, len(g.asked)-before)
		}
	})
	t.Run("a request without a key is nobody's guess", func(t *testing.T) {
		g.judgement = keyservice.Judgement{Status: 401, Kind: problem.Unauthorized, Reason: "no-credential", Stage: "authn"}
		use := use
		use.Key = ""
		for _, who := range []string{"owner", "developer:other"} { // also of who sees one owner's keys alone
			for i := range 50 {
				before := len(g.asked)
				if v := w.verdict(t, use, "X-Person", who); v.Valid || v.Code != "invalid" || v.Problem != "unauthorized" || v.Status != 401 || len(g.asked) != before+1 || g.asked[before].Key != "" {
					t.Fatalf("%s: %d: %+v", who, i, v)
				}
			}
		}
		use.Gateway = false
		r := w.ask(t, http.MethodPost, "/v1/keys:verify", use)
		want(t, "without the gateway", r, http.StatusBadRequest)
		if got := r.fields(t); !slices.Contains(got, "key") {
			t.Errorf("fields %q", got)
		}
	})
	t.Run("what is not known", func(t *testing.T) {
		g.err = errDown
		want(t, "an error", w.ask(t, http.MethodPost, "/v1/keys:verify", use), http.StatusServiceUnavailable)
		g.err = keyservice.ErrUnjudgeable
		want(t, "a route that cannot be kept", w.ask(t, http.MethodPost, "/v1/keys:verify", use), http.StatusConflict)
		want(t, "no gateway", newWorld(t).ask(t, http.MethodPost, "/v1/keys:verify", use), http.StatusServiceUnavailable)
	})
	t.Run("what is wrong is named, at once", func(t *testing.T) {
		r := w.ask(t, http.MethodPost, "/v1/keys:verify", keyservice.Use{Key: made.Text, Target: "/orders", Cost: 1, Gateway: true})
		want(t, "all", r, http.StatusBadRequest)
		if got := r.fields(t); !slices.Equal(got, []string{"address", "cost", "method", "target"}) {
			t.Errorf("fields %q", got)
		}
	})
}
