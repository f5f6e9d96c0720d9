package celcond

import (
	"cel.dev/cel-go/common/types"

	"github.com/warder-dev/warder/exchange"
)

// A Text is an expression whose value is a text: it names what a request belongs
// to, such as the subject of a rate limit. It is safe for concurrent use.
type Text struct{ condition *Condition }

// NewText compiles the expression of cfg, which is of type string. Its errors name
// the line and column.
func NewText(cfg Config) (*Text, error) {
	c, err := compile(cfg, types.StringType, "string")
	if err != nil {
		return nil, err
	}
	return &Text{c}, nil
}

// Text evaluates the expression for x. It reports false when that fails, such as
// for a claim that is not there, and gives up when the request's context ends.
func (t *Text) Text(x *exchange.Exchange) (string, bool) {
	value, _, err := t.condition.program.ContextEval(x.Request.Context(), activation{x})
	if err != nil {
		return "", false
	}
	s, ok := value.(types.String)
	return string(s), ok
}
