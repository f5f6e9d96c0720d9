package keyservice_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/keyservice"
)

// What is answered past huma is answered as everything else: the same fields, the
// same form, the same problems, and only after the same checks.
func TestDirectAnswers(t *testing.T) {
	w := newWorld(t)
	made := w.made(t, keyservice.KeySpec{Owner: "a<b>&c"})
	verified, whoami := w.ask(t, http.MethodPost, "/v1/keys:verify", keyservice.Use{Key: made.Text}), w.ask(t, http.MethodGet, "/v1/whoami", nil)
	for _, field := range []string{"Content-Type", "Cache-Control", "X-Content-Type-Options"} {
		if got, want := verified.header.Get(field), whoami.header.Get(field); got != want || want == "" {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	if len(verified.header) != len(whoami.header) || !strings.HasSuffix(verified.text, "}\n") != !strings.HasSuffix(whoami.text, "}\n") {
		t.Errorf("%v %q, want the form of %v %q", verified.header, verified.text, whoami.header, whoami.text)
	}
	if !strings.Contains(verified.text, `"owner":"a<b>&c"`) {
		t.Errorf("the owner is not as it is: %s", verified.text)
	}
	body := keyservice.Use{Key: made.Text}
	for name, tt := range map[string]struct {
		body   any
		fields []string
		status int
	}{
		"no credential":        {body, []string{"Authorization", ""}, 401},
		"a wrong credential":   {body, []string{"Authorization", "Bearer wrong"}, 401},
		"a role that may not":  {body, []string{"X-Person", "auditor"}, 403},
		"a cookie, cross-site": {body, []string{"X-Person", "owner", "X-Ambient", "1"}, 403},
		"no JSON":              {"{", nil, 400},
		"another type":         {body, []string{"Content-Type", "text/plain"}, 415},
		"compressed":           {body, []string{"Content-Encoding", "gzip"}, 415},
		"an unknown member":    {`{"key":"x","kee":"y"}`, nil, 400},
		"a member twice":       {`{"key":"x","key":"y"}`, nil, 400},
		"another spelling":     {`{"Key":"x"}`, nil, 400},
		"null":                 {`{"key":"x","dry":null}`, nil, 400},
		"nothing":              {`{}`, nil, 400},
		"a parameter":          {body, nil, 400},
	} {
		path := "/v1/keys:verify"
		if name == "a parameter" {
			path += "?x=y"
		}
		r := w.ask(t, http.MethodPost, path, tt.body, tt.fields...)
		if want(t, name, r, tt.status); r.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %v %s", name, r.header, r.text)
		}
	}
}

// A verdict is asked for with every request of somebody's: what it costs beside the
// connection is bounded. huma's own way took twice as much.
func TestVerifyAllocates(t *testing.T) {
	w := newWorld(t)
	made := w.made(t, keyservice.KeySpec{Owner: "acme", Scopes: []string{"orders:*"}})
	body := `{"key":"` + made.Text + `","method":"GET","target":"/orders/17","address":"192.0.2.7","scopes":["orders:read"]}`
	header := http.Header{"Authorization": {"Bearer " + adminToken}, "Content-Type": {"application/json"}}
	to := &silent{header: make(http.Header)}
	run := func() {
		r := &http.Request{
			Method: http.MethodPost, URL: &url.URL{Path: "/v1/keys:verify"}, RequestURI: "/v1/keys:verify", Host: "localhost", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "127.0.0.1:1000",
		}
		clear(to.header)
		if w.handler.ServeHTTP(to, r.WithContext(t.Context())); to.status != http.StatusOK {
			t.Fatal(to.status)
		}
	}
	const most = 55
	if got := testing.AllocsPerRun(200, run); got > most && !raceEnabled {
		t.Errorf("%v allocations, want at most %d", got, most)
	}
}

// silent is a response that nobody reads.
type silent struct {
	header http.Header
	status int
}

func (s *silent) Header() http.Header         { return s.header }
func (s *silent) WriteHeader(status int)      { s.status = status }
func (s *silent) Write(p []byte) (int, error) { return len(p), nil }
