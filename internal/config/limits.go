package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A RateLimit bounds what each of its subjects may send: count requests per
// time, or concurrent ones at once.
type RateLimit struct {
	// Count is how many requests of a subject pass in each per, 1 to 1,000,000,000. Required unless concurrent is given.
	Count int `yaml:"count" min:"0" max:"1000000000"`
	// Per is the time in which count requests pass, 1ms to 366d. There are no windows: room comes back evenly. Required with count.
	Per time.Duration `yaml:"per" min:"0s" max:"366d"`
	// Burst is how many of them may come at once, 1 to 1,000,000,000; it refills within ten years. Default: count.
	Burst int `yaml:"burst" min:"0" max:"1000000000"`
	// Concurrent is how many requests of a subject may be under way at once, 1 to 1,000,000, instead of count and per. Default: no bound.
	Concurrent int `yaml:"concurrent" min:"0" max:"1000000"`
	// By lists what tells subjects apart, each combination counted on its own: address (of IPv6 the first 64 bits), key, owner, session, principal, route, header:NAME, claim:NAME (claim:outer.inner for one within another), or cel:EXPRESSION with a text as its value. With address and otherwise only route and header, it counts before anybody is asked for a credential; else after every other check. Required, at most 8.
	By []string `yaml:"by" jsonschema:"required"`
	// Cost is what one request counts, 1 to burst. Default 1.
	Cost int `yaml:"cost" default:"1" min:"1" max:"1000000000"`
	// CostHeader is a field of the upstream's answer that says what the request came to in the end, such as the tokens of a model; clients do not get it. What is above burst counts as burst. Default: none.
	CostHeader string `yaml:"cost_header"`
	// SkipMissing leaves requests alone that lack something of by. By default they share one subject, so that nobody escapes by leaving something out. Default false.
	SkipMissing bool `yaml:"skip_missing" default:"false"`
	// Capacity is how many subjects are remembered, at up to 100 bytes each, 1 to 16,777,216. When it is reached, who is over the limit stays so. Default 100000.
	Capacity int `yaml:"capacity" default:"100000" min:"1" max:"16777216"`
	// Shadow counts and logs what would be refused, and lets it pass. Default false.
	Shadow bool `yaml:"shadow" default:"false"`
	// Soft tells the upstream in X-Warder-Limit-Near, and webhooks in limit.near, once four fifths of the burst are spent. Default false.
	Soft bool `yaml:"soft" default:"false"`
	// Store is where the limit counts: in memory, each node for itself; in redis, exactly, asked for each request; or leased, of which each node takes some ahead, so that nodes admit at most lease each more than the limit says. Default memory.
	Store string `yaml:"store" default:"memory" enum:"memory|redis|leased"`
	// Lease is how much a node takes ahead for a subject, 1 to burst. Only with leased. Default: a hundredth of burst, 1 at least.
	Lease int `yaml:"lease" min:"0" max:"1000000000"`
	// OnStoreFailure is what becomes of requests while the store gives no answer: share divides the limit by the nodes last seen, closed answers 503, insecure_open lets pass. Whoever was over the limit when the store was last asked is refused until that has passed, whatever this says. It costs, insecure_open: whoever can slow the store down has no limit. Default share.
	OnStoreFailure string `yaml:"on_store_failure" default:"share" enum:"share|closed|insecure_open"`
	// Plans are other quotas for some subjects: the first that fits counts. Not with concurrent, or where by is known before authentication. At most 16.
	Plans []RatePlan `yaml:"plans"`
}

// A RatePlan is a quota for those whom it fits: all that it names must hold.
type RatePlan struct {
	// Name is the plan's: lower case letters, digits and "-". Required.
	Name string `yaml:"name" jsonschema:"required"`
	// Count is as in the limit. Required.
	Count int `yaml:"count" jsonschema:"required" min:"0" max:"1000000000"`
	// Per is as in the limit. Default: that of the limit.
	Per time.Duration `yaml:"per" min:"0s" max:"366d"`
	// Burst is as in the limit. Default: count.
	Burst int `yaml:"burst" min:"0" max:"1000000000"`
	// Keys lists ids of keys. Default: all.
	Keys []string `yaml:"keys"`
	// Plans lists plans of keys, as their records name them, such as gold. Default: all.
	Plans []string `yaml:"plans"`
	// Owners lists owners. Default: all.
	Owners []string `yaml:"owners"`
	// Environments lists environments of keys, such as live. Default: all.
	Environments []string `yaml:"environments"`
	// Scope is one that the credential was granted by this very name, such as plan:gold. Default: any.
	Scope string `yaml:"scope"`
	// Claim is a claim of the token that must have value. Default: any.
	Claim string `yaml:"claim"`
	// Value is what the claim must have, as text. Required with claim, only then.
	Value string `yaml:"value"`
}

