package server_test

import (
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/internal/keyservice"
)

// TestRolesMeanTheSame compares who may do what by the accounts and by the API: an
// admin key or a person has in the one what the table of the other says.
func TestRolesMeanTheSame(t *testing.T) {
	for _, role := range account.Roles() {
		own, api := role.Scopes(), keyservice.Scopes(keyservice.Role(role), false)
		for _, rule := range keyservice.Rules() {
			if got, want := own.Allow(string(rule.Right)), api.Allow(string(rule.Right)); got != want {
				t.Errorf("%s may %s: by the account %v, by the API %v", role, rule.Right, got, want)
			}
		}
	}
}
