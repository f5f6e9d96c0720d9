package sqltext

import (
	"cmp"
	"fmt"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// trace returns why v may be something else than constants, or nothing.
// What is being traced already (a loop) says nothing new.
func (c *code) trace(v ssa.Value, seen map[ssa.Value]bool) string {
	if seen[v] {
		return ""
	}
	seen[v] = true
	switch v := v.(type) {
	case *ssa.Const:
		return ""
	case *ssa.Phi:
		return c.all(v.Edges, seen)
	case *ssa.BinOp:
		return c.all([]ssa.Value{v.X, v.Y}, seen)
	case *ssa.ChangeType:
		return c.trace(v.X, seen)
	case *ssa.Parameter:
		return c.parameter(v, seen)
	case *ssa.FreeVar:
		return c.bindings(v, func(bound ssa.Value) string { return c.trace(bound, seen) })
	case *ssa.UnOp:
		if v.Op == token.MUL {
			return c.load(v.X, seen)
		}
	case *ssa.Field:
		return c.field(fieldOf(v.X.Type(), v.Field), seen)
	case *ssa.Lookup:
		return c.element(v.X, seen)
	case *ssa.Extract:
		if call, is := v.Tuple.(*ssa.Call); is {
			return c.results(call, v.Index, seen)
		}
	case *ssa.Call:
		return c.results(v, 0, seen)
	}
	return fmt.Sprintf("%s (%T) is not known to be a constant", v, v)
}

func (c *code) all(values []ssa.Value, seen map[ssa.Value]bool) string {
	for _, v := range values {
		if why := c.trace(v, seen); why != "" {
			return why
		}
	}
	return ""
}

// parameter is what all callers give. The text of a method that takes SQL itself
// is judged where that method is called.
func (c *code) parameter(p *ssa.Parameter, seen map[ssa.Value]bool) string {
	fn := p.Parent()
	if fn.Signature.Recv() != nil && takesSQL(fn.Name()) {
		return ""
	}
	if c.values[fn] {
		return fmt.Sprintf("%s is used as a value: who gives %s is not known", fn, p.Name())
	}
	if object := fn.Object(); object != nil && object.Exported() && fn.Signature.Recv() == nil {
		return fmt.Sprintf("%s is exported: anybody may give %s", fn, p.Name())
	}
	if len(c.callers[fn]) == 0 {
		return fmt.Sprintf("who calls %s, and with what %s, is not known", fn, p.Name())
	}
	at := slices.Index(fn.Params, p)
	for _, call := range c.callers[fn] {
		if why := c.trace(call.Args[at], seen); why != "" {
			return why
		}
	}
	return ""
}

// bindings judges what a closure was made with.
func (c *code) bindings(v *ssa.FreeVar, judge func(ssa.Value) string) string {
	at := slices.Index(v.Parent().FreeVars, v)
	for _, made := range c.closures[v.Parent()] {
		if why := judge(made.Bindings[at]); why != "" {
			return why
		}
	}
	return ""
}

// load is what may stand at an address.
func (c *code) load(at ssa.Value, seen map[ssa.Value]bool) string {
	switch at := at.(type) {
	case *ssa.Global:
		if !c.ours[at.Pkg.Pkg] {
			return fmt.Sprintf("%s is a variable of another module", at)
		}
		return c.all(c.stores[at], seen)
	case *ssa.Alloc:
		return c.local(at, seen)
	case *ssa.FieldAddr:
		return c.field(fieldOf(at.X.Type(), at.Field), seen)
	case *ssa.IndexAddr:
		return c.element(at.X, seen)
	case *ssa.FreeVar:
		return c.bindings(at, func(bound ssa.Value) string { return c.load(bound, seen) })
	}
	return fmt.Sprintf("what stands at %s (%T) is not known to be a constant", at, at)
}

// local is what is stored in a variable, here and in closures that have it.
func (c *code) local(at ssa.Value, seen map[ssa.Value]bool) string {
	for _, use := range *at.Referrers() {
		switch use := use.(type) {
		case *ssa.Store:
			if use.Addr != at {
				return fmt.Sprintf("the address of %s is kept", at.Name())
			}
			if why := c.trace(use.Val, seen); why != "" {
				return why
			}
		case *ssa.MakeClosure:
			fn, _ := use.Fn.(*ssa.Function)
			if why := c.local(fn.FreeVars[slices.Index(use.Bindings, at)], seen); why != "" {
				return why
			}
		case *ssa.UnOp, *ssa.DebugRef:
		default:
			return fmt.Sprintf("the address of %s is used by %s", at.Name(), use)
		}
	}
	return ""
}

// field is what is stored in that field of any value of the struct.
func (c *code) field(field *types.Var, seen map[ssa.Value]bool) string {
	if !c.ours[field.Pkg()] {
		return fmt.Sprintf("%s is a field of another module", field.Name())
	}
	if len(c.fields[field]) == 0 {
		return fmt.Sprintf("nothing says what the field %s holds", field.Name())
	}
	return c.all(c.fields[field], seen)
}

// element is what is stored in an array, a slice or a map.
func (c *code) element(of ssa.Value, seen map[ssa.Value]bool) string {
	switch of := of.(type) {
	case *ssa.Slice:
		return cmp.Or(c.element(of.X, seen), c.all(c.elements[of], seen))
	case *ssa.MakeMap:
		return cmp.Or(given(of), c.all(c.elements[of], seen))
	case *ssa.Alloc:
		return c.stored(of, seen)
	case *ssa.UnOp:
		if global, is := of.X.(*ssa.Global); is && c.ours[global.Pkg.Pkg] {
			return cmp.Or(c.eachElement(c.stores[global], seen), c.all(c.elements[global], seen))
		}
		if variable, is := of.X.(*ssa.Alloc); is {
			return c.stored(variable, seen)
		}
	case *ssa.Const:
		return "" // nil
	}
	return fmt.Sprintf("what is in %s (%T) is not known to be constants", of, of)
}

func (c *code) eachElement(values []ssa.Value, seen map[ssa.Value]bool) string {
	for _, v := range values {
		if why := c.element(v, seen); why != "" {
			return why
		}
	}
	return ""
}

// stored is what the places of an array get.
func (c *code) stored(array *ssa.Alloc, seen map[ssa.Value]bool) string {
	for _, use := range *array.Referrers() {
		switch use := use.(type) {
		case *ssa.IndexAddr:
			if why := c.local(use, seen); why != "" {
				return why
			}
		case *ssa.Store:
			if use.Addr != ssa.Value(array) {
				return fmt.Sprintf("the address of %s is kept", array.Name())
			}
			if why := c.element(use.Val, seen); why != "" {
				return why
			}
		case *ssa.Slice:
			if why := given(use); why != "" {
				return why
			}
		case *ssa.UnOp, *ssa.DebugRef:
		default:
			return fmt.Sprintf("the address of %s is used by %s", array.Name(), use)
		}
	}
	return ""
}

// given judges where a slice or a map goes: whoever is called with it may write to it.
func given(of ssa.Value) string {
	for _, use := range *of.Referrers() {
		call, is := use.(ssa.CallInstruction)
		if !is {
			continue
		}
		if builtin, is := call.Common().Value.(*ssa.Builtin); is && builtin.Name() == "len" {
			continue
		}
		return fmt.Sprintf("%s is given to %s", of.Name(), call.Common())
	}
	return ""
}

// results is what a function of ours returns at index.
func (c *code) results(call *ssa.Call, index int, seen map[ssa.Value]bool) string {
	callee := call.Common().StaticCallee()
	if callee == nil || callee.Pkg == nil || !c.ours[callee.Pkg.Pkg] || len(callee.Blocks) == 0 {
		return fmt.Sprintf("%s makes the text", call.Common())
	}
	for _, block := range callee.Blocks {
		if back, is := block.Instrs[len(block.Instrs)-1].(*ssa.Return); is {
			if why := c.trace(back.Results[index], seen); why != "" {
				return why
			}
		}
	}
	return ""
}
