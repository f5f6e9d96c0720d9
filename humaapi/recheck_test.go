package humaapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/warder-dev/warder/exchange"
)

// TestRecheck judges anew a request that was passed: as its sender stands now.
func TestRecheck(t *testing.T) {
	api, guard, handler := guarded(t)
	var x *exchange.Exchange
	var op *huma.Operation
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) { op = ctx.Operation(); next(ctx) })
	for path, security := range map[string][]map[string][]string{"/orders": {{"A": {}}, {"B": {}}, {"Q": {}}}, "/status": {}} {
		o := huma.Operation{OperationID: path[1:], Method: http.MethodGet, Path: path, Security: security}
		huma.Register(api, o, func(ctx context.Context, _ *struct{}) (*output, error) {
			x = exchange.From(ctx)
			return new(output), nil
		})
	}
	for _, tt := range []struct {
		name, target, sent string
		change             func(h http.Header)
		want               exchange.Kind
	}{
		{"nothing changed", "/orders", "A", func(http.Header) {}, exchange.Passed},
		{"in the query", "/orders?Q=good", "", func(http.Header) {}, exchange.Passed},
		{"wrong now", "/orders", "A", func(h http.Header) { h.Set("A", "bad") }, exchange.Refused},
		{"no store", "/orders", "A", func(h http.Header) { h.Set("A", "away") }, exchange.Failed},
		{"somebody else", "/orders", "A", func(h http.Header) { h.Del("A"); h.Set("B", "good") }, exchange.Failed},
		{"of another owner", "/orders", "A", func(http.Header) { x.Principal.Owner = "acme" }, exchange.Failed},
		{"public", "/status", "", func(http.Header) {}, exchange.Passed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://localhost"+tt.target, nil)
			if tt.sent != "" {
				r.Header.Set(tt.sent, "good")
			}
			w := httptest.NewRecorder()
			if handler.ServeHTTP(w, r); w.Code != http.StatusOK {
				t.Fatalf("status %d %s", w.Code, w.Body)
			}
			before := x.Principal
			tt.change(x.Request.Header)
			if got := guard.Recheck(t.Context(), op, x); got.Kind() != tt.want {
				t.Errorf("Recheck = %v (%v), want %v", got.Kind(), got.Err(), tt.want)
			}
			if x.Principal.Subject != before.Subject {
				t.Error("the request has another principal")
			}
		})
	}
}
