package login

import "github.com/warder-dev/warder/session"

// Apart is how sessions of administrators are kept in a store.
func Apart(store session.Store) session.Store { return apart{store} }
