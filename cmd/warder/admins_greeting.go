package main

import (
	"context"
	"slices"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/internal/config"
)

// greetAdmins tells how the first owner is made, while there is none.
func greetAdmins(ctx context.Context, cfg *config.Config, at running, say func(format string, args ...any)) {
	const most = 1000 // of more than that, one is an owner
	all, err := at.store.db.Accounts().List(ctx, "", most)
	if at.admin == "" || err != nil || len(all) == most || slices.ContainsFunc(all, func(a account.Account) bool { return a.Standing() }) {
		return
	}
	flags := storeFlags(cfg)
	say("nobody administers yet; this makes the first owner: %s admins setup%s --output secret | %s admins accept%s", programName(), flags, programName(), flags)
}
