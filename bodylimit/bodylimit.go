// Package bodylimit bounds the request body: 413 at once when the declared
// length is over the limit, and at the limit for a body without one.
package bodylimit

import (
	"fmt"
	"net/http"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Config configures a [Stage]. The zero value is invalid.
type Config struct {
	_   [0]func()
	Max int64 // bytes, at least 1. Required.
}

// A Stage refuses bodies over its limit.
type Stage struct{ max int64 }

// New returns the stage for cfg.
func New(cfg Config) (*Stage, error) {
	if cfg.Max < 1 {
		return nil, fmt.Errorf("bodylimit: Max is %d bytes, want at least 1", cfg.Max)
	}
	return &Stage{max: cfg.Max}, nil
}

// Check refuses a declared length over the limit (RFC 9110, section 15.5.14) and
// sets [exchange.Exchange.BodyLimit] for all others, so that reading beyond it
// fails with *[http.MaxBytesError].
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	if x.Request.ContentLength > s.max {
		return exchange.Refuse(TooLarge(), "")
	}
	x.BodyLimit = s.max
	return exchange.Pass()
}

// Wrap is Check as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// TooLarge is the problem of a body over its limit, for fronts that meet the
// limit while they read.
func TooLarge() *problem.Problem {
	return problem.New(problem.BodyTooLarge, "Send a shorter body.")
}
