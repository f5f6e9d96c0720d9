package apikey_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
)

// source is the package's own code with its types.
type source struct {
	files *token.FileSet
	trees []*ast.File
	info  types.Info
}

func loadSource(t *testing.T, texts map[string]any, exports map[string]string) *source {
	t.Helper()
	s := &source{files: token.NewFileSet(), info: types.Info{Types: make(map[ast.Expr]types.TypeAndValue), Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object)}}
	for name, text := range texts {
		tree, err := parser.ParseFile(s.files, name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s.trees = append(s.trees, tree)
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	cfg := types.Config{Importer: importer.ForCompiler(s.files, "gc", lookup)}
	if _, err := cfg.Check("apikey", s.files, s.trees, &s.info); err != nil {
		t.Fatal(err)
	}
	return s
}

// exportData returns the compiled types of what the package imports.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return files
}

// ownFiles are the package's files without its tests.
func ownFiles(t *testing.T) map[string]any {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]any)
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			files[name] = nil
		}
	}
	return files
}

// How many bytes a digest, or a part of one that nobody guesses, has.
const least, most = 16, 64

// holdsSecret reports whether == on t compares bytes that may be a digest or a part of
// one. A secret.Text cannot be compared at all.
func holdsSecret(t types.Type) bool {
	if t == nil {
		return false
	}
	switch t := t.Underlying().(type) {
	case *types.Array:
		b, ok := t.Elem().Underlying().(*types.Basic)
		return ok && b.Kind() == types.Uint8 && t.Len() >= least && t.Len() <= most || holdsSecret(t.Elem())
	case *types.Struct:
		for field := range t.Fields() {
			if holdsSecret(field.Type()) {
				return true
			}
		}
	}
	return false
}

// isBytes reports whether t is a slice of bytes, which may be of a digest.
func isBytes(t types.Type) bool {
	slice, ok := t.Underlying().(*types.Slice)
	if !ok {
		return false
	}
	b, ok := slice.Elem().Underlying().(*types.Basic)
	return ok && b.Kind() == types.Uint8
}

// variable are functions that compare, or find, in a time that depends on what.
func variable() []string {
	all := []string{"reflect.DeepEqual", "cmp.Compare", "maps.Equal"}
	for _, in := range []string{"bytes", "strings", "slices"} {
		for _, name := range []string{"Equal", "EqualFold", "EqualFunc", "Compare", "HasPrefix", "HasSuffix", "CutPrefix", "CutSuffix", "TrimPrefix", "TrimSuffix", "Contains", "Index", "LastIndex", "BinarySearch"} {
			all = append(all, in+"."+name)
		}
	}
	return all
}

// findings returns where secrets, their digests, or bytes that may be one, are
// compared in a time that depends on them, and how often they are compared as they
// should be.
func (s *source) findings() (bad []string, good int) {
	slow := variable()
	report := func(n ast.Node) { bad = append(bad, s.files.Position(n.Pos()).String()) }
	for _, tree := range s.trees {
		revealed := s.revealed(tree)
		secret := func(e ast.Expr) bool { return s.secret(e, revealed) }
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && !isNothing(n.X) && !isNothing(n.Y) && (secret(n.X) || secret(n.Y)) {
					report(n)
				}
			case *ast.SwitchStmt:
				if n.Tag != nil && secret(n.Tag) {
					report(n)
				}
			case *ast.CallExpr:
				name := types.ExprString(n.Fun)
				compares := slices.Contains(slow, name)
				of := func(arg ast.Expr) bool {
					t := s.info.Types[arg].Type
					return secret(arg) || compares && t != nil && isBytes(t)
				}
				switch {
				case name == "subtle.ConstantTimeCompare":
					good++
				case (compares || name == "string") && slices.ContainsFunc(n.Args, of):
					report(n)
				}
			case *ast.MapType:
				if holdsSecret(s.info.Types[n.Key].Type) {
					report(n)
				}
			case *ast.IndexExpr:
				if _, isMap := s.info.Types[n.X].Type.Underlying().(*types.Map); isMap && secret(n.Index) {
					report(n)
				}
			}
			return true
		})
	}
	return bad, good
}

// isNothing reports whether e is "" or nil: who compares with it asks whether there is
// something.
func isNothing(e ast.Expr) bool {
	text := types.ExprString(e)
	return text == `""` || text == "nil"
}

// revealed returns the variables of a file that hold what Reveal returned.
func (s *source) revealed(tree *ast.File) map[types.Object]bool {
	all := make(map[types.Object]bool)
	ast.Inspect(tree, func(n ast.Node) bool {
		assign, ok := n.(*ast.AssignStmt)
		if !ok || len(assign.Lhs) != len(assign.Rhs) {
			return true
		}
		for i, right := range assign.Rhs {
			name, ok := assign.Lhs[i].(*ast.Ident)
			if ok && s.secret(right, all) {
				all[s.objectOf(name)] = true
			}
		}
		return true
	})
	return all
}

