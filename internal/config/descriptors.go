package config

import (
	"fmt"
	"time"
)

// A RateLimitDomain is one of those that Envoy's rate limit filters name: which
// descriptors are counted by which limit.
type RateLimitDomain struct {
	// Domain is its name, as the filter has it; up to 128 characters. Required.
	Domain string `yaml:"domain" jsonschema:"required"`
	// Descriptors are those that are counted. Required.
	Descriptors []Descriptor `yaml:"descriptors" jsonschema:"required"`
}

// A Descriptor fits an entry of what Envoy sends, and those below it the entries
// behind that. Whoever is counted fits to its last entry; the others pass.
type Descriptor struct {
	// Key is the key of the entry, up to 128 characters. Required.
	Key string `yaml:"key" jsonschema:"required"`
	// Value is the value of the entry; it goes before a descriptor of the same key without one. Default: any, each counted on its own.
	Value string `yaml:"value"`
	// Limit counts what ends with this entry. Default: nothing does.
	Limit *DescriptorLimit `yaml:"limit"`
	// Descriptors fit the next entry; up to six lie below each other. Default: none.
	Descriptors []Descriptor `yaml:"descriptors"`
}

// A DescriptorLimit bounds what each of its subjects may send. Its fields are
// those of rate_limits, for what Envoy tells subjects apart by.
type DescriptorLimit struct {
	// Name is the limit's, for clients, logs and metrics: up to 40 lower case letters, digits and "-", and no other limit's. Required.
	Name string `yaml:"name" jsonschema:"required"`
	// Count is how many hits of a subject pass in each per, 1 to 1,000,000,000. Required.
	Count int `yaml:"count" jsonschema:"required" min:"0" max:"1000000000"`
	// Per is the time in which count hits pass, 1ms to 366d. There are no windows: room comes back evenly. Required.
	Per time.Duration `yaml:"per" jsonschema:"required" min:"0s" max:"366d"`
	// Burst is how many of them may come at once, 1 to 1,000,000,000; it refills within ten years. Default: count.
	Burst int `yaml:"burst" min:"0" max:"1000000000"`
	// Override lets a descriptor bring another count and per along, in its field limit, in place of these. Default false: what it brings along is ignored.
	Override bool `yaml:"override" default:"false"`
	// Debt counts hits that are spent already, also beyond the limit, by up to one burst, and whatever other limits say: for what Envoy tells on stream done. Default false.
	Debt bool `yaml:"debt" default:"false"`
	// Capacity is how many subjects are remembered, at up to 100 bytes each, 1 to 16,777,216. When it is reached, who is over the limit stays so. Default 100000.
	Capacity int `yaml:"capacity" default:"100000" min:"1" max:"16777216"`
	// Shadow counts and logs what would be refused, and lets it pass. Default false.
	Shadow bool `yaml:"shadow" default:"false"`
	// Store is where the limit counts, as in rate_limits: memory, redis or leased. Default memory.
	Store string `yaml:"store" default:"memory" enum:"memory|redis|leased"`
	// Lease is how much a node takes ahead for a subject, 1 to burst. Only with leased. Default: a hundredth of burst, 1 at least.
	Lease int `yaml:"lease" min:"0" max:"1000000000"`
	// OnStoreFailure is what becomes of requests while the store gives no answer: share divides the limit by the nodes last seen, closed refuses, insecure_open lets pass. Whoever was over the limit when the store was last asked is refused until that has passed, whatever this says. It costs, insecure_open: whoever can slow the store down has no limit. Default share.
	OnStoreFailure string `yaml:"on_store_failure" default:"share" enum:"share|closed|insecure_open"`
}

// Rate is the limit in the words of rate_limits, told apart by what stands for
// Envoy's values.
func (d *DescriptorLimit) Rate() RateLimit {
	return RateLimit{
		Count: d.Count, Per: d.Per, Burst: d.Burst, Cost: 1, Capacity: d.Capacity, Shadow: d.Shadow, Store: d.Store, Lease: d.Lease,
		OnStoreFailure: d.OnStoreFailure, By: []string{"route"},
	}
}

// Bounds of rate_limit_domains. How deep descriptors lie is bounded by the file's
// own bound: six.
const (
	maxDomains        = 64
	maxDescriptors    = 4096 // of all domains
	maxDescriptorText = 128
)

// DescriptorLimits calls see for each limit of the domains, with where it is
// written.
func (c *Config) DescriptorLimits(see func(field string, limit *DescriptorLimit)) {
	for i := range c.RateLimitDomains {
		descriptorLimits(fmt.Sprintf("rate_limit_domains[%d]", i), c.RateLimitDomains[i].Descriptors, see)
	}
}

func descriptorLimits(at string, all []Descriptor, see func(field string, limit *DescriptorLimit)) {
	for i := range all {
		field := fmt.Sprintf("%s.descriptors[%d]", at, i)
		if all[i].Limit != nil {
			see(field+".limit", all[i].Limit)
		}
		descriptorLimits(field, all[i].Descriptors, see)
	}
}

