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
	s := &source{files: token.NewFileSet(), info: types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}}
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

// holdsDigest reports whether == on t compares 32 bytes.
func holdsDigest(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Array:
		b, ok := t.Elem().Underlying().(*types.Basic)
		return ok && b.Kind() == types.Uint8 && t.Len() == 32 || holdsDigest(t.Elem())
	case *types.Struct:
		for field := range t.Fields() {
			if holdsDigest(field.Type()) {
				return true
			}
		}
	}
	return false
}

// findings returns where digests, or bytes that may be one, are compared in a
// time that depends on them, and how often they are compared as they should be.
func (s *source) findings() (bad []string, good int) {
	variable := []string{"bytes.Equal", "bytes.Compare", "bytes.HasPrefix", "bytes.Contains", "bytes.Index", "slices.Equal", "slices.Compare", "slices.Contains", "slices.Index", "reflect.DeepEqual", "strings.EqualFold"}
	report := func(n ast.Node) { bad = append(bad, s.files.Position(n.Pos()).String()) }
	for _, tree := range s.trees {
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && holdsDigest(s.info.Types[n.X].Type) {
					report(n)
				}
			case *ast.SwitchStmt:
				if n.Tag != nil && holdsDigest(s.info.Types[n.Tag].Type) {
					report(n)
				}
			case *ast.CallExpr:
				name := types.ExprString(n.Fun)
				of := func(arg ast.Expr) bool { return s.bytesOrDigest(arg) }
				switch {
				case name == "subtle.ConstantTimeCompare":
					good++
				case (slices.Contains(variable, name) || name == "string") && slices.ContainsFunc(n.Args, of):
					report(n)
				}
			case *ast.MapType:
				if holdsDigest(s.info.Types[n.Key].Type) {
					report(n)
				}
			}
			return true
		})
	}
	return bad, good
}

// bytesOrDigest reports whether the expression is a digest or a slice of one.
func (s *source) bytesOrDigest(e ast.Expr) bool {
	if slice, ok := e.(*ast.SliceExpr); ok {
		e = slice.X
	}
	t := s.info.Types[e].Type
	if list, ok := t.Underlying().(*types.Slice); ok { // of digests, or of what holds one
		t = list.Elem()
	}
	return holdsDigest(t)
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
	for _, body := range []string{
		"return a == b", "return a != b", "return d == d", "return bytes.Equal(a[:], b[:])", "return string(a[:]) == string(b[:])",
		"return slices.Contains([][32]byte{a}, b)", "switch a { case b: }; return false", "return slices.Equal([]digest{d}, nil)", "m := map[[32]byte]bool{}; return m[a]",
	} {
		text := "package p\nimport (\"bytes\"; \"slices\")\ntype digest struct { sum [32]byte; n int }\n" +
			"func f(a, b [32]byte, d digest) bool { " + body + " }\nvar _, _ = bytes.Equal, slices.Index[[]int]\n"
		if bad, _ := loadSource(t, map[string]any{"p.go": text}, exports).findings(); len(bad) == 0 {
			t.Errorf("not found: %s", body)
		}
	}
}
