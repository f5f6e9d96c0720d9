package server

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/internal/outgoing"
	"github.com/warder-dev/warder/internal/tracing"
)

// What the fronts are called in traces.
const (
	frontGateway  = "gateway"
	frontDecision = "decision"
	frontVerify   = "verify"
)

// verifyPath is where the admin API is asked about keys.
const verifyPath = "/v1/keys:verify"

// startTracing begins to trace, when the configuration names a collector.
func (p *program) startTracing() error {
	t := &p.options.Config.Tracing
	if !t.On() {
		return nil
	}
	var pool *x509.CertPool
	if t.CAFile != "" {
		text, err := os.ReadFile(t.CAFile)
		pool = x509.NewCertPool()
		if err == nil && !pool.AppendCertsFromPEM(text) {
			err = errors.New("it holds no certificate in PEM form")
		}
		if err != nil {
			return fmt.Errorf("tracing.ca_file: %w", err)
		}
	}
	// The configuration lets plain http be only where nobody else is on the way.
	client, err := outgoing.New(outgoing.Config{Timeout: t.Timeout, RootCAs: pool, MaxConnections: 1, InsecureHTTP: true})
	if err != nil {
		return err
	}
	networks, unix := t.Trusted()
	p.tracer, err = tracing.New(tracing.Config{
		Endpoint: t.Endpoint, Headers: t.Headers, Client: client, Timeout: t.Timeout, Ratio: t.SampleRatio.Float(), IgnoreParent: !t.ParentBased,
		Trusted: networks, TrustUnixSocket: unix, Path: accesslog.PathMode(p.options.Config.Log.Path),
		Service: t.ServiceName, Version: p.options.Version, Log: p.options.Log,
	})
	return err
}

// traceGateway is the gateway's stage; nil when nothing is traced.
func (p *program) traceGateway() exchange.Stage {
	if p.tracer == nil {
		return nil
	}
	return p.tracer.Stage(frontGateway)
}

// traceVerify is the stage of the admin listener, for what verifies keys alone; nil
// when nothing is traced.
func (p *program) traceVerify() exchange.Stage {
	if p.tracer == nil {
		return nil
	}
	return p.tracer.Stage(frontVerify).Only(func(x *exchange.Exchange) bool { return x.Request.URL.Path == verifyPath })
}

// traceAsked has the stack of g trace what a front is asked about.
func (p *program) traceAsked(s *warder.Stack, front string) *warder.Stack {
	if p.tracer != nil {
		s.Edge.Tracing = p.tracer.Asked(front)
	}
	return s
}

// decides is the Stack of g for the front where proxies ask.
func (p *program) decides(g *gateway.Gateway) *warder.Stack {
	return p.traceAsked(p.decider(g), frontDecision)
}

// hearTrace lets a front know whose question it is.
func (p *program) hearTrace(h http.Handler) http.Handler {
	if p.tracer == nil {
		return h
	}
	return p.tracer.Hear(h)
}

// watchTracing adds the figures of spans.
func (p *program) watchTracing() error {
	if p.tracer == nil {
		return nil
	}
	return errors.Join(
		p.metrics.Watch("warder_trace_spans_sent_total", "Spans that the collector has taken.",
			func() float64 { return float64(p.tracer.Counts().Sent) }),
		p.metrics.Watch("warder_trace_spans_dropped_total", "Spans that were lost: there was no room for more, or the collector did not take them.",
			func() float64 { return float64(p.tracer.Counts().Dropped) }),
		p.metrics.Watch("warder_trace_posts_failed_total", "Posts of spans that failed, those that were repeated included.",
			func() float64 { return float64(p.tracer.Counts().Failed) }),
	)
}
