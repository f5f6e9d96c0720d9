package account

import "github.com/warder-dev/warder/exchange"

// A Role is what somebody may do.
type Role string

// The roles.
const (
	Owner     Role = "owner"
	Admin     Role = "admin"
	Developer Role = "developer"
	Auditor   Role = "auditor"
)

// Roles returns every role, the strongest first.
func Roles() []Role { return []Role{Owner, Admin, Developer, Auditor} }

// Valid reports whether r is one of [Roles].
func (r Role) Valid() bool { return r.rank() > 0 }

// rank orders roles by what they may change: an auditor changes nothing.
func (r Role) rank() int {
	switch r {
	case Owner:
		return 4
	case Admin:
		return 3
	case Developer:
		return 2
	case Auditor:
		return 1
	default:
		return 0
	}
}

// NeedsFactor reports whether nobody has the role without a second factor.
func (r Role) NeedsFactor() bool { return r == Owner || r == Admin }

// Manages reports whether somebody of role r may make, change and remove accounts
// and admin keys of role other: an owner all, an admin those below it.
func (r Role) Manages(other Role) bool {
	switch r {
	case Owner:
		return other.Valid()
	case Admin:
		return other == Developer || other == Auditor
	case Developer, Auditor:
		return false
	default:
		return false
	}
}

// An Action is something of the admin API that a role may do or not.
type Action string

// The actions.
const (
	ReadKeys       Action = "keys:read"
	WriteKeys      Action = "keys:write"   // make, change, disable, revoke one
	ImportKeys     Action = "keys:import"  // with texts that others have made
	DeleteKeys     Action = "keys:delete"  // needs a fresh login
	VerifyKeys     Action = "keys:verify"  // and spend their credits
	SeeReasons     Action = "keys:reasons" // why a key does not hold
	Explain        Action = "requests:explain"
	WriteCredits   Action = "credits:write"
	WriteOwners    Action = "owners:write"     // what is known of whom keys belong to
	RollKeys       Action = "keys:roll"        // needs a fresh login
	RevokeBulk     Action = "keys:revoke-bulk" // needs a fresh login
	ReadUsage      Action = "usage:read"
	ReadAudit      Action = "audit:read"
	ReadSettings   Action = "settings:read"
	WriteSettings  Action = "settings:write" // limits, documents that ask for less
	ReadAccounts   Action = "accounts:read"
	ManageAccounts Action = "accounts:manage" // those that Manages allows; needs a fresh login
)

// Actions returns every action.
func Actions() []Action {
	return []Action{
		ReadKeys, WriteKeys, RollKeys, ImportKeys, DeleteKeys, VerifyKeys, SeeReasons, Explain, RevokeBulk, WriteCredits, WriteOwners, ReadUsage, ReadAudit, ReadSettings, WriteSettings, ReadAccounts, ManageAccounts,
	}
}

// NeedsFresh reports whether a person has to have logged in within [FreshFor].
func (a Action) NeedsFresh() bool {
	return a == RollKeys || a == DeleteKeys || a == RevokeBulk || a == ManageAccounts
}

// OfOwner reports whether an admin key that is bound to an owner of the API's keys
// may do a where its role may: to what is that owner's, and nothing else.
func (a Action) OfOwner() bool {
	switch a {
	case ReadKeys, WriteKeys, RollKeys, DeleteKeys, RevokeBulk, VerifyKeys, SeeReasons, ReadUsage:
		return true
	case WriteCredits, WriteOwners, ReadAudit, ReadSettings, WriteSettings, ReadAccounts, ManageAccounts:
		return false
	default:
		return false
	}
}

// May reports whether somebody of role r may do a.
func (r Role) May(a Action) bool {
	switch a {
	case ReadKeys, ReadUsage:
		return r.Valid()
	case WriteKeys, RollKeys, VerifyKeys, WriteOwners:
		return r == Owner || r == Admin || r == Developer
	case ReadAudit, ReadSettings, ReadAccounts:
		return r == Owner || r == Admin || r == Auditor
	case ImportKeys, DeleteKeys, SeeReasons, Explain, RevokeBulk, WriteCredits, WriteSettings, ManageAccounts:
		return r == Owner || r == Admin
	default:
		return false
	}
}

// Scopes returns the actions that r may do as scopes, for requirements of authn.
func (r Role) Scopes() exchange.Scopes {
	var names []string
	for _, a := range Actions() {
		if r.May(a) {
			names = append(names, string(a))
		}
	}
	return exchange.LiteralScopes(names...)
}
