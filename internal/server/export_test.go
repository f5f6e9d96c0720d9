package server

import (
	"time"

	"github.com/warder-dev/warder/ratelimit"
)

// NearID is [nearID].
func NearID(limit string, subject ratelimit.Digest, per time.Duration, now time.Time) string {
	return nearID(limit, subject, per, now)
}
