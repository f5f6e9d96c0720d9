package exchange

import (
	"net/http"
	"time"

	"github.com/warder-dev/warder/problem"
)

// A Stage judges one request. Implementations are safe for concurrent use and
// keep nothing of x. A stage that also implements [HeaderWriter] or [Finisher]
// is called for those as well.
type Stage interface {
	Check(x *Exchange) Verdict
}

// A HeaderWriter adds response fields just before the first response byte, on
// every answer, ours included.
type HeaderWriter interface {
	Headers(x *Exchange, h http.Header)
}

// A Finisher learns what came of a request after its last byte: cost, usage,
// slots given back, failures counted. It is called exactly once for each
// request, whether Check was reached or not, also after a panic.
type Finisher interface {
	Done(x *Exchange, o Outcome)
}

// A Recoverer turns a panic of a stage or handler into a logged 500. stack is
// the goroutine's stack as runtime/debug writes it.
type Recoverer interface {
	Recovered(x *Exchange, value any, stack []byte)
}

// A Decider judges with any number of stages. Decide must not write to the
// client: [Serve] does.
type Decider interface {
	Decide(x *Exchange) Trace
	HeaderWriter
	Finisher
}

// An Outcome is what came of a request.
type Outcome struct {
	Trace    Trace
	Status   int           // of the response; 0 when the client got none
	Bytes    int64         // of the response body
	Duration time.Duration // from Exchange.Start
	Reason   string        // why it was refused, for logs and metrics; "" when it was not
	Problem  problem.Type  // of the problem that the client got; "" when it got none
	Err      error         // what failed inside, for the log; never shown to a client
	Aborted  bool          // the handler panicked or the response was cut
	Hijacked bool          // the connection left HTTP (an upgrade); Bytes then counts nothing of it
}
