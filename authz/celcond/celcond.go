// Package celcond writes a condition of authz as an expression of CEL, the Common
// Expression Language: typed, without side effects, and bounded in cost.
//
//	!has(principal.claims.department) || principal.claims.department == "billing"
//
// # What an expression reads
//
//	request.method, request.path, request.host, request.scheme   strings; the path is the canonical one
//	client                                                       the client's address as text; "" for none
//	principal.issuer, .subject, .owner, .environment, .scheme    strings; "" for nobody
//	principal.scopes                                             list of strings, as granted: "orders:*" too
//	principal.claims                                             map from strings to whatever the token holds
//	now                                                          timestamp at which the request came; its parts are UTC
//	inCIDR(client, "10.0.0.0/8")                                 whether an address lies within a range
//
// Beside these there are CEL's standard functions and macros. The pattern of
// matches and the range of inCIDR are literals, so that New has checked them.
//
// # What is not there
//
// A claim, or whatever else an expression reads that is not there, is an error,
// and so is a claim of another type than the expression takes it for: the
// request is 503. It is not false: in a Deny rule false would let pass exactly
// those tokens that lack the claim. Ask for each part with has() first, and say
// what holds without it:
//
//	has(principal.claims.realm) && has(principal.claims.realm.roles) && "ops" in principal.claims.realm.roles
//
// CEL's && and || do not mind an error on one side when the other side decides.
package celcond

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
)

// Config configures a [Condition]. The zero value is invalid.
type Config struct {
	_          [0]func()
	Expression string // in CEL, of type bool; at most 4096 bytes. Required.

	// MaxCost bounds what the expression may cost, in CEL's units, each about one
	// comparison or ten bytes looked at: at New, for the longest values and lists
	// that are expected, and again at each evaluation, for what is there. 1 to
	// 1,000,000; default 100,000, which is some milliseconds.
	MaxCost uint64
}

const (
	maxExpression  = 4096 // bytes
	defaultMaxCost = 100_000
	maxMaxCost     = 1_000_000

	maxNodes  = 4096 // of the expression, macros expanded
	maxDepth  = 64   // of nested parts
	checkEach = 64   // iterations between two looks at the request's context
)

// A Condition is an expression that holds or does not. It is safe for concurrent
// use.
type Condition struct {
	program cel.Program
	info    *ast.SourceInfo
}

var _ authz.Condition = (*Condition)(nil)

// New compiles the expression of cfg. Its errors name the line and column.
func New(cfg Config) (*Condition, error) {
	return compile(cfg, types.BoolType, "bool; compare with == true what a token holds")
}

// compile makes a condition of an expression whose value is of type t; want says
// so in an error.
func compile(cfg Config, t *types.Type, want string) (*Condition, error) {
	if cfg.MaxCost == 0 {
		cfg.MaxCost = defaultMaxCost
	}
	switch n := len(cfg.Expression); {
	case n == 0:
		return nil, errors.New("celcond: Expression is empty")
	case n > maxExpression:
		return nil, fmt.Errorf("celcond: the expression has %d bytes, want at most %d", n, maxExpression)
	case cfg.MaxCost > maxMaxCost:
		return nil, fmt.Errorf("celcond: MaxCost is %d, want at most %d", cfg.MaxCost, maxMaxCost)
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("celcond: %w", err)
	}
	compiled, issues := env.Compile(cfg.Expression)
	if issues.Err() != nil {
		return nil, faults(issues)
	}
	c := &Condition{info: compiled.NativeRep().SourceInfo()}
	if err := c.check(compiled, t, want); err != nil {
		return nil, err
	}
	estimate, err := env.EstimateCost(compiled, sizes{})
	if err != nil {
		return nil, fmt.Errorf("celcond: estimate the cost: %w", err)
	}
	if estimate.Max > cfg.MaxCost {
		return nil, fmt.Errorf("celcond: the expression may cost %d, more than MaxCost %d", estimate.Max, cfg.MaxCost)
	}
	c.program, err = env.Program(compiled, cel.EvalOptions(cel.OptOptimize), cel.OptimizeRegex(interpreter.MatchesRegexOptimization),
		cel.CostLimit(cfg.MaxCost), cel.InterruptCheckFrequency(checkEach))
	if err != nil {
		return nil, fmt.Errorf("celcond: %w", err)
	}
	return c, nil
}

// faults returns each of the compiler's issues with its place.
func faults(issues *cel.Issues) error {
	var errs []error
	for _, issue := range issues.Errors() {
		text, _, _ := strings.Cut(issue.Message, "\n")
		errs = append(errs, fmt.Errorf("celcond: line %d, column %d: %s", issue.Location.Line(), issue.Location.Column()+1, text))
	}
	if len(errs) == 0 {
		return fmt.Errorf("celcond: %w", issues.Err())
	}
	return errors.Join(errs...)
}

// at names the place of the part id of the expression.
func (c *Condition) at(id int64) string {
	place := c.info.GetStartLocation(id)
	if id == 0 || place.Line() < 1 || place.Column() < 0 {
		return "somewhere"
	}
	return fmt.Sprintf("line %d, column %d", place.Line(), place.Column()+1)
}

// check reports what CEL allows and a condition does not.
func (c *Condition) check(compiled *cel.Ast, want *types.Type, text string) error {
	var errs []error
	if t := compiled.OutputType(); !t.IsExactType(want) {
		errs = append(errs, fmt.Errorf("celcond: the expression is of type %s, want %s", t, text))
	}
	ast.PreOrderVisit(compiled.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		switch args := call.Args(); call.FunctionName() {
		case "matches":
			if pattern := args[len(args)-1]; !literal(pattern) {
				errs = append(errs, fmt.Errorf("celcond: %s: the pattern of matches is no literal", c.at(pattern.ID())))
			}
		case "inCIDR":
			if err := checkRange(args[1]); err != nil {
				errs = append(errs, fmt.Errorf("celcond: %s: %w", c.at(args[1].ID()), err))
			}
		}
	}))
	return errors.Join(errs...)
}

// literal reports whether e is a string that is written out.
func literal(e ast.Expr) bool {
	return e.Kind() == ast.LiteralKind && e.AsLiteral().Type() == types.StringType
}

// Holds evaluates the expression for x, and gives up when the request's context
// ends. An error names the place in the expression and the sort of the fault,
// never a value that the expression read.
func (c *Condition) Holds(x *exchange.Exchange) (bool, error) {
	value, _, err := c.program.ContextEval(x.Request.Context(), activation{x})
	if err != nil {
		return false, c.fault(x, value, err)
	}
	b, ok := value.(types.Bool)
	if !ok {
		return false, errors.New("celcond: the expression gave no bool")
	}
	return bool(b), nil
}

// fault is err without what the expression read.
func (c *Condition) fault(x *exchange.Exchange, value any, err error) error {
	if cause := x.Request.Context().Err(); cause != nil {
		return fmt.Errorf("celcond: interrupted: %w", cause)
	}
	var id int64
	if e, ok := value.(*types.Err); ok {
		id = e.NodeID()
	}
	return fmt.Errorf("celcond: %s: %s", c.at(id), sort(err.Error()))
}

// sort returns the constant words that text begins with.
func sort(text string) string {
	for _, known := range []string{
		"no such key", "no such overload", "no such attribute", "type conversion error", "division by zero", "modulus by zero", "index out of bounds",
		"integer overflow", "operation cancelled: actual cost limit exceeded", "unsupported index type", "invalid",
	} {
		if strings.HasPrefix(text, known) {
			return known
		}
	}
	return "the evaluation failed"
}