func (s *source) objectOf(name *ast.Ident) types.Object {
	if o := s.info.Defs[name]; o != nil {
		return o
	}
	return s.info.Uses[name]
}

// secret reports whether the expression is a digest or a slice of one, a byte of one,
// or what a secret.Text holds.
func (s *source) secret(e ast.Expr, revealed map[types.Object]bool) bool {
	switch n := e.(type) {
	case *ast.ParenExpr:
		return s.secret(n.X, revealed)
	case *ast.SliceExpr:
		return s.secret(n.X, revealed)
	case *ast.IndexExpr:
		if t := s.info.Types[n.X].Type; t != nil {
			if _, isArray := t.Underlying().(*types.Array); isArray && holdsSecret(t) || s.secret(n.X, revealed) && !isList(t) {
				return true
			}
		}
	case *ast.Ident:
		if revealed[s.objectOf(n)] {
			return true
		}
	case *ast.CallExpr:
		if method, ok := n.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Reveal" {
			return true
		}
	}
	t := s.info.Types[e].Type
	if t == nil {
		return false
	}
	if list, ok := t.Underlying().(*types.Slice); ok { // of digests, or of what holds one
		t = list.Elem()
	}
	return holdsSecret(t)
}

// isList reports whether t is a slice of something else than bytes.
func isList(t types.Type) bool {
	_, ok := t.Underlying().(*types.Slice)
	return ok && !isBytes(t)
}

func TestDigestsAreComparedInConstantTime(t *testing.T) {
	attack.Case(t, "KEY-09", attack.Library, func(t *testing.T) {
		bad, good := loadSource(t, ownFiles(t), exportData(t)).findings()
		if len(bad) > 0 {
			t.Errorf("digests are compared by something else than subtle.ConstantTimeCompare: %v", bad)
		}
		if good < 2 {
			t.Errorf("subtle.ConstantTimeCompare is called %d times, want it for keys that exist and for others", good)
		}
	})
}

// TestTheSourceCheckFinds keeps the test above able to fail.
func TestTheSourceCheckFinds(t *testing.T) {
	exports := exportData(t)
	for body, found := range map[string]bool{
		"return a == b": true, "return a != b": true, "return d == d": true, "return half == half": true, "return long == long": true,
		"return bytes.Equal(a[:], b[:])": true, "return bytes.Equal(some, some)": true, "return bytes.Compare(some, long[:]) == 0": true,
		"return string(a[:]) == string(b[:])": true, "return slices.Contains([][32]byte{a}, b)": true, "return slices.Equal(some, some)": true,
		"switch a { case b: }; return false": true, "return slices.Equal([]digest{d}, nil)": true, "m := map[[32]byte]bool{}; return m[a]": true,
		"for i := range a { if a[i] != b[i] { return false } }; return true": true,
		"return x.Reveal() == s":                               true,
		"clear := x.Reveal(); return clear == s":               true,
		"clear := x.Reveal(); return clear[:9] == s[:9]":       true,
		"clear := x.Reveal(); return clear[0] == s[0]":         true,
		"clear := x.Reveal(); same := clear; return same == s": true,
		"return strings.HasPrefix(x.Reveal(), s)":              true,
		"return strings.EqualFold(s, x.Reveal())":              true,
		"m := map[string]bool{}; return m[x.Reveal()]":         true,
		"switch x.Reveal() { case s: }; return false":          true,
		"return subtle.ConstantTimeCompare(a[:], b[:]) == 1":   false,
		"return x.Reveal() == \"\"":                            false,
		"return s == s && some != nil":                         false,
		"return few == few":                                    false,
	} {
		text := "package apikey\nimport (\"bytes\"; \"crypto/subtle\"; \"slices\"; \"strings\"; \"github.com/warder-dev/warder/secret\")\ntype digest struct { sum [32]byte; n int }\n" +
			"func f(a, b [32]byte, half [16]byte, long [64]byte, few [4]byte, some []byte, d digest, x secret.Text, s string) bool { " + body + " }\n" +
			"var _, _, _, _ = bytes.Equal, slices.Index[[]int], strings.Cut, subtle.ConstantTimeCompare\n"
		if bad, _ := loadSource(t, map[string]any{"p.go": text}, exports).findings(); (len(bad) > 0) != found {
			t.Errorf("%s: findings %v, want some: %v", body, bad, found)
		}
	}
}
