package httpserver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
)

// leaky is an error that claims to be the runtime's.
type leaky struct{}

func (leaky) Error() string { return "canary" }
func (leaky) RuntimeError() {}

// fail panics with value, some arguments on its stack.
//
//go:noinline
func fail(value any, _ [6]byte) {
	if value == "index" {
		var empty []int
		_ = empty[len(fmt.Sprint(value))]
	}
	panic(value)
}

func TestPanicsAreLoggedWithoutTheirText(t *testing.T) {
	attack.Case(t, "LOG-06", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name      string
			value     any
			typ, text string
		}{
			{"a string", "canary", "string", ""},
			{"an error", errors.New("canary"), "*errors.errorString", ""},
			{"a runtime error", "index", "runtime.boundsError", "runtime error: index out of range [5] with length 0"},
			{"a false runtime error", leaky{}, "httpserver_test.leaky", ""},
		} {
			var log bytes.Buffer
			r := httptest.NewRequest(http.MethodGet, "/canary?canary", nil)
			r.Header.Set("X-Api-Key", "canary")
			w := httptest.NewRecorder()
			httpserver.NewRecover(slog.New(slog.NewJSONHandler(&log, nil))).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				fail(tt.value, [6]byte{0xca, 0xfe, 0xca, 0xfe, 0xca, 0xfe})
			})).ServeHTTP(w, r)
			if w.Code != 500 || strings.Contains(w.Body.String(), "canary") || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: got %d %s, want a 500 problem", tt.name, w.Code, w.Body)
			}
			var record map[string]any
			if err := json.Unmarshal(log.Bytes(), &record); err != nil {
				t.Fatalf("%s: want one record, got %s", tt.name, log.Bytes())
			}
			text, _ := record["error"].(string)
			stack, _ := record["stack"].(string)
			if record["panic"] != tt.typ || text != tt.text || record["method"] != "GET" || !strings.Contains(stack, "httpserver_test.fail(...)") {
				t.Errorf("%s: record = %v", tt.name, record)
			}
			if strings.Contains(log.String(), "canary") || strings.Contains(stack, "0xca") || strings.Contains(stack, "{0x") {
				t.Errorf("%s: the record holds a value: %s", tt.name, log.Bytes())
			}
		}
		t.Run("http.ErrAbortHandler is kept", func(t *testing.T) {
			var log bytes.Buffer
			defer func() {
				got := recover()
				if err, _ := got.(error); !errors.Is(err, http.ErrAbortHandler) || log.Len() != 0 {
					t.Errorf("panic = %v, log %q; want ErrAbortHandler and no record", got, log.String())
				}
			}()
			httpserver.NewRecover(slog.New(slog.NewJSONHandler(&log, nil))).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				panic(http.ErrAbortHandler)
			})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		})
	})
}

func TestAnUnknownMethodIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	r := httptest.NewRequest("CANARY", "/", nil)
	httpserver.NewRecover(slog.New(slog.NewJSONHandler(&log, nil))).Recovered(exchange.New(r), "x", nil)
	if strings.Contains(log.String(), "CANARY") || !strings.Contains(log.String(), `"other"`) {
		t.Errorf("record = %s", log.String())
	}
	httpserver.NewRecover(nil).Recovered(nil, "x", nil) // logs nothing, and does not panic
}
