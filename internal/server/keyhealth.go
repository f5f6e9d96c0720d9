package server

import (
	"slices"

	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/usage/tally"
)

// keyHealth is what judges the health of keys, for the API and the page: scopes by
// which plans go need not be needed by a route. nil where nothing counts their use.
func (p *program) keyHealth() (keyservice.Uses, tally.HealthConfig) {
	plans := p.options.Config.PlanScopes()
	rules := tally.HealthConfig{Ignore: func(scope string) bool { return slices.Contains(plans, scope) }}
	if p.options.Usage == nil || p.options.Config.Usage.Off {
		return nil, rules
	}
	return p.options.Usage, rules
}
