package warder

import "github.com/warder-dev/warder/exchange"

// EdgeOrder returns the names of the stages that e asks, in order.
func EdgeOrder(e *Edge) []string { return names(e.order()) }

// PolicyOrder returns the names of the stages that p asks, in order.
func PolicyOrder(p *Policy) []string { return names(p.order()) }

func names(links []link) []string {
	var all []string
	for _, l := range links {
		all = append(all, l.name)
	}
	return all
}

// Described reports whether an API says how the stage called name refuses.
func Described(name string) bool {
	_, known := refusalsOf(name)
	return known
}

// AddToEdge puts a stage behind those of s that are present: the house's own
// stages do not tell what they saw.
func AddToEdge(s *Stack, name string, stage exchange.Stage) {
	c := chain(s.compiled())
	c.add(name, true, stage)
	s.links = c
}

// AddToPolicy is AddToEdge for a Policy.
func AddToPolicy(p *Policy, name string, stage exchange.Stage) {
	c := chain(p.compiled())
	c.add(name, true, stage)
	p.links = c
}
