package config

import (
	"fmt"
	"net/http"
	"time"
)

// Credits say what requests cost, and whose credits they spend.
type Credits struct {
	// Cost is how many credits a request costs on routes that do not say otherwise, 0 to 1,000,000. HEAD, OPTIONS and public routes cost nothing. Default 0.
	Cost int `yaml:"cost" default:"0" min:"0" max:"1000000"`
	// By is whose credits are spent: each key's, or each owner's. Default key.
	By string `yaml:"by" default:"key" enum:"key|owner"`
	// Unmetered lets pass, for nothing, whoever has no account of credits; otherwise they are refused. Default false.
	Unmetered bool `yaml:"unmetered" default:"false"`
	// RefundFailed gives back what a request cost when it was answered with a status of 500 or above. Default false.
	RefundFailed bool `yaml:"refund_failed" default:"false"`
	// CostHeader is a response field by which upstreams say what a request really cost, 0 to its cost. Clients do not see it. Default: none.
	CostHeader string `yaml:"cost_header"`
	// CrashFavoursCustomer gives back what a gateway that ends without a word had reserved, though a part of it may have been spent; otherwise it is lost to the customer. Default false.
	CrashFavoursCustomer bool `yaml:"crash_favours_customer" default:"false"`
	// MinReserve is how many credits of an account are reserved at a time to begin with, 1 to 1,000,000. Default 10.
	MinReserve int `yaml:"min_reserve" default:"10" min:"1" max:"1000000"`
	// MaxReserve is how many they become for busy accounts, min_reserve to 1,000,000. A crash costs at most so many for each account. Default 1000.
	MaxReserve int `yaml:"max_reserve" default:"1000" min:"1" max:"1000000"`
	// Term is for how long reservations hold while the database is away, 5s to 1h. Default 1m.
	Term time.Duration `yaml:"term" default:"1m" min:"5s" max:"1h"`
}

// RouteCredits say what requests of one route cost.
type RouteCredits struct {
	// Cost is how many credits a request costs, 1 to 1,000,000. Default: that of credits.
	Cost int `yaml:"cost" min:"1" max:"1000000"`
	// Free says that requests of the route cost nothing. Not together with cost. Default false.
	Free bool `yaml:"free" default:"false"`
}

// RouteCost is how many credits a request of r costs; 0 for none.
func (c *Config) RouteCost(r *Route) int {
	switch {
	case r.Public, r.Credits != nil && r.Credits.Free:
		return 0
	case r.Credits != nil && r.Credits.Cost > 0:
		return r.Credits.Cost
	default:
		return c.Credits.Cost
	}
}

func (l *loader) checkCredits() {
	c := &l.config.Credits
	if !l.failed("credits.min_reserve") && !l.failed("credits.max_reserve") && c.MinReserve > c.MaxReserve {
		l.reject("credits.min_reserve", "is more than credits.max_reserve", "")
	}
	switch {
	case c.CostHeader == "" || l.failed("credits.cost_header"):
	case !validToken(c.CostHeader):
		l.reject("credits.cost_header", l.show("credits.cost_header")+" is not the name of a header field", "")
	case reservedHeader(c.CostHeader) || http.CanonicalHeaderKey(c.CostHeader) == "X-Credits-Remaining":
		l.reject("credits.cost_header", l.show("credits.cost_header")+" has another meaning", "use a name such as X-Request-Cost")
	}
	for i := range l.config.Routes {
		l.checkRouteCredits(fmt.Sprintf("routes[%d].credits", i), &l.config.Routes[i])
	}
}

func (l *loader) checkRouteCredits(field string, r *Route) {
	switch {
	case r.Credits == nil || l.failed(field):
	case r.Credits.Free && r.Credits.Cost > 0:
		l.reject(field, "has a cost and is free", "take one of them away")
	case r.Public && r.Credits.Cost > 0:
		l.reject(field, "has a cost on a public route, where nobody is known to pay it", "take public away, or the cost")
	case !r.Credits.Free && r.Credits.Cost == 0 && !l.failed(field+".cost"):
		l.reject(field, "says nothing", "give it a cost, or free: true")
	}
}
