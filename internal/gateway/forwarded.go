package gateway

import (
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/config"
)

// Forwarded makes the stage of the configured trust model, for a listener that is none
// of the gateway's and stands behind the same proxies.
func Forwarded(f *config.Forwarded) (*forwarded.Stage, error) { return newForwarded(f) }
