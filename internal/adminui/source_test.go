package adminui_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	nodes   = "maragu.dev/gomponents"
	writers = nodes + "/html"
)

// What the pages may use to write HTML. None of it writes text that is not escaped,
// and what a browser runs, follows or loads is in the files named with it.
func allowed() map[string]map[string]string {
	words := func(text string) map[string]string {
		all := make(map[string]string)
		for word := range strings.FieldsSeq(text) {
			name, file, _ := strings.Cut(word, "@")
			all[name] = file
		}
		return all
	}
	return map[string]map[string]string{
		nodes: words("Node Group El Attr Text Textf If Iff Map"),
		writers: words(`Doctype HTML Head Body Meta TitleEl Link@layout.go Script@layout.go Header Nav Main Section Div Span P A Pre Code Strong Small Del Ins Time
			H1 H2 H3 Ul Li Dl Dt Dd Details Summary Table THead TBody Tr Th Td Form Label Input Textarea Select Option Button FieldSet Legend
			Href@address.go Action@address.go Src@address.go Aria AutoComplete Charset Class Content Data DateTime Defer For Height ID Lang MaxLength Method Name
			Placeholder ReadOnly Rel Required Role Rows Scope Selected Step TabIndex Title Type Value Width`),
		"El":   words("svg path g rect bdi"),
		"Attr": words("autocapitalize d data-once hidden open preserveAspectRatio spellcheck viewBox x y"),
	}
}

// TestTheSourceOfThePages reads how the package writes HTML: html/template knew what
// stands where, and here nothing does.
func TestTheSourceOfThePages(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set, pages := token.NewFileSet(), 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults(set, name, file) {
			t.Error(fault)
		}
		if imported(file)["h"] == writers {
			pages++
		}
	}
	if pages < 20 {
		t.Errorf("only %d files write HTML", pages)
	}
}

// imported are the imports of a file by their names in it.
func imported(file *ast.File) map[string]string {
	all := make(map[string]string)
	for _, one := range file.Imports {
		path, _ := strconv.Unquote(one.Path.Value)
		name := path[strings.LastIndex(path, "/")+1:]
		if one.Name != nil {
			name = one.Name.Name
		}
		all[name] = path
	}
	return all
}

// faults are what a file does that it must not.
func faults(set *token.FileSet, name string, file *ast.File) (all []string) {
	imports, may := imported(file), allowed()
	fault := func(n ast.Node, text string) { all = append(all, set.Position(n.Pos()).String()+": "+text) }
	for called, path := range imports {
		if strings.HasSuffix(path, "/template") || strings.HasPrefix(path, nodes) && path != nodes && path != writers || called == "." {
			fault(file, "imports "+path)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			from, ok := n.X.(*ast.Ident)
			if names := may[imports[nameOf(from)]]; ok && names != nil {
				if only, known := names[n.Sel.Name]; !known || only != "" && only != name {
					fault(n, from.Name+"."+n.Sel.Name+" is not for this file: see address.go and this test")
				}
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "El" || f.Sel.Name == "Attr") {
				text, literal := n.Args[0].(*ast.BasicLit)
				if !literal {
					fault(n, "the name of an element or attribute is no constant")
				} else if _, known := may[f.Sel.Name][strings.Trim(text.Value, `"`)]; !known {
					fault(n, f.Sel.Name+"("+text.Value+") is none of those that are known to run nothing")
				}
			}
		case *ast.CompositeLit:
			if nameOf(n.Type) == "address" && name != "address.go" && len(n.Elts) > 0 {
				fault(n, "an address is made here")
			}
		case *ast.FuncDecl:
			if n.Name.Name == "Render" {
				fault(n, "a node of its own")
			}
		}
		return true
	})
	slices.Sort(all)
	return all
}

func nameOf(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok && id != nil {
		return id.Name
	}
	return ""
}

// The test above finds what it is for.
func TestTheSourceTestFinds(t *testing.T) {
	const head = "package adminui\nimport (\n\tg \"maragu.dev/gomponents\"\n\th \"maragu.dev/gomponents/html\"\n)\n"
	for what, code := range map[string]string{
		"raw":               "var x = g.Raw(text)",
		"raw by format":     "var x = g.Rawf(text)",
		"raw, not called":   "var x = g.Raw",
		"a node of its own": "var x = g.NodeFunc(f)",
		"Render":            "func (t) Render(w io.Writer) error { return nil }",
		"an attribute":      `var x = g.Attr("onclick", text)`,
		"style":             `var x = h.Style(text)`,
		"src":               `var x = h.Src(text)`,
		"href":              `var x = h.Href(text)`,
		"a name":            `var x = g.Attr(text, "")`,
		"an element":        `var x = g.El("iframe")`,
		"a script":          `var x = h.Script(g.Text(text))`,
		"an address":        `var x = address{text}`,
	} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "x.go", head+code, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := faults(set, "x.go", file); len(got) != 1 {
			t.Errorf("%s: %q", what, got)
		}
	}
	for _, path := range []string{"html/template", "text/template", nodes + "/components"} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "x.go", "package adminui\nimport \""+path+"\"", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := faults(set, "x.go", file); len(got) != 1 {
			t.Errorf("%s: %q", path, got)
		}
	}
}
