package server

import (
	"log/slog"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/decision/ratelimits"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/requestid"
)

// newShadowLimits makes the limits of cfg that Envoys ask about, to compare which of
// them count a question: they count nothing, and need no store.
func newShadowLimits(cfg *config.Config) (*ratelimits.Service, error) {
	ids, err := requestid.New(requestid.Config{})
	if err != nil {
		return nil, err
	}
	service, err := ratelimits.New(ratelimits.Config{Log: slog.New(slog.DiscardHandler), Identify: ids, Shadowed: func(*exchange.Exchange, string) {}})
	if err != nil {
		return nil, err
	}
	limits, err := makeDescriptors(cfg, nil, func(settings *config.DescriptorLimit) (*ratelimit.Limit, error) {
		rate := settings.Rate()
		rate.Store, rate.Lease = config.StoreMemory, 0
		return gateway.NewDescriptorLimit(settings.Name, &rate, ratelimits.Part(settings.Name), nil, nil)
	})
	if err != nil {
		return nil, err
	}
	return service, service.Replace(limits.ready(cfg))
}

// asked hands an Envoy's question on to be compared. No Envoy waits for it.
func (s *shadow) asked(live *descriptors) func(*exchange.Exchange, ratelimits.Question) {
	if s == nil {
		return nil
	}
	return func(x *exchange.Exchange, question ratelimits.Question) {
		select {
		case s.queue <- shadowed{question: &question, limits: live.service, id: x.ID}:
		default:
			s.differences.drop()
		}
	}
}

// judgeLimits compares which limits count a question: what is left of them is no
// matter of the configuration.
func (s *shadow) judgeLimits(one *shadowed, current *generation) {
	d, same := one.limits.Compare(current.limits, *one.question)
	if same {
		s.differences.agree()
		return
	}
	s.note(one.id, difference{route: d.Route, shadowRoute: d.OtherRoute, live: d.By, shadow: d.Other, what: "limits"})
}
