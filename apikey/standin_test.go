package apikey_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

func TestStandInIsForDryExchangesAlone(t *testing.T) {
	h := newHouse(t)
	record, text := h.create(t, "a")
	header, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: h.verifier})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(ctx context.Context, text string, dry bool) string {
		r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
		r.Header.Set("X-API-Key", text)
		x := exchange.New(r)
		x.Dry = dry
		p, err := header.Authenticate(x) //nolint:contextcheck // the exchange has it
		if refusal, ok := errors.AsType[*authn.Refusal](err); ok {
			return refusal.Reason()
		}
		if err != nil {
			return err.Error()
		}
		return p.KeyID
	}
	ctx, standIn, err := h.verifier.StandIn(t.Context(), record)
	if err != nil {
		t.Fatal(err)
	}
	disabled := record
	disabled.Disabled = true
	off, offText, err := h.verifier.StandIn(t.Context(), disabled)
	if err != nil {
		t.Fatal(err)
	}
	id := string(record.ID)
	for _, tt := range []struct {
		name, text string
		ctx        context.Context
		dry        bool
		want       string
	}{
		{"in its context, dry", standIn.Reveal(), ctx, true, id},
		{"in its context, for a real request", standIn.Reveal(), ctx, false, "wrong-secret"},
		{"outside of it", standIn.Reveal(), t.Context(), true, "wrong-secret"},
		{"of a key as it might be", offText.Reveal(), off, true, "disabled"},
		{"the key itself, for a real request", text, ctx, false, id},
		{"the key itself, where something stands in", text, ctx, true, "wrong-secret"},
		{"the key itself, afterwards", text, t.Context(), true, id},
	} {
		if got := ask(tt.ctx, tt.text, tt.dry); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	other := newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers})
	if _, err := other.VerifyFor(ctx, standIn.Reveal(), apikey.Use{Dry: true}); err == nil {
		t.Error("another verifier believes it")
	}
}
