package gateway

import (
	"slices"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/internal/config"
)

// roles wants one of roles in the claim that the document's settings name. Keys have
// no claims, and no roles.
func (d *document) roles(roles []string) (*authz.Stage, error) {
	path := d.cfg.RolesClaim
	if len(path) == 0 {
		path = []string{"roles"}
	}
	anyOf := make([]any, len(roles))
	for i, role := range roles {
		anyOf[i] = role
	}
	return authz.New(authz.Config{Rules: []authz.Rule{{Name: "roles", Label: "the token has none of the roles that are needed", Effect: authz.Require, Claims: []authz.Claim{{Path: path, AnyOf: anyOf}}}}})
}

// fewer reports whether somebody has a role of now who has none of before.
func fewer(before, now []string) bool {
	return len(before) > 0 && (len(now) == 0 || slices.ContainsFunc(now, func(role string) bool { return !slices.Contains(before, role) }))
}

// rolesOf are the roles that what stands behind a pattern asks for.
func (g *Gateway) rolesOf(route *config.Route) []string {
	for _, one := range g.documents.all {
		for i := range one.served.operations {
			if o := &one.served.operations[i]; &o.route == route && o.Operation != nil {
				return o.Roles
			}
		}
	}
	return nil
}
