package warder

import (
	"github.com/warder-dev/warder/exchange"
)

// A Step is what one stage said of a request.
type Step struct {
	Stage    string // as in logs and metrics
	Verdict  exchange.Verdict
	Findings []exchange.Finding // what it rests on, where the stage tells
	Reached  bool               // false: an earlier stage had the last word, and nobody asked this one
}

// An Explanation is a decision with how it came about.
type Explanation struct {
	Steps []Step // of every stage that the listener and the route have, in order
	Trace exchange.Trace
	Route string // the pattern that matched; "" for none
}

// Explain judges x as [Stack.Decide] does, and tells what each stage said. x becomes
// dry: nothing is counted, and no front forwards it.
func (s *Stack) Explain(x *exchange.Exchange) Explanation {
	x.Dry = true
	e := Explanation{Trace: exchange.Trace{Verdict: exchange.Pass()}}
	e.judge(s.compiled(), x)
	var p *Policy
	if e.Trace.Allowed() {
		p = s.Policy
		if s.Route != nil {
			p = s.Route.Match(x)
		}
		if p == nil {
			e.Trace = exchange.Trace{Verdict: exchange.Fail(errNoPolicy), Stage: "route"}
			return e
		}
		x.Policy = p
		e.Route = x.Route
		e.judge(p.compiled(), x)
	}
	return e
}

// judge asks links until one has the last word, and lists the rest.
func (e *Explanation) judge(links []link, x *exchange.Exchange) {
	for i := range links {
		l := &links[i]
		step := Step{Stage: l.name}
		if e.Trace.Allowed() {
			step.Reached, step.Verdict = true, l.stage.Check(x)
			if explainer, ok := l.stage.(exchange.Explainer); ok {
				step.Findings = explainer.Explain(x)
			}
			if !step.Verdict.Passed() {
				e.Trace = exchange.Trace{Verdict: step.Verdict, Stage: l.name}
			}
		}
		e.Steps = append(e.Steps, step)
	}
}
