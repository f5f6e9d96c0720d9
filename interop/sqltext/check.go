package sqltext

import (
	"cmp"
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/go/ssa"
	"golang.org/x/tools/go/ssa/ssautil"
)

// A Finding is a place that hands a database a text which is no constant.
type Finding struct {
	Position token.Position
	Function string // that has the place, such as (*pkg.Type).method
	Why      string
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Position, f.Function, f.Why) }

// Check loads the packages that patterns name, as seen from folder, with files of
// overlay in place of those on disk or beside them, and returns what it finds,
// sorted by place, and how many places it judged.
func Check(folder string, overlay map[string][]byte, patterns ...string) (found []Finding, places int, err error) {
	loaded, err := packages.Load(&packages.Config{Mode: packages.LoadSyntax, Dir: folder, Overlay: overlay}, patterns...)
	if err != nil {
		return nil, 0, err
	}
	for _, p := range loaded {
		for _, e := range p.Errors {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return nil, 0, err
	}
	program, built := ssautil.Packages(loaded, 0)
	program.Build()
	c := newCode(program, built)
	for _, fn := range c.functions {
		for call := range calls(fn) {
			text, is := c.statement(call.Common())
			if !is {
				continue
			}
			places++
			if why := c.trace(text, map[ssa.Value]bool{}); why != "" {
				found = append(found, Finding{Position: program.Fset.Position(call.Pos()), Function: fn.String(), Why: why})
			}
		}
	}
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Position.Filename, b.Position.Filename), cmp.Compare(a.Position.Line, b.Position.Line))
	})
	return found, places, nil
}

// takesSQL are the methods whose text goes to a database, by database/sql and pgx.
// A type of ours with such a method is a layer above them, and is called like them.
func takesSQL(name string) bool {
	switch strings.TrimSuffix(name, "Context") {
	case "Exec", "Query", "QueryRow", "Prepare", "Queue", "ExecParams":
		return true
	}
	return false
}

// statement returns the argument of a call that is SQL.
func (c *code) statement(call *ssa.CallCommon) (ssa.Value, bool) {
	method, arguments := call.Method, call.Args
	if method == nil {
		callee := call.StaticCallee()
		if callee == nil || callee.Signature.Recv() == nil {
			return nil, false
		}
		method, _ = callee.Object().(*types.Func)
		if method == nil {
			return nil, false
		}
		arguments = arguments[1:] // the receiver
	}
	if !takesSQL(method.Name()) || !c.database(method.Pkg()) {
		return nil, false
	}
	signature := method.Signature()
	last := signature.Params().Len()
	if signature.Variadic() {
		last--
	}
	// The statement is the last text: pgx names a prepared statement before it.
	for i := last - 1; i >= 0; i-- {
		if isText(signature.Params().At(i).Type()) {
			return arguments[i], true
		}
	}
	return nil, false
}

// database tells whether methods of p reach a database: those of its drivers, and of ours.
func (c *code) database(p *types.Package) bool {
	if p == nil {
		return false
	}
	return p.Path() == "database/sql" || strings.HasPrefix(p.Path(), "github.com/jackc/pgx/") || c.ours[p]
}

func isText(t types.Type) bool {
	basic, is := t.Underlying().(*types.Basic)
	return is && basic.Info()&types.IsString != 0
}
