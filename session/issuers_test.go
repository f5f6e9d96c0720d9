package session_test

import (
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/session"
)

// One subject of two issuers is two people: neither sees, ends or displaces the
// other's sessions.
func TestOneSubjectOfTwoIssuers(t *testing.T) {
	attack.Case(t, "MULTI-12", attack.Library, func(t *testing.T) {
		m := newManager(t, session.Config{PerUser: 2})
		const here, there = "password", "https://id.example"
		kept := login(t, m, session.User{Issuer: there, Subject: "ada"})
		for range 5 { // more than one person may have
			login(t, m, session.User{Issuer: here, Subject: "ada"})
		}
		other, err := m.Sessions(t.Context(), there, "ada")
		if err != nil || len(other) != 1 {
			t.Fatalf("the other's sessions: %d, %v, want 1", len(other), err)
		}
		if found, err := m.Revoke(t.Context(), here, "ada", other[0].Name); found || err != nil {
			t.Errorf("the other's session was revoked by its name: %v, %v", found, err)
		}
		if n, err := m.RevokeUser(t.Context(), here, "ada"); n != 2 || err != nil {
			t.Errorf("RevokeUser = %d, %v, want 2", n, err)
		}
		x := exchange.New(request(kept))
		p, err := m.Scheme().Authenticate(x)
		if err != nil || p.Issuer != there || p.Subject != "ada" {
			t.Errorf("the other's session proves %+v, %v", p, err)
		}
	})
}
