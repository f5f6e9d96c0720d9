package gateway

import (
	"errors"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/ratelimit"
)

// NewDescriptorLimit makes a limit of rate_limit_domains, which tells its subjects
// apart by one part. store is nil when nodes share no limit, and before when there
// was none of the name: see [ratelimit.LimitConfig].
func NewDescriptorLimit(name string, settings *config.RateLimit, by ratelimit.Part, store ratelimit.Store, before *ratelimit.Limit) (*ratelimit.Limit, error) {
	cfg := ratelimit.LimitConfig{
		Name: name, Quota: ratelimit.Quota{Count: settings.Count, Per: settings.Per, Burst: settings.Burst}, By: []ratelimit.Part{by},
		Capacity: settings.Capacity, Shadow: settings.Shadow, Previous: before,
	}
	if settings.Shared() {
		if store == nil {
			return nil, errors.New("it is shared by nodes, and there is no store")
		}
		cfg.Store, cfg.Lease, cfg.Outage = store, settings.LeaseUnits(), outageOf(settings.OnStoreFailure)
	}
	return ratelimit.NewLimit(cfg)
}
