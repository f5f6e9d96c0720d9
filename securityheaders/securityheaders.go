// Package securityheaders adds the response fields by which a browser restricts
// what a page, or an answer that is taken for one, may do.
//
// The defaults are for an API, whose answers are data: nothing in them is run,
// framed, embedded elsewhere or guessed to be of another type. What a handler or
// upstream sets itself stays, unless the configuration overrides it; only
// X-Content-Type-Options has one value, always.
package securityheaders

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/warder-dev/warder/exchange"
)

// Config configures a [Stage]. The zero value sends the defaults.
type Config struct {
	_ [0]func()

	// ContentSecurityPolicy says what an answer may load and who may frame it.
	// Default: default-src 'none'; frame-ancestors 'none'.
	ContentSecurityPolicy Field

	// FrameOptions is X-Frame-Options, for browsers that do not know
	// frame-ancestors: DENY, which is the default, or SAMEORIGIN.
	FrameOptions Field

	// ReferrerPolicy says how much of the address goes to other pages. Default:
	// no-referrer.
	ReferrerPolicy Field

	// CrossOriginResourcePolicy says who may embed an answer without asking (CORS is
	// the way of asking): same-origin, which is the default, same-site or
	// cross-origin.
	CrossOriginResourcePolicy Field

	// CrossOriginOpenerPolicy says which windows an answer shares its group with:
	// same-origin, which is the default, same-origin-allow-popups,
	// noopener-allow-popups or unsafe-none.
	CrossOriginOpenerPolicy Field

	// CrossOriginEmbedderPolicy says what an answer may embed: require-corp,
	// credentialless or unsafe-none. Not sent by default.
	CrossOriginEmbedderPolicy Field

	// PermissionsPolicy says which features of the browser an answer may use, such as
	// "camera=(), geolocation=()". Not sent by default.
	PermissionsPolicy Field

	// Remove lists the response fields that do not reach the client, such as Server
	// and X-Powered-By: what the software is helps attackers only. Empty removes none.
	Remove []string
}

// A Field is one response field. The zero value sends the default, if there is
// one, unless the handler sent its own.
type Field struct {
	Value    string // "" for the default
	Override bool   // the handler's own value is replaced

	// InsecureOmit sends no value: browsers then allow what the field would forbid.
	InsecureOmit bool
}

// A Stage writes the fields on every answer, ours included.
type Stage struct {
	fields  []field
	removed []string // canonical
}

// field is a response field as it is sent.
type field struct {
	name     string   // canonical
	values   []string // its capacity is its length: appending to it makes a copy
	override bool
}

// New reports every value that a browser would not understand, at once. Changing
// cfg later has no effect.
func New(cfg Config) (*Stage, error) {
	s := &Stage{fields: []field{{"X-Content-Type-Options", []string{"nosniff"}, true}}}
	var errs []error
	for _, r := range rules(&cfg) {
		value := r.field.Value
		if r.field.InsecureOmit {
			if value != "" || r.field.Override {
				errs = append(errs, fmt.Errorf("securityheaders: %s is both set and omitted", r.name))
			}
			continue
		}
		if value == "" {
			value = r.standard
		}
		if value == "" {
			if r.field.Override {
				errs = append(errs, fmt.Errorf("securityheaders: %s has no value to override with", r.name))
			}
			continue
		}
		if err := r.check(value); err != nil {
			errs = append(errs, fmt.Errorf("securityheaders: %s: %w", r.name, err))
			continue
		}
		s.fields = append(s.fields, field{http.CanonicalHeaderKey(r.name), []string{value}, r.field.Override})
	}
	for _, name := range cfg.Remove {
		if !token(name) {
			errs = append(errs, fmt.Errorf("securityheaders: Remove holds %q, which is no name of a field", name))
			continue
		}
		s.removed = append(s.removed, http.CanonicalHeaderKey(name))
	}
	if err := errors.Join(append(errs, s.contradiction())...); err != nil {
		return nil, err
	}
	return s, nil
}

// contradiction reports a field that is both set and removed.
func (s *Stage) contradiction() error {
	var errs []error
	for _, f := range s.fields {
		for _, name := range s.removed {
			if f.name == name {
				errs = append(errs, fmt.Errorf("securityheaders: Remove holds %s, which the stage sets", name))
			}
		}
	}
	return errors.Join(errs...)
}

// Check passes every request.
func (s *Stage) Check(*exchange.Exchange) exchange.Verdict { return exchange.Pass() }

// Headers writes the fields. It runs behind the handler and the inner stages, so
// that it sees what they set.
func (s *Stage) Headers(_ *exchange.Exchange, h http.Header) {
	for _, name := range s.removed {
		delete(h, name)
	}
	for i := range s.fields {
		f := &s.fields[i]
		if _, set := h[f.name]; !set || f.override {
			h[f.name] = f.values
		}
	}
}

// Wrap writes the fields on the answers of next, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }
