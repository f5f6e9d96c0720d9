package gateway

import (
	"slices"
	"strings"

	"github.com/warder-dev/warder/internal/config"
)

// spreads returns by which entries of by the counters of each shared limit are
// spread over the servers of a cluster: those that all exact limits have in common
// which somewhere count together, since the store is asked for these in one call.
// A limit that is always alone is spread by all that it has.
func spreads(cfg *config.Config) map[string][]string {
	by := make(map[string][]string)
	for name, limit := range cfg.RateLimits {
		if limit.Shared() {
			by[name] = spreadable(limit.By)
		}
	}
	calls := sharedCalls(cfg)
	for changed := true; changed; { // until no call has anything less in common: what is left only shrinks
		changed = false
		for _, names := range calls {
			common := inCommon(by, names)
			for _, name := range names {
				changed = changed || len(by[name]) != len(common)
				by[name] = common
			}
		}
	}
	besideOthers(cfg, by)
	return by
}

// spreadable are the entries of by that say the same in each limit that has them,
// in one order. Two expressions of CEL look alike to the limits.
func spreadable(by []string) []string {
	return slices.DeleteFunc(slices.Sorted(slices.Values(by)), func(entry string) bool {
		parsed, _ := config.ParseBy(entry)
		return parsed.Kind == "cel"
	})
}

func inCommon(by map[string][]string, names []string) []string {
	common := by[names[0]]
	for _, name := range names[1:] {
		common = slices.DeleteFunc(slices.Clone(common), func(entry string) bool { return !slices.Contains(by[name], entry) })
	}
	return common
}

// sharedCalls returns the names of the exact limits that count together, each
// combination once.
func sharedCalls(cfg *config.Config) (calls [][]string) {
	seen := make(map[string]bool)
	eachStage(cfg, func(names []string) {
		together := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return cfg.RateLimits[name].Shadow })
		key := strings.Join(together, "\x00")
		if len(together) > 1 && !seen[key] {
			seen[key] = true
			calls = append(calls, together)
		}
	})
	return calls
}

// besideOthers puts limits in shadow where one lies that they are tried with, if
// they can lie there: the call is then the same.
func besideOthers(cfg *config.Config, by map[string][]string) {
	placed := make(map[string]bool)
	eachStage(cfg, func(names []string) {
		first := slices.IndexFunc(names, func(name string) bool { return !cfg.RateLimits[name].Shadow })
		if first < 0 {
			return
		}
		place := by[names[first]]
		for _, name := range names {
			own := by[name]
			fits := !slices.ContainsFunc(place, func(entry string) bool { return !slices.Contains(own, entry) })
			if cfg.RateLimits[name].Shadow && !placed[name] && fits {
				by[name], placed[name] = place, true
			}
		}
	})
}

// eachStage calls see with the names of the exact limits of each stage that counts.
func eachStage(cfg *config.Config, see func(names []string)) {
	of := func(all []string) {
		for _, stage := range []bool{true, false} {
			var names []string
			for _, name := range all {
				if limit := cfg.RateLimits[name]; limit.Store == config.StoreRedis && limit.Early() == stage {
					names = append(names, name)
				}
			}
			if len(names) > 0 {
				see(names)
			}
		}
	}
	of(cfg.DefaultRateLimits)
	for i := range cfg.Routes {
		of(cfg.RouteLimits(&cfg.Routes[i]))
	}
}