// A RateLimitBypass lists whom no limit of rate_limits counts.
type RateLimitBypass struct {
	// Addresses lists client addresses and networks such as 10.0.0.0/8. Default: none.
	Addresses []string `yaml:"addresses"`
	// Keys lists ids of keys; limits that count before authentication do not know them. Default: none.
	Keys []string `yaml:"keys"`
}

// BruteForce says how those are slowed down who send wrong credentials: by
// address, and by address and key. It is on.
type BruteForce struct {
	// Failures is how many wrong credentials of one address cost nothing, 1 to 1,000,000. Default 30.
	Failures int `yaml:"failures" default:"30" min:"1" max:"1000000"`
	// KeyFailures is how many of one address for one key cost nothing, 1 to 1,000,000. Default 10.
	KeyFailures int `yaml:"key_failures" default:"10" min:"1" max:"1000000"`
	// Delay is what the first one beyond has to wait, 1ms to 1h; each further one waits twice as long. Default 1s.
	Delay time.Duration `yaml:"delay" default:"1s" min:"1ms" max:"1h"`
	// LongestDelay is the longest of these, delay to 1d. Default 5m.
	LongestDelay time.Duration `yaml:"longest_delay" default:"5m" min:"1ms" max:"1d"`
	// Forget is the time without a failure after which all are forgotten, longest_delay to 7d. Default 1h.
	Forget time.Duration `yaml:"forget" default:"1h" min:"1s" max:"7d"`
	// Capacity is how many addresses and keys are remembered, at up to 100 bytes each, 16 to 16,777,216. Default 100000.
	Capacity int `yaml:"capacity" default:"100000" min:"16" max:"16777216"`
	// Shadow counts and logs what would have to wait, and lets it pass. Default false.
	Shadow bool `yaml:"shadow" default:"false"`
	// InsecureOff turns it off. It costs: whoever wants to may guess, as fast as the limits on addresses allow. Default false.
	InsecureOff bool `yaml:"insecure_off" default:"false"`
}

// The words of [Config.RateLimitFields].
const (
	FieldsStandard = "standard"
	FieldsLegacy   = "legacy"
	FieldsBoth     = "both"
)

// A By is one entry of [RateLimit.By].
type By struct {
	Kind string   // the word before the colon, or all of it
	Name string   // what follows it
	Path []string // the name of a claim, in parts
}

const (
	maxBy       = 8
	maxPerRoute = 8
	maxLimits   = 256
	maxPlans    = 16
	maxRefill   = 10 * 366 * 24 * time.Hour
	maxNameOf   = 40 // bytes of the name of a limit or a plan
)

// ParseBy reads an entry of [RateLimit.By]. In the name of a claim "." divides
// and "\." is a dot.
func ParseBy(text string) (By, bool) {
	kind, name, named := strings.Cut(text, ":")
	b := By{Kind: kind, Name: name}
	switch kind {
	case "address", "key", "owner", "session", "principal", "route":
		return b, !named
	case "header":
		return b, validToken(name)
	case "cel":
		return b, strings.TrimSpace(name) != ""
	case "claim":
		const dot = "\x00"
		for part := range strings.SplitSeq(strings.ReplaceAll(name, `\.`, dot), ".") {
			b.Path = append(b.Path, strings.ReplaceAll(part, dot, "."))
		}
		return b, !slices.Contains(b.Path, "")
	default:
		return By{}, false
	}
}

// Early reports whether the limit counts requests before anybody is asked for a
// credential.
func (r *RateLimit) Early() bool {
	early := false
	for _, text := range r.By {
		switch b, _ := ParseBy(text); b.Kind {
		case "address":
			early = true
		case "route", "header":
		default:
			return false
		}
	}
	return early && r.Concurrent == 0
}

// OfPrincipal reports whether subjects are told apart by who they are.
func (r *RateLimit) OfPrincipal() bool {
	return slices.ContainsFunc(r.By, func(text string) bool {
		b, _ := ParseBy(text)
		return !slices.Contains([]string{"address", "route", "header"}, b.Kind)
	})
}

