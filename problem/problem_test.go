package problem_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/problem"
)

func TestWriteChoosesTheMediaTypeByAccept(t *testing.T) {
	tests := []struct {
		name   string
		accept []string
		want   string
	}{
		{"absent", nil, "application/problem+json"},
		{"anything", []string{"*/*"}, "application/problem+json"},
		{"text only", []string{"text/plain"}, "text/plain; charset=utf-8"},
		{"json only", []string{"application/json"}, "application/problem+json"},
		{"text preferred", []string{"application/json;q=0.5, text/plain"}, "text/plain; charset=utf-8"},
		{"json preferred", []string{"application/problem+json, text/plain;q=0.9"}, "application/problem+json"},
		{"both alike", []string{"text/plain, application/json"}, "application/problem+json"},
		{"two fields", []string{"application/json;q=0.1", "text/plain;q=0.2"}, "text/plain; charset=utf-8"},
		{"a browser", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, "application/problem+json"},
		{"the specific entry wins over the wildcard", []string{"text/plain;q=0.1, */*"}, "application/problem+json"},
		{"text family", []string{"text/*, application/json;q=0.3"}, "text/plain; charset=utf-8"},
		{"not a number", []string{"text/plain;q=NaN, application/json;q=0.1"}, "application/problem+json"},
		{"garbage", []string{";;q=,,/"}, "application/problem+json"},
		{"endless", []string{"text/plain" + strings.Repeat(",a/b", 1000)}, "application/problem+json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Accept"] = tt.accept
			w := httptest.NewRecorder()
			problem.New(problem.Unauthorized, "send a key").Write(w, r, "id1")
			if got := w.Header().Get("Content-Type"); got != tt.want {
				t.Errorf("Accept %q: Content-Type = %q, want %q", tt.accept, got, tt.want)
			}
		})
	}
}

func TestWrite(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	w.Header().Set("Etag", `"of the answer that is not given"`)
	problem.New(problem.Unauthorized, "send a key").With("WWW-Authenticate", "ApiKey").Write(w, r, "id1")
	if w.Code != http.StatusUnauthorized {
		t.Errorf("status = %d, want 401", w.Code)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "WWW-Authenticate": "ApiKey", "X-Content-Type-Options": "nosniff", "Etag": "", "Vary": "Accept",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	var document map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": problem.Unauthorized.URI(), "title": "Unauthorized", "status": 401.0, "detail": "send a key", "request_id": "id1",
	}
	for k, v := range want {
		if document[k] != v {
			t.Errorf("%s = %v, want %v", k, document[k], v)
		}
	}
}

func TestEveryTypeHasItsOwnStatusAndTitle(t *testing.T) {
	for _, typ := range problem.All() {
		if typ != problem.Internal && typ.Status() == http.StatusInternalServerError {
			t.Errorf("%s has no status", typ)
		}
		if typ.Title() == "" {
			t.Errorf("%s has no title", typ)
		}
	}
	if got := problem.Type("mistyped").Status(); got != http.StatusInternalServerError {
		t.Errorf("an unknown type has status %d, want 500", got)
	}
}

func TestWithLeavesTheOriginalAlone(t *testing.T) {
	p := problem.New(problem.Unauthorized, "")
	_ = p.With("Retry-After", "1")
	if len(p.Header) != 0 {
		t.Errorf("With changed its receiver: %v", p.Header)
	}
}