func (l *loader) checkRateLimitDomains() {
	domains := l.config.RateLimitDomains
	if len(domains) == 0 {
		return
	}
	d := &l.config.Decision
	if (!d.On() || d.Dialect != Envoy) && !l.failed("decision.dialect") && !l.failed("rate_limit_domains") {
		l.reject("rate_limit_domains", "has no effect without an Envoy that asks", "set decision.listen and decision.dialect: envoy")
	}
	if len(domains) > maxDomains {
		l.reject("rate_limit_domains", fmt.Sprintf("has %d entries, want at most %d", len(domains), maxDomains), "")
		return
	}
	names, left := map[string]bool{}, maxDescriptors
	for i := range domains {
		field := fmt.Sprintf("rate_limit_domains[%d]", i)
		if l.failed(field) {
			continue
		}
		l.checkDescriptorText(field+".domain", domains[i].Domain, "domain", true)
		if names[domains[i].Domain] {
			l.reject(field+".domain", "is that of an earlier entry", "put its descriptors there")
		}
		names[domains[i].Domain] = true
		if len(domains[i].Descriptors) == 0 && !l.failed(field+".descriptors") {
			l.reject(field, "has no descriptors", "give the keys that Envoy sends, such as - {key: remote_address, limit: {name: address, count: 100, per: 1m}}")
		}
		l.checkDescriptors(field, domains[i].Descriptors, &left)
		l.checkDomainTogether(field, domains[i].Descriptors)
	}
	if left < 0 {
		l.reject("rate_limit_domains", fmt.Sprintf("has more than %d descriptors", maxDescriptors), "")
	}
	l.checkDescriptorLimits()
}

func (l *loader) checkDescriptorText(field, text, what string, required bool) {
	switch {
	case l.failed(field):
	case text == "" && required:
		l.reject(field, "has no "+what, "")
	case len(text) > maxDescriptorText:
		l.reject(field, fmt.Sprintf("is longer than %d characters", maxDescriptorText), "")
	}
}

func (l *loader) checkDescriptors(at string, all []Descriptor, left *int) {
	if *left -= len(all); *left < 0 {
		return
	}
	seen := map[[2]string]bool{}
	for i := range all {
		d, field := &all[i], fmt.Sprintf("%s.descriptors[%d]", at, i)
		if l.failed(field) {
			continue
		}
		l.checkDescriptorText(field+".key", d.Key, "key", true)
		l.checkDescriptorText(field+".value", d.Value, "value", false)
		if seen[[2]string{d.Key, d.Value}] && d.Key != "" {
			l.reject(field, "has the key and value of an earlier one", "")
		}
		seen[[2]string{d.Key, d.Value}] = true
		if d.Limit == nil && len(d.Descriptors) == 0 && !l.failed(field+".limit") && !l.failed(field+".descriptors") {
			l.reject(field, "counts nothing", "give it a limit, or descriptors that have one")
		}
		l.checkDescriptors(field, d.Descriptors, left)
	}
}

// checkDescriptorLimits checks each limit, and that its name is its own.
func (l *loader) checkDescriptorLimits() {
	names, n := map[string]bool{}, len(l.config.RateLimits)
	l.config.DescriptorLimits(func(field string, limit *DescriptorLimit) {
		n++
		if l.failed(field) {
			return
		}
		_, taken := l.config.RateLimits[limit.Name]
		switch {
		case l.failed(field + ".name"):
		case !validName(limit.Name) || len(limit.Name) > maxNameOf:
			l.reject(field, "has no name that fits", fmt.Sprintf("use up to %d lower case letters, digits, - and _", maxNameOf))
		case taken || names[limit.Name]:
			l.reject(field+".name", "is another limit's", "give each a name of its own: metrics and stores know limits by it")
		}
		names[limit.Name] = true
		rate := limit.Rate()
		l.checkRateLimit(field, &rate)
	})
	if n > maxLimits {
		l.reject("rate_limit_domains", fmt.Sprintf("and rate_limits have %d limits, want at most %d", n, maxLimits), "")
	}
}

// checkDomainTogether wants limits that can be counted all or none: a question may
// be about any of a domain at once.
func (l *loader) checkDomainTogether(field string, all []Descriptor) {
	first := map[string]string{}
	descriptorLimits(field, all, func(_ string, limit *DescriptorLimit) {
		if !limit.Shadow && first[limit.Store] == "" {
			first[limit.Store] = limit.Name
		}
	})
	if exact, memory := first[StoreRedis], first[StoreMemory]; exact != "" && memory != "" {
		l.reject(field, fmt.Sprintf("has the limits %s with store: redis and %s with store: memory, which count together", exact, memory), "give both store: redis, or the first store: leased")
	}
}
