package target

import (
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

type Stage struct{}

func (s *Stage) Check(*exchange.Exchange) exchange.Verdict { return exchange.Verdict{} }

// Ambiguous is the problem of a target that has two readings.
func Ambiguous() *problem.Problem {
	return problem.New(problem.InvalidTarget, "Send the path in its one plain form: no dot segments, empty segments, backslashes, encoded slashes, path parameters or control characters, and valid UTF-8.")
}
