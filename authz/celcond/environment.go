package celcond

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/warder-dev/warder/exchange"
)

// The names that an expression reads.
const (
	requestMethod = "request.method"
	requestPath   = "request.path"
	requestHost   = "request.host"
	requestScheme = "request.scheme"
	client        = "client"
	issuer        = "principal.issuer"
	subject       = "principal.subject"
	owner         = "principal.owner"
	environmentOf = "principal.environment"
	scheme        = "principal.scheme"
	scopes        = "principal.scopes"
	claims        = "principal.claims"
	now           = "now"
)

// environment declares what expressions are made of.
func environment() (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(adapter{registry}),
		cel.CustomTypeProvider(registry),
		cel.Variable(scopes, cel.ListType(cel.StringType)),
		cel.Variable(claims, cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable(now, cel.TimestampType),
		cel.Function("inCIDR", cel.Overload("inCIDR_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType, cel.BinaryBinding(inCIDR))),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true), // a token's numbers are what its reader made of them
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
	}
	for _, name := range []string{requestMethod, requestPath, requestHost, requestScheme, client, issuer, subject, owner, environmentOf, scheme} {
		options = append(options, cel.Variable(name, cel.StringType))
	}
	return cel.NewEnv(options...)
}

// activation is what an expression reads of an exchange, when it reads it.
type activation struct{ x *exchange.Exchange }

// Parent returns none: nothing else can be read.
func (activation) Parent() interpreter.Activation { return nil }

// ResolveName returns the value of a name. What nobody established is not there.
func (a activation) ResolveName(name string) (any, bool) {
	x, p := a.x, &a.x.Principal
	if p.IsZero() {
		p = &exchange.Principal{} // whatever else a scheme left in it
	}
	switch name {
	case requestMethod:
		return x.Request.Method, true
	case requestPath:
		return x.Path, x.Path != ""
	case requestHost:
		return x.Host, x.Host != ""
	case requestScheme:
		return x.Scheme, x.Scheme != ""
	case client:
		return address(x.Client), true
	case issuer:
		return p.Issuer, true
	case subject:
		return p.Subject, true
	case owner:
		return p.Owner, true
	case environmentOf:
		return p.Environment, true
	case scheme:
		return p.Scheme, true
	case scopes:
		return p.Scopes.Names(), true
	case claims:
		return p.Claims, true
	case now:
		return x.Start, !x.Start.IsZero()
	default:
		return nil, false
	}
}

// address returns the one text of an address: IPv4 never mapped, no zone.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.WithZone("").Unmap().String()
}

// adapter makes values of CEL out of those that readers of JSON make; the rest
// is the registry's.
type adapter struct{ types.Adapter }

func (a adapter) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case map[string]any:
		return types.NewStringInterfaceMap(a, v)
	case []any:
		return types.NewDynamicList(a, v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return types.Int(n)
		}
		if f, err := v.Float64(); err == nil {
			return types.Double(f)
		}
		return types.NewErr("invalid number")
	default:
		return a.Adapter.NativeToValue(value)
	}
}

var (
	errRangeLiteral = errors.New("the range of inCIDR is no literal")
	errMappedRange  = errors.New("the range of inCIDR is mapped: write it as IPv4")
)

// checkRange reports whether e is the literal text of a range.
func checkRange(e ast.Expr) error {
	if !literal(e) {
		return errRangeLiteral
	}
	text, _ := e.AsLiteral().Value().(string)
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no range such as %q", text, "10.0.0.0/8")
	case p.Addr().Is4In6():
		return errMappedRange
	case p != p.Masked():
		return fmt.Errorf("%q has bits behind its length: want %q", text, p.Masked())
	default:
		return nil
	}
}

// inCIDR reports whether the address a lies within the range b. The empty
// address lies within none; what is no address is an error.
func inCIDR(a, b ref.Val) ref.Val {
	text, ok := a.Value().(string)
	within, okRange := b.Value().(string)
	if !ok || !okRange {
		return types.MaybeNoSuchOverloadErr(a)
	}
	p, err := netip.ParsePrefix(within)
	if err != nil {
		return types.NewErr("invalid range")
	}
	if text == "" {
		return types.False
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return types.NewErr("invalid address")
	}
	return types.Bool(p.Contains(addr.WithZone("").Unmap()))
}

// sizes bounds what an expression reads, for the estimate of its cost. What is
// longer meets the limit at its evaluation.
type sizes struct{}

const (
	maxText    = 8192 // bytes: a path
	maxMembers = 256  // of a list or map
	maxClaim   = 1024 // bytes of a claim, or members of one
)

// EstimateSize returns how long the value of a node can be.
func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	claim := cost.SizeEstimate{Max: maxClaim}
	switch n.Type().Kind() {
	case types.ListKind, types.MapKind:
		return &cost.SizeEstimate{Max: maxMembers, Key: &claim, Elem: &claim}
	case types.DynKind:
		return &cost.SizeEstimate{Max: maxClaim, Key: &claim, Elem: &claim}
	default:
		return &cost.SizeEstimate{Max: maxText}
	}
}

// EstimateCallCost leaves each function to CEL's own estimate; inCIDR is one
// unit, as every function is that says nothing else.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
