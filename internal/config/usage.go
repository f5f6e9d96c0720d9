package config

import "time"

// Usage says how requests are counted by key and route.
type Usage struct {
	// Off counts nothing. Default false.
	Off bool `yaml:"off" default:"false"`
	// Flush is the time between two writes, 1s to 1m: what a crash costs. Default 10s.
	Flush time.Duration `yaml:"flush" default:"10s" min:"1s" max:"1m"`
	// Cells bounds the pairs of key and route that are told apart within a minute, 64 to 1,000,000. The rest is counted as other. Default 10000.
	Cells int `yaml:"cells" default:"10000" min:"64" max:"1000000"`
	// KeepMinutes is for how long counts are kept by the minute, 1h to 31d. Default 2d.
	KeepMinutes time.Duration `yaml:"keep_minutes" default:"2d" min:"1h" max:"31d"`
	// KeepHours is for how long they are kept by the hour, 1h to 366d. Default 60d.
	KeepHours time.Duration `yaml:"keep_hours" default:"60d" min:"1h" max:"366d"`
	// KeepDays is for how long they are kept by the day, and what is known of keys that are not used any more, 1d to 3650d. Default 730d.
	KeepDays time.Duration `yaml:"keep_days" default:"730d" min:"1d" max:"3650d"`
}

// RouteScopes returns the scopes that some credential must have for r, by any
// alternative of its security.
func (c *Config) RouteScopes(r *Route) (scopes []string) {
	if r.Public {
		return nil
	}
	for _, alternative := range c.RouteSecurity(r) {
		for _, needed := range alternative {
			scopes = append(scopes, needed...)
		}
	}
	return scopes
}

// PlanScopes returns the scopes by which plans of limits go, and that no route needs
// to ask for.
func (c *Config) PlanScopes() (scopes []string) {
	for _, limit := range c.RateLimits {
		for _, plan := range limit.Plans {
			if plan.Scope != "" {
				scopes = append(scopes, plan.Scope)
			}
		}
	}
	return scopes
}
