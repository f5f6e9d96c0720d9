package server

import (
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/internal/keyservice"
)

// Drift implements keyservice.Running.
func (a *running) Drift() []keyservice.DocumentDrift {
	all := []keyservice.DocumentDrift{}
	for _, d := range a.gateway().Drifts() {
		v := keyservice.DocumentDrift{
			Name: d.Name, Operations: d.Operations, Since: d.Since, Problem: d.Problem, Held: d.Held, Warnings: d.Warnings,
			NeverSeen: d.NeverSeen, Invalid: counted(d.Invalid), Undeclared: counted(d.Undeclared), UndeclaredOther: d.UndeclaredOther,
		}
		for _, c := range d.Changed {
			v.Changed = append(v.Changed, keyservice.DocumentChange(c))
		}
		all = append(all, v)
	}
	return all
}

func counted(some []gateway.Counted) []keyservice.DocumentCounts {
	all := []keyservice.DocumentCounts{}
	for _, c := range some {
		all = append(all, keyservice.DocumentCounts(c))
	}
	return all
}

// Confirm implements keyservice.Running.
func (a *running) Confirm(document string, note func(keyservice.Operated) error) ([]string, error) {
	var noted error
	less, err := a.gateway().ConfirmDocument(document, func(less []string) error {
		noted = note(keyservice.Operated{Less: less})
		return noted
	})
	switch {
	case err == nil, noted != nil:
		return less, noted
	case errors.Is(err, gateway.ErrNoDocument):
		return nil, keyservice.ErrNoDocument
	case errors.Is(err, gateway.ErrNotHeld):
		return nil, keyservice.ErrNotHeld
	default:
		a.log.Error("a document that was confirmed cannot be served", slog.String("document", document), slog.Any("error", err))
		return nil, keyservice.ErrNotServed
	}
}

// documentCounts tells how it is with documents. The labels are names of the
// configuration.
type documentCounts struct{ gateway func() *gateway.Gateway }

func (documentCounts) requests() *prometheus.Desc {
	return prometheus.NewDesc("warder_openapi_requests_total",
		"Requests by OpenAPI document: declared, undeclared, or invalid, which were refused or would have been.", []string{"document", "what"}, nil)
}

func (documentCounts) problems() *prometheus.Desc {
	return prometheus.NewDesc("warder_openapi_document_problems",
		"1 while a document could not be read again (failing), or asks for less and waits to be confirmed (held).", []string{"document", "what"}, nil)
}

// Describe is of [prometheus.Collector].
func (c documentCounts) Describe(to chan<- *prometheus.Desc) {
	to <- c.requests()
	to <- c.problems()
}

// Collect is of [prometheus.Collector].
func (c documentCounts) Collect(to chan<- prometheus.Metric) {
	for _, d := range c.gateway().DocumentCounts() {
		for what, n := range map[string]uint64{"declared": d.Seen, "undeclared": d.Undeclared, "invalid": d.Invalid} {
			to <- prometheus.MustNewConstMetric(c.requests(), prometheus.CounterValue, float64(n), d.Name, what)
		}
		for what, is := range map[string]bool{"failing": d.Failing, "held": d.Held} {
			n := 0.0
			if is {
				n = 1
			}
			to <- prometheus.MustNewConstMetric(c.problems(), prometheus.GaugeValue, n, d.Name, what)
		}
	}
}

// watchDocuments tells of documents, where there are any.
func (p *program) watchDocuments() error {
	if len(p.gateway.Load().Documents()) == 0 {
		return nil
	}
	return p.metrics.register(documentCounts{p.gateway.Load})
}

// documentProblems counts the documents that are not served as they were read last.
func (p *program) documentProblems() (n int) {
	for _, d := range p.gateway.Load().DocumentCounts() {
		if d.Failing || d.Held {
			n++
		}
	}
	return n
}
