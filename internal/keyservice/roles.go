package keyservice

import (
	"slices"

	"github.com/warder-dev/warder/exchange"
)

// A Role says what a caller may do.
type Role string

// The roles.
const (
	RoleOwner     Role = "owner"
	RoleAdmin     Role = "admin"
	RoleDeveloper Role = "developer"
	RoleAuditor   Role = "auditor"
)

// Roles returns every role, the mightiest first.
func Roles() []Role { return []Role{RoleOwner, RoleAdmin, RoleDeveloper, RoleAuditor} }

// A Right is what a role has or lacks. It is a scope of the principal.
type Right string

// The rights.
const (
	ReadKeys     Right = "keys:read"
	WriteKeys    Right = "keys:write"       // make, change, disable and revoke
	RollKeys     Right = "keys:roll"        // and so see the text of a key that was there before
	ImportKeys   Right = "keys:import"      // with texts that others have made
	DeleteKeys   Right = "keys:delete"      // what is left of it is the audit
	RevokeBulk   Right = "keys:revoke-bulk" // many at once
	VerifyKeys   Right = "keys:verify"      // and spend their credits
	SeeReasons   Right = "keys:reasons"     // why a key does not hold: more than its holder learns
	Explain      Right = "requests:explain" // what would become of a request: it shows the policy
	WriteCredits Right = "credits:write"    // credits are money
	WriteOwners  Right = "owners:write"     // what is known of whom keys belong to
	ReadUsage    Right = "usage:read"
	ReadAudit    Right = "audit:read"

	ReadSettings  Right = "settings:read"  // what the node judges by, and whom its limits refused
	WriteSettings Right = "settings:write" // limits of a subject, documents that ask for less

	ReadAccounts   Right = "accounts:read"
	ManageAccounts Right = "accounts:manage" // of the roles that one's own manages; admin keys never have it
)

// A Rule is one row of the table of rights.
type Rule struct {
	Right Right
	Roles []Role
	Bound bool // a token that is bound to an owner has it too, for what is that owner's
}

// Rules is the one place that says which role may do what. Operations name one
// right each; docs/reference/admin-roles.md is made of both.
func Rules() []Rule {
	all := Roles()
	writers := []Role{RoleOwner, RoleAdmin, RoleDeveloper}
	admins := []Role{RoleOwner, RoleAdmin}
	return []Rule{
		{ReadKeys, all, true},
		{WriteKeys, writers, true},
		{RollKeys, writers, true},
		{ImportKeys, admins, false},
		{DeleteKeys, admins, true},
		{RevokeBulk, admins, true},
		{VerifyKeys, writers, true},
		{SeeReasons, admins, true},
		{Explain, admins, false},
		{WriteCredits, admins, false},
		{WriteOwners, writers, false},
		{ReadUsage, all, true},
		{ReadAudit, []Role{RoleOwner, RoleAdmin, RoleAuditor}, false},
		{ReadSettings, []Role{RoleOwner, RoleAdmin, RoleAuditor}, false},
		{WriteSettings, admins, false},
		{ReadAccounts, []Role{RoleOwner, RoleAdmin, RoleAuditor}, false},
		{ManageAccounts, admins, false},
	}
}

// Scopes returns the rights of a role; bound is for a token that is bound to an
// owner. A role that does not exist has none.
func Scopes(role Role, bound bool) exchange.Scopes {
	var rights []string
	for _, rule := range Rules() {
		if slices.Contains(rule.Roles, role) && (rule.Bound || !bound) {
			rights = append(rights, string(rule.Right))
		}
	}
	return exchange.LiteralScopes(rights...)
}
