package bodylimit_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/bodylimit"
)

func TestStage(t *testing.T) {
	tests := []struct {
		name     string
		max      int64
		body     string
		declared bool
		status   int
		read     int
	}{
		{"no body", 3, "", true, 200, 0},
		{"declared, at the limit", 3, "abc", true, 200, 3},
		{"declared, over the limit: refused unread", 2, "abc", true, 413, 0},
		{"undeclared, at the limit", 3, "abc", false, 200, 3},
		{"undeclared, over the limit: cut at it", 2, "abc", false, 200, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := bodylimit.New(bodylimit.Config{Max: tt.max})
			if err != nil {
				t.Fatal(err)
			}
			read := 0
			h := s.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				read = len(b)
				var over *http.MaxBytesError
				if got := errors.As(err, &over); got != (len(tt.body) > int(tt.max)) {
					t.Errorf("over the limit = %v: %v", got, err)
				}
			}))
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body))
			if !tt.declared {
				r.ContentLength = -1
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || read != tt.read {
				t.Errorf("status %d after %d bytes, want %d after %d", w.Code, read, tt.status, tt.read)
			}
		})
	}
}

func TestNewRefusesNoLimit(t *testing.T) {
	if _, err := bodylimit.New(bodylimit.Config{}); err == nil {
		t.Error("New accepted a limit of 0")
	}
}
