package ratelimit_test

import (
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/ratelimit"
)

// What one subject has spent is not what the same subject of another issuer has.
func TestSubjectsOfTwoIssuersHaveTheirOwnLimits(t *testing.T) {
	attack.Case(t, "MULTI-12", attack.Library, func(t *testing.T) {
		l := newLimit(t, ratelimit.LimitConfig{Name: "each", Quota: ratelimit.Quota{Count: 2, Per: time.Hour}, By: ratelimit.ByPrincipal()})
		s := newStage(t, l)
		for _, who := range []exchange.Principal{
			{Issuer: "https://id.example", Subject: "acme"},
			{Issuer: "https://other.example", Subject: "acme"},
			{Issuer: "https://id.example/", Subject: "acme"},
			{Issuer: "https://id.example", Subject: "/acme"}, // put together they would read alike
			{Issuer: "warder", Subject: "key1", KeyID: "key1", Owner: "acme"},
			{Issuer: "https://id.example", Subject: "key1"},
		} {
			x := request()
			x.Principal = who
			for n, want := range []bool{true, true, false} {
				if got := passes(t, s, x); got != want {
					t.Errorf("%s of %s: request %d passes %v, want %v", who.Subject, who.Issuer, n+1, got, want)
				}
			}
		}
	})
}