// RouteLimits returns the names of the limits that hold for requests of r: those
// for all, unless the route says off, and its own. A route that asks for no
// credential is not counted by limits for all that tell principals apart.
func (c *Config) RouteLimits(r *Route) []string {
	var names []string
	if !slices.Contains(r.RateLimits, Off) {
		for _, name := range c.DefaultRateLimits {
			if limit := c.RateLimits[name]; !r.Public || !limit.OfPrincipal() {
				names = append(names, name)
			}
		}
	}
	for _, name := range r.RateLimits {
		if name != Off && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (l *loader) checkRateLimits() {
	c := l.config
	if len(c.RateLimits) > maxLimits {
		l.reject("rate_limits", fmt.Sprintf("are %d, want at most %d", len(c.RateLimits), maxLimits), "")
		return
	}
	for _, name := range sortedKeys(c.RateLimits) {
		limit := c.RateLimits[name]
		l.checkRateLimit("rate_limits."+name, &limit)
	}
	l.checkLimitNames("default_rate_limits", c.DefaultRateLimits, false)
	l.checkTogether("default_rate_limits", c.DefaultRateLimits)
	l.checkRedis()
	l.eachWord("rate_limit_bypass.addresses", c.RateLimitBypass.Addresses, validNetwork, "is neither an address nor a network", "write it like 10.0.0.0/8")
	l.checkWords("rate_limit_bypass.keys", c.RateLimitBypass.Keys)
	b := &c.BruteForce
	if b.LongestDelay < b.Delay && !l.failed("brute_force.longest_delay") && !l.failed("brute_force.delay") {
		l.reject("brute_force.longest_delay", "is less than brute_force.delay", "")
	}
	if b.Forget < b.LongestDelay && !l.failed("brute_force.forget") && !l.failed("brute_force.longest_delay") {
		l.reject("brute_force.forget", "is less than brute_force.longest_delay", "")
	}
}

func (l *loader) checkRateLimit(field string, r *RateLimit) {
	if l.failed(field) {
		return
	}
	rate := r.Count != 0 || r.Per != 0
	switch {
	case l.failed(field+".count") || l.failed(field+".per") || l.failed(field+".concurrent"):
	case r.Concurrent != 0 && (rate || r.Burst != 0 || r.Cost != 1 || r.CostHeader != "" || r.Soft || len(r.Plans) > 0):
		l.reject(field+".concurrent", "is given together with what concerns requests per time", "make a limit for each")
	case r.Concurrent != 0:
	case r.Count == 0 || r.Per == 0:
		l.reject(field, "does not say how much", "give count and per, such as count: 600 and per: 1m, or concurrent")
	default:
		l.checkQuota(field, r.Count, r.Per, r.Burst, r.Cost)
	}
	l.checkBy(field+".by", r.By)
	if r.CostHeader != "" && (!validToken(r.CostHeader) || reservedHeader(r.CostHeader)) && !l.failed(field+".cost_header") {
		l.reject(field+".cost_header", l.show(field+".cost_header")+" is not a field that can tell a cost", "use a name such as X-Cost")
	}
	l.checkPlans(field+".plans", r)
	l.checkStoreOf(field, r)
}

// checkQuota wants a burst that refills in time, and one that has room for a
// request.
func (l *loader) checkQuota(field string, count int, per time.Duration, burst, cost int) {
	burst = burstOf(count, burst)
	if per != 0 && per < time.Millisecond && !l.failed(field+".per") {
		l.reject(field+".per", "is less than 1ms", "")
	}
	if float64(burst)*float64(per)/math.Max(1, float64(count)) > float64(maxRefill) {
		l.reject(field, "takes more than ten years to refill its burst", "")
	}
	if cost > burst && !l.failed(field+".cost") {
		l.reject(field+".cost", "is more than the burst: no request would ever pass", "")
	}
}

func (l *loader) checkBy(field string, by []string) {
	switch {
	case l.failed(field):
		return
	case len(by) == 0:
		l.reject(strings.TrimSuffix(field, ".by"), "has no by", "say whom it counts: [address], [key], [owner]")
	case len(by) > maxBy:
		l.reject(field, fmt.Sprintf("has %d entries, want at most %d", len(by), maxBy), "")
	}
	seen := map[string]bool{}
	for i, text := range by {
		entry := fmt.Sprintf("%s[%d]", field, i)
		switch b, ok := ParseBy(text); {
		case l.failed(entry):
		case !ok:
			l.reject(entry, l.show(entry)+" does not tell subjects apart", "write address, key, owner, session, principal, route, header:NAME, claim:NAME or cel:EXPRESSION")
		case seen[text]:
			l.reject(entry, "is in the list twice", "")
		case b.Kind == "cel":
			l.checkExpression(entry, b.Name, true)
		}
		seen[text] = true
	}
}

func (l *loader) checkPlans(field string, r *RateLimit) {
	if len(r.Plans) == 0 || l.failed(field) {
		return
	}
	if len(r.Plans) > maxPlans {
		l.reject(field, fmt.Sprintf("are %d, want at most %d", len(r.Plans), maxPlans), "")
		return
	}
	if r.Early() {
		l.reject(field, "are for who is known, and this limit counts before anybody is asked", "add key or owner to by")
	}
	seen := map[string]bool{}
	for i := range r.Plans {
		p, at := &r.Plans[i], fmt.Sprintf("%s[%d]", field, i)
		if p.Per == 0 {
			p.Per = r.Per
		}
		switch {
		case l.failed(at) || l.failed(at+".name"):
		case !validName(p.Name) || len(p.Name) > maxNameOf:
			l.reject(at, "has no name that fits", fmt.Sprintf("use up to %d lower case letters, digits, - and _", maxNameOf))
		case seen[p.Name]:
			l.reject(at+".name", "is that of an earlier plan", "")
		}
		seen[p.Name] = true
		if p.Count == 0 && !l.failed(at+".count") && !l.failed(at) {
			l.reject(at, "has no count", "")
		} else {
			l.checkQuota(at, p.Count, p.Per, p.Burst, r.Cost)
		}
		l.checkWhose(at, p)
	}
}

func (l *loader) checkWhose(field string, p *RatePlan) {
	l.checkWords(field+".keys", p.Keys)
	l.checkWords(field+".plans", p.Plans)
	l.checkWords(field+".owners", p.Owners)
	l.checkWords(field+".environments", p.Environments)
	if (p.Claim == "") != (p.Value == "") && !l.failed(field) {
		l.reject(field, "has one of claim and value", "give both")
	}
	if len(p.Keys)+len(p.Plans)+len(p.Owners)+len(p.Environments) == 0 && p.Scope == "" && p.Claim == "" && !l.failed(field) {
		l.reject(field, "fits everybody", "name keys, plans of keys, owners, environments, a scope or a claim")
	}
}

// checkLimitNames wants names of limits; off where it means something.
func (l *loader) checkLimitNames(field string, names []string, off bool) {
	seen := map[string]bool{}
	for i, name := range names {
		entry := fmt.Sprintf("%s[%d]", field, i)
		_, known := l.config.RateLimits[name]
		switch {
		case l.failed(entry):
		case !known && (name != Off || !off):
			l.reject(entry, "no limit is called "+l.show(entry), didYouMean(name, sortedKeys(l.config.RateLimits)))
		case seen[name]:
			l.reject(entry, "is in the list twice", "")
		}
		seen[name] = true
	}
}

// checkRouteLimits checks which limits a route has, and what its requests cost.
func (l *loader) checkRouteLimits(field string, r *Route) {
	l.checkLimitNames(field+".rate_limits", r.RateLimits, true)
	names, concurrent := l.config.RouteLimits(r), 0
	if len(names) > maxPerRoute {
		l.reject(field, fmt.Sprintf("has %d limits, want at most %d", len(names), maxPerRoute), "")
	}
	for _, name := range names {
		limit, ok := l.config.RateLimits[name]
		if !ok {
			continue
		}
		if limit.Concurrent > 0 {
			concurrent++
		}
		if r.Public && limit.OfPrincipal() {
			l.reject(field+".rate_limits", "names "+name+", which counts by who is known: nobody is known on a public route", "take a limit by address")
		}
		for _, burst := range limit.bursts() {
			if r.Cost > burst && limit.Concurrent == 0 {
				l.reject(field+".cost", "is more than the burst of "+name+": no request would ever pass", "")
				break
			}
		}
	}
	if len(r.RateLimits) > 0 { // else it is told of the default ones
		l.checkTogether(field, names)
	}
	if concurrent > 1 {
		l.reject(field, "has several limits with concurrent", "keep one of them")
	}
}

// bursts are those of the limit and its plans.
func (r *RateLimit) bursts() []int {
	all := []int{burstOf(r.Count, r.Burst)}
	for _, p := range r.Plans {
		all = append(all, burstOf(p.Count, p.Burst))
	}
	return all
}

func burstOf(count, burst int) int {
	if burst == 0 {
		return count
	}
	return burst
}
