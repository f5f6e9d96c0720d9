package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/secret"
)

// documentPatterns are the paths of OpenAPI documents on the admin listener.
func documentPatterns() []string {
	return []string{"GET /v1/openapi/drift", "POST /v1/openapi/{name}/confirm"}
}

// A ConfirmedView is what was confirmed of a document.
type ConfirmedView struct {
	Name string   `json:"name"`
	Less []string `json:"less"` // what it asks for less than before
}

// mountDocuments adds the paths of OpenAPI documents to mux; nothing without a
// token or without documents.
func mountDocuments(mux *http.ServeMux, token secret.Text, g func() *gateway.Gateway) {
	if token.IsZero() || len(g().Documents()) == 0 {
		return
	}
	a := newAdminAnswers(token)
	patterns := documentPatterns()
	mux.Handle(patterns[0], a.guarded(func(*http.Request) (any, error) { return g().Drifts(), nil }))
	mux.Handle(patterns[1], a.guarded(func(r *http.Request) (any, error) {
		name := r.PathValue("name")
		less, err := g().ConfirmDocument(name)
		if errors.Is(err, gateway.ErrNoDocument) {
			return nil, fmt.Errorf("the document: %w", errNoSuch)
		}
		return ConfirmedView{name, less}, err
	}))
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
