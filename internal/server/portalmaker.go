package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/internal/portallink"
)

// vouches reports, by the store of who administers, whether whoever made a link to the
// portal could make it now: what a key that leaked, or somebody who has left, has handed
// out ends with it. The admin token and the command line have the database anyway.
func vouches(accounts account.Store) func(context.Context, *portallink.Pass) (bool, error) {
	return func(ctx context.Context, pass *portallink.Pass) (bool, error) {
		kind, id, _ := strings.Cut(pass.Maker, ":")
		var role account.Role
		var owner string
		var holds bool
		var err error
		switch {
		case kind != "admin-key" && kind != "account":
			return true, nil
		case accounts == nil:
			return false, errors.New("server: who made a link to the portal cannot be looked up")
		case kind == "account":
			var person account.Account
			person, err = accounts.Lookup(ctx, account.ID(id))
			role, holds = person.Role, person.State() == account.Active
		default:
			var key account.Key
			key, err = accounts.LookupKey(ctx, id)
			role, owner, holds = key.Role, key.Owner, key.State(time.Now()) == "active"
		}
		if errors.Is(err, account.ErrNotFound) {
			return false, nil
		}
		return holds && mayGrant(role, owner, pass), err
	}
}

// mayGrant reports whether somebody of a role, bound to owner or not, may make the
// link.
func mayGrant(role account.Role, owner string, pass *portallink.Pass) bool {
	may := func(a account.Action) bool { return role.May(a) && (owner == "" || a.OfOwner()) }
	return may(account.WriteKeys) && (owner == "" || owner == pass.Owner) &&
		(!pass.Grant.Roll || may(account.RollKeys)) && (!pass.Grant.Usage || may(account.ReadUsage))
}
