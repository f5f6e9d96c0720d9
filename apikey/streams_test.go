package apikey_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

// TestStreamsEndWithinTheBound: a change is known after a poll at most, and a stream
// looks each second. What ends by the clock is known when it ends.
func TestStreamsEndWithinTheBound(t *testing.T) {
	const poll = time.Second
	for name, tt := range map[string]struct {
		after time.Duration // until the right is lost
		bound time.Duration // from then on
		op    apikey.Op
		edit  func(*apikey.Record)
	}{
		"revoked":            {0, poll + exchange.WatchEvery, apikey.OpRevoke, func(r *apikey.Record) { r.Revoked = time.Now() }},
		"disabled":           {0, poll + exchange.WatchEvery, apikey.OpDisable, func(r *apikey.Record) { r.Disabled = true }},
		"without the scope":  {0, poll + exchange.WatchEvery, apikey.OpUpdate, func(r *apikey.Record) { r.Scopes = []string{"invoices:read"} }},
		"for another method": {0, poll + exchange.WatchEvery, apikey.OpUpdate, func(r *apikey.Record) { r.Methods = []string{"POST"} }},
		"expired":            {10 * time.Second, exchange.WatchEvery, apikey.OpUpdate, func(r *apikey.Record) { r.Expires = time.Now().Add(10 * time.Second) }},
		"rolled":             {10 * time.Second, exchange.WatchEvery, apikey.OpRoll, func(r *apikey.Record) { r.Secrets[0].Retires = time.Now().Add(10 * time.Second) }},
	} {
		attack.Case(t, "KEY-37", attack.Library, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newStoreHouse(t)
				h.verifier = newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers, Poll: poll})
				record, text := h.create(t, "acme", "orders:*")
				stack := &warder.Stack{Policy: &warder.Policy{Authn: must[*authn.Stage](t)(authn.New(authn.Config{Requirement: authn.Require(newHeader(t, h.verifier), "orders:read")}))}}
				served := false
				handler := stack.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					served = true
					ctx, cancel := stack.Follow(r)
					defer cancel()
					pause(time.Minute) // nothing has happened
					if ctx.Err() != nil {
						t.Fatalf("%s: the stream ended before: %v", name, context.Cause(ctx)) //nolint:contextcheck // it is asked why it ended
					}
					changed := time.Now()
					h.change(t, record.ID, tt.op, tt.edit) //nolint:contextcheck // it is another request that changes the key
					<-ctx.Done()
					if took := time.Since(changed); took < tt.after || took > tt.after+tt.bound {
						t.Errorf("%s: the stream ended after %v, want from %v to %v", name, took, tt.after, tt.after+tt.bound)
					}
				}))
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
				r.Header.Set("X-API-Key", text)
				handler.ServeHTTP(httptest.NewRecorder(), r)
				if !served {
					t.Errorf("%s: the key does not pass", name)
				}
			})
		})
	}
}
