package sqltext

import (
	"go/types"
	"iter"

	"golang.org/x/tools/go/ssa"
	"golang.org/x/tools/go/ssa/ssautil"
)

// code is what was loaded, and where values of it come from.
type code struct {
	ours      map[*types.Package]bool
	functions []*ssa.Function                      // closures too
	callers   map[*ssa.Function][]*ssa.CallCommon  // direct calls
	values    map[*ssa.Function]bool               // functions that are used in another way than called
	closures  map[*ssa.Function][]*ssa.MakeClosure // where they are made
	stores    map[ssa.Value][]ssa.Value            // what is stored at a global
	fields    map[*types.Var][]ssa.Value           // what is stored in a field, of whichever struct
	elements  map[ssa.Value][]ssa.Value            // what is stored in a map or a slice, by what holds it
}

func newCode(program *ssa.Program, built []*ssa.Package) *code {
	c := &code{
		ours: map[*types.Package]bool{}, callers: map[*ssa.Function][]*ssa.CallCommon{}, values: map[*ssa.Function]bool{},
		closures: map[*ssa.Function][]*ssa.MakeClosure{}, stores: map[ssa.Value][]ssa.Value{}, fields: map[*types.Var][]ssa.Value{},
		elements: map[ssa.Value][]ssa.Value{},
	}
	for _, p := range built {
		c.ours[p.Pkg] = true
	}
	for fn := range ssautil.AllFunctions(program) {
		if fn.Pkg != nil && c.ours[fn.Pkg.Pkg] {
			c.functions = append(c.functions, fn)
		}
	}
	for _, fn := range c.functions {
		for _, block := range fn.Blocks {
			for _, in := range block.Instrs {
				c.note(in)
			}
		}
	}
	return c
}

// note remembers what an instruction tells about where values come from.
func (c *code) note(in ssa.Instruction) {
	called := ssa.Value(nil)
	switch in := in.(type) {
	case ssa.CallInstruction:
		if callee := in.Common().StaticCallee(); callee != nil {
			c.callers[written(callee)] = append(c.callers[written(callee)], in.Common())
			called = in.Common().Value
		}
	case *ssa.MakeClosure:
		fn, _ := in.Fn.(*ssa.Function)
		c.closures[fn] = append(c.closures[fn], in)
		called = in.Fn
		// A closure that is only called is like a function that is.
		for _, use := range *in.Referrers() {
			if call, is := use.(ssa.CallInstruction); !is || call.Common().Value != ssa.Value(in) {
				c.values[fn] = true
			}
		}
	case *ssa.Store:
		switch at := in.Addr.(type) {
		case *ssa.Global:
			c.stores[at] = append(c.stores[at], in.Val)
		case *ssa.FieldAddr:
			field := fieldOf(at.X.Type(), at.Field)
			c.fields[field] = append(c.fields[field], in.Val)
		case *ssa.IndexAddr:
			c.elements[held(at.X)] = append(c.elements[held(at.X)], in.Val)
		}
	case *ssa.MapUpdate:
		c.elements[held(in.Map)] = append(c.elements[held(in.Map)], in.Value)
	}
	for _, operand := range in.Operands(nil) {
		if fn, is := (*operand).(*ssa.Function); is && *operand != called {
			c.values[written(fn)] = true
		}
	}
}

// written returns the function as it is written, which of a generic one is not the
// function that is called.
func written(fn *ssa.Function) *ssa.Function {
	if origin := fn.Origin(); origin != nil {
		return origin
	}
	return fn
}

// held is the global that a map or a slice was read from, or else the value itself.
func held(v ssa.Value) ssa.Value {
	if read, is := v.(*ssa.UnOp); is {
		if global, is := read.X.(*ssa.Global); is {
			return global
		}
	}
	return v
}

// fieldOf returns the field of a struct, or of a pointer to one.
func fieldOf(t types.Type, index int) *types.Var {
	if pointer, is := t.Underlying().(*types.Pointer); is {
		t = pointer.Elem()
	}
	fields, _ := t.Underlying().(*types.Struct)
	return fields.Field(index).Origin()
}

// calls yields the calls of a function.
func calls(fn *ssa.Function) iter.Seq[ssa.CallInstruction] {
	return func(yield func(ssa.CallInstruction) bool) {
		for _, block := range fn.Blocks {
			for _, in := range block.Instrs {
				if call, is := in.(ssa.CallInstruction); is && !yield(call) {
					return
				}
			}
		}
	}
}
