package celcond_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/authz/celcond"
	"github.com/warder-dev/warder/exchange"
)

func TestText(t *testing.T) {
	x := request(func(x *exchange.Exchange) {
		x.Principal = exchange.Principal{Issuer: "i", Subject: "s", Owner: "acme", Claims: map[string]any{"tier": "gold", "seats": 7.0}}
	})
	for expression, want := range map[string]string{
		"principal.owner + '/' + request.method": "acme/POST",
		"string(principal.claims.tier)":          "gold",
		"string(principal.claims.missing)":       "",
		"string(principal.claims.seats.a)":       "",
	} {
		text, err := celcond.NewText(celcond.Config{Expression: expression})
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got, ok := text.Text(x); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", expression, got, ok, want)
		}
	}
	if _, err := celcond.NewText(celcond.Config{Expression: "1 == 1"}); err == nil || !strings.Contains(err.Error(), "is of type bool, want string") {
		t.Errorf("an expression that is no text: %v", err)
	}
}
