package server

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/ratelimit"
)

// limitReasons are the words by which limits refuse.
func limitReasons(cfg *config.Config) (words []string) {
	for name := range cfg.RateLimits {
		words = append(words, "limit:"+name)
	}
	return append(words, descriptorReasons(cfg)...)
}

// register adds what c tells whenever metrics are read.
func (m *Metrics) register(c prometheus.Collector) error {
	if err := m.registry.Register(c); err != nil {
		return fmt.Errorf("server: metrics: %w", err)
	}
	return nil
}

// limitCounts tells what limits decided. The labels are names of the
// configuration.
type limitCounts struct {
	gateway     func() *gateway.Gateway
	descriptors func() map[string]*ratelimit.Limit
}

func (limitCounts) decisions() *prometheus.Desc {
	return prometheus.NewDesc("warder_rate_limit_decisions_total",
		"What limits decided: passed, refused, or shadowed, which passed and would have been refused.", []string{"limit", "outcome"}, nil)
}

func (limitCounts) subjects() *prometheus.Desc {
	return prometheus.NewDesc("warder_rate_limit_subjects", "Subjects that a limit has in memory; requests under way, for one on these.", []string{"limit"}, nil)
}

// Describe is of [prometheus.Collector].
func (c limitCounts) Describe(to chan<- *prometheus.Desc) {
	to <- c.decisions()
	to <- c.subjects()
}

// Collect is of [prometheus.Collector].
func (c limitCounts) Collect(to chan<- prometheus.Metric) {
	for name, l := range c.gateway().RateLimits() {
		c.tell(to, name, l.Counts(), l.Remembered())
	}
	for name, l := range c.descriptors() {
		c.tell(to, name, l.Counts(), l.Remembered())
	}
	for name, l := range c.gateway().Concurrency() {
		c.tell(to, name, l.Counts(), l.UnderWay())
	}
}

func (c limitCounts) tell(to chan<- prometheus.Metric, name string, n ratelimit.Counts, subjects int) {
	for _, d := range []struct {
		outcome string
		n       uint64
	}{{"passed", n.Passed}, {"refused", n.Refused}, {"shadowed", n.Shadowed}} {
		to <- prometheus.MustNewConstMetric(c.decisions(), prometheus.CounterValue, float64(d.n), name, d.outcome)
	}
	to <- prometheus.MustNewConstMetric(c.subjects(), prometheus.GaugeValue, float64(subjects), name)
}

// watchLimitStore tells whether the store of limits answers.
func (p *program) watchLimitStore() error {
	if p.options.LimitStore == nil {
		return nil
	}
	return p.metrics.Watch("warder_limit_store_up", "1 while the store of limits answers in time, else 0.", func() float64 {
		if p.options.LimitStoreUp() {
			return 1
		}
		return 0
	})
}
