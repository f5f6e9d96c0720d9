package keyservice_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/keyservice"
)

func TestExplain(t *testing.T) {
	var asked *keyservice.Question
	var fails error
	w := newWorld(t, func(c *keyservice.Config) {
		c.Explain = func(_ context.Context, q *keyservice.Question) (keyservice.Explanation, error) {
			asked = q
			return keyservice.Explanation{Allowed: true, Verdict: "passed", Steps: []keyservice.ExplainedStep{{Stage: "authn", Verdict: "passed"}}}, fails
		}
	})
	made := w.made(t, keyservice.KeySpec{Owner: "acme"})
	const url = "https://api.example.com/orders/1"
	question := keyservice.RequestQuestion{URL: url, Method: "POST", Headers: []string{"Accept: */*"}, Address: "::ffff:192.0.2.7", KeyID: made.Key.ID}
	r := w.ask(t, http.MethodPost, "/v1/explain", question)
	if r.status != http.StatusOK || !strings.Contains(r.text, `"stage":"authn"`) {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if asked.Holder == nil || string(asked.Holder.ID) != made.Key.ID || asked.Client.String() != "192.0.2.7" || asked.Method != "POST" || len(asked.Headers) != 1 {
		t.Errorf("asked %+v", asked)
	}
	for name, tt := range map[string]struct {
		body   any
		status int
		fields []string
	}{
		"no url":              {`{}`, 400, []string{"url"}},
		"an unknown member":   {`{"url":"` + url + `","spend":true}`, 400, []string{"spend"}},
		"two keys, no number": {keyservice.RequestQuestion{URL: url, KeyID: made.Key.ID, Key: made.Text, Address: "here"}, 400, []string{"address", "key"}},
		"no key":              {keyservice.RequestQuestion{URL: url, In: "apiKey"}, 400, []string{"in"}},
		"a long line":         {keyservice.RequestQuestion{URL: url, Headers: []string{"A: b", "A: " + strings.Repeat("x", 9<<10)}}, 400, []string{"headers[1]"}},
		"another's id":        {keyservice.RequestQuestion{URL: url, KeyID: "AAAAAAAAAAAA"}, 404, nil},
	} {
		if r := w.ask(t, http.MethodPost, "/v1/explain", tt.body); r.status != tt.status || !slices.Equal(r.fields(t), tt.fields) {
			t.Errorf("%s: %d %s, want %d about %q", name, r.status, r.text, tt.status, tt.fields)
		}
	}
	for person, want := range map[string]int{
		"owner": 200, "admin": 200, "developer": 403, "auditor": 403, "owner:acme": 403, "admin:acme": 403, "root": 403, "expired": 401,
	} {
		if r := w.ask(t, http.MethodPost, "/v1/explain", keyservice.RequestQuestion{URL: url}, "X-Person", person); r.status != want {
			t.Errorf("%s: %d, want %d", person, r.status, want)
		}
	}
	fails = &keyservice.FieldError{Field: "in", Message: "is no scheme of keys"}
	if r := w.ask(t, http.MethodPost, "/v1/explain", question); r.status != http.StatusBadRequest || !slices.Equal(r.fields(t), []string{"in"}) {
		t.Errorf("a wrong scheme: %d %s", r.status, r.text)
	}
	fails = errors.New("disk I/O error")
	if r := w.ask(t, http.MethodPost, "/v1/explain", question); r.status != http.StatusServiceUnavailable || strings.Contains(r.text, "disk") {
		t.Errorf("nobody knows: %d %s", r.status, r.text)
	}
	if r := newWorld(t).ask(t, http.MethodPost, "/v1/explain", keyservice.RequestQuestion{URL: url}); r.status != http.StatusServiceUnavailable {
		t.Errorf("where nothing judges: %d %s", r.status, r.text)
	}
}
