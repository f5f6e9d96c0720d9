package gateway

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// A version is what one text of a document makes.
type version struct {
	text       []byte
	sum        [sha256.Size]byte
	document   *contract.Document
	operations []operation
	since      time.Time
	changed    []OperationChange   // against what was served before
	judgesLess map[string][]string // by pattern: what of that passes now and was refused
}

// An operation is one with everything that it asks for in the gateway's words.
type operation struct {
	*contract.Operation

	pattern string
	route   config.Route
	mode    string
	policy  *warder.Policy
}

// version makes of text what can be served.
func (d *document) version(text []byte) (*version, error) {
	doc, err := contract.Read(text, contract.Options{Bytes: maxDocument, Base: d.cfg.BasePath})
	if err != nil {
		return nil, err
	}
	v := &version{text: text, sum: sha256.Sum256(text), document: doc, since: time.Now()}
	schemes, err := d.schemes(doc)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, o := range doc.Operations {
		one, err := d.operation(o, schemes)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s (%s): %w", o.Name(), o.Place(), err))
			if len(errs) == 20 {
				break
			}
			continue
		}
		v.operations = append(v.operations, one)
	}
	if d.cfg.Undeclared == config.UndeclaredReport {
		rest, err := d.rest(doc)
		errs = append(errs, err)
		v.operations = append(v.operations, rest)
	}
	return v, errors.Join(errs...)
}

// operation makes the policy of one operation.
func (d *document) operation(o *contract.Operation, schemes map[string]string) (operation, error) {
	one := operation{Operation: o, pattern: o.Method + " " + d.cfg.Host + o.Pattern, mode: cmp.Or(o.Mode, d.cfg.Mode)}
	one.route = config.Route{Match: one.pattern, Upstream: d.cfg.Upstream, RateLimits: o.Limits, Scopes: o.Scopes}
	switch {
	case o.Stated && len(o.Security) == 0:
		one.route.Public = true
	case o.Stated:
		one.route.Security, one.route.Scopes = securityOf(o, schemes), nil
	}
	if one.mode != config.ModeOff && d.gateway.cfg.Config.Decision.On() {
		return one, errors.New("x-warder-mode cannot hold where proxies ask by decision.listen: they do not show the body")
	}
	if err := d.checkLimits(&one.route); err != nil {
		return one, err
	}
	stage := &operationStage{to: d.to, count: d.drift.operation(one.pattern)}
	if one.mode != config.ModeOff {
		var err error
		stage.judge, err = contract.New(contract.Config{
			Operation: o, MaxBytes: int64(d.cfg.BodyBytes), UnknownQuery: d.cfg.UnknownQuery == config.UnknownQueryAllow,
			Shadow: one.mode == config.ModeShadow,
			Shadowed: func(x *exchange.Exchange, reason string) {
				stage.count.invalid.Add(1)
				d.gateway.cfg.Shadowed(x, "validate", reason)
			},
		})
		if err != nil {
			return one, err
		}
	}
	return one, d.guard(&one, stage)
}

// guard makes the policy of one, with stage as what validates.
func (d *document) guard(one *operation, stage *operationStage) error {
	policy, err := d.gateway.policy(&one.route)
	if err != nil {
		return err
	}
	if one.Operation != nil && len(one.Roles) > 0 {
		if policy.Authz, err = d.roles(one.Roles); err != nil {
			return err
		}
	}
	policy.Validate = stage
	one.policy = policy
	return d.gateway.addCredit(policy, &one.route)
}

// rest is what takes everything below the base path that is not declared.
func (d *document) rest(doc *contract.Document) (operation, error) {
	one := operation{pattern: d.cfg.Host + d.baseOf(doc) + "/", mode: config.ModeOff}
	one.route = config.Route{Match: one.pattern, Upstream: d.cfg.Upstream}
	return one, d.guard(&one, &operationStage{to: d.to, undeclared: d.drift})
}

// baseOf is the path that everything of the document begins with.
func (d *document) baseOf(doc *contract.Document) string {
	if d.cfg.BasePath != "" {
		return strings.TrimSuffix(d.cfg.BasePath, "/")
	}
	return doc.Base
}

// securityOf is what o asks for, in schemes of the configuration.
func securityOf(o *contract.Operation, schemes map[string]string) []config.Alternative {
	all := make([]config.Alternative, 0, len(o.Security))
	for _, a := range o.Security {
		mapped := config.Alternative{}
		for name, scopes := range a {
			to := schemes[name]
			for _, scope := range slices.Concat(scopes, o.Scopes) {
				if !slices.Contains(mapped[to], scope) {
					mapped[to] = append(mapped[to], scope)
				}
			}
			if mapped[to] == nil {
				mapped[to] = []string{}
			}
		}
		all = append(all, mapped)
	}
	return all
}

// An operationStage validates requests of an operation, counts them, and knows
// where they go.
type operationStage struct {
	to         http.Handler
	judge      *contract.Stage // nil for what is not judged
	count      *counts
	undeclared *drift // instead of count
}

// Check implements [exchange.Stage].
func (s *operationStage) Check(x *exchange.Exchange) exchange.Verdict {
	switch {
	case x.Dry:
	case s.undeclared != nil:
		s.undeclared.note(x)
	default:
		s.count.seen.Add(1)
	}
	if s.judge == nil {
		return exchange.Pass()
	}
	v := s.judge.Check(x)
	if !v.Passed() && !x.Dry {
		s.count.invalid.Add(1)
	}
	return v
}
