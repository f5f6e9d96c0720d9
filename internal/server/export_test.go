package server

import (
	"context"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/ratelimit"
)

// NearID is [nearID].
func NearID(limit string, subject ratelimit.Digest, per time.Duration, now time.Time) string {
	return nearID(limit, subject, per, now)
}

// Vouches is [vouches].
func Vouches(accounts account.Store) func(context.Context, *portallink.Pass) (bool, error) {
	return vouches(accounts)
}
