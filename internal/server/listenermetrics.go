package server

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/warder-dev/warder/exchange"
)

// listenerSeries counts the requests that came to one listener.
type listenerSeries struct {
	metrics  *Metrics
	place    string
	requests [outcomes][classes]atomic.Pointer[prometheus.Counter]
}

// newListenerRequests makes the counter whose series At adds.
func newListenerRequests() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "warder_listener_requests_total",
		Help: "Requests by listener, outcome (passed, refused, answered, failed, aborted) and class of the status.",
	}, []string{"listener", "outcome", "status"})
}

// At counts the requests that come to place, which is a setting of the configuration:
// there are as many series as it has listeners.
func (m *Metrics) At(place string) exchange.Finisher {
	return &listenerSeries{metrics: m, place: place}
}

// Done counts what came of x. It allocates nothing once a combination of outcome and
// class is known.
func (s *listenerSeries) Done(x *exchange.Exchange, o exchange.Outcome) {
	if x.Dry {
		return
	}
	outcome, class := outcomeOf(o), classOf(o.Status)
	series := &s.requests[outcome][class]
	c := series.Load()
	if c == nil {
		made := s.metrics.listeners.WithLabelValues(s.place, outcomeName(outcome), className(class))
		c = &made
		series.Store(c) // another goroutine's is the same counter
	}
	(*c).Inc()
}
