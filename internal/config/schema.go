package config

import (
	"embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/warder-dev/warder/secret"
)

//go:embed audit.go config.go credits.go decision.go descriptors.go edge.go edge_routes.go holder.go identity.go leaks.go limits.go listeners.go openapi.go passwords.go portal.go postgres.go redis.go tokens.go tracing.go usage.go webhooks.go
var sources embed.FS

//go:embed warder.yaml
var example string

// Example returns a commented configuration file that [Load] accepts.
func Example() string { return example }

// SchemaID is the identifier of the schema; nothing is fetched from there.
const SchemaID = "https://warder.dev/schema/config.json"

// Patterns of the text forms. The schema accepts a reference to the environment
// for every value, since Load does.
const (
	referencePattern = `\$\{[A-Za-z_][A-Za-z0-9_]*\}`
	durationPattern  = `^(0|[+-]?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h|d|w))+)$`
	ratioPattern     = `^[01](\.[0-9]{1,6})?$`
	sizePattern      = `^(unlimited|[0-9]+ ?(B|KB|kB|MB|GB|KiB|MiB|GiB)?)$`
)

// Schema returns the JSON Schema (draft 2020-12) of the file, made from the
// types: descriptions are their doc comments.
func Schema() ([]byte, error) {
	comments := fieldComments()
	reflector := &jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Mapper:                     leafSchema,
		LookupComment: func(t reflect.Type, field string) string {
			if field == "" {
				return comments[t.Name()]
			}
			return comments[t.Name()+"."+field]
		},
	}
	s := reflector.Reflect(&Config{})
	s.ID, s.Title = SchemaID, "warder configuration"
	refineAll(s, s, reflect.TypeFor[Config]())
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("config: schema: %w", err)
	}
	return append(text, '\n'), nil
}

// leafSchema is the schema of our own scalar types.
func leafSchema(t reflect.Type) *jsonschema.Schema {
	switch {
	case isDuration(t):
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", Pattern: durationPattern}, {Const: 0}, reference()}}
	case isSize(t):
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", Pattern: sizePattern}, {Type: "integer", Minimum: "0"}, reference()}}
	case isRatio(t):
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "number", Minimum: "0", Maximum: "1"}, {Type: "string", Pattern: ratioPattern}, reference()}}
	case t == reflect.TypeFor[secret.Text]():
		return &jsonschema.Schema{Type: "string", AnyOf: []*jsonschema.Schema{{Pattern: "^(file:.+)?$"}, reference()}}
	}
	return nil
}

func reference() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: referencePattern}
}

// refineAll refines s, the schema of struct t, and those of the structs in it.
func refineAll(root, s *jsonschema.Schema, t reflect.Type) {
	refine(s, t)
	if t == reflect.TypeFor[Scheme]() {
		one := uint64(1)
		s.MinProperties, s.MaxProperties = &one, &one
	}
	for sf := range yamlFields(t) {
		inner := sf.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Map || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if definition, ok := root.Definitions[inner.Name()]; ok && inner.Kind() == reflect.Struct && definition != s {
			refineAll(root, definition, inner)
		}
	}
}

// refine adds to s, the schema of struct t, what the tags of the fields say.
func refine(s *jsonschema.Schema, t reflect.Type) {
	for sf := range yamlFields(t) {
		p, _ := s.Properties.Get(sf.Tag.Get("yaml"))
		if text := sf.Tag.Get("default"); text != "" {
			p.Default = defaultValue(sf.Type, text)
		}
		switch words := sf.Tag.Get("enum"); {
		case words != "" && sf.Type.Kind() == reflect.Slice:
			p.Items = wordSchema(words)
		case words != "":
			p.Type, p.AnyOf = "", wordSchema(words).AnyOf
		case sf.Type.Kind() == reflect.Bool:
			p.Type, p.AnyOf = "", []*jsonschema.Schema{{Type: "boolean"}, reference()}
		case sf.Type.Kind() == reflect.Int:
			number := &jsonschema.Schema{Type: "integer", Minimum: json.Number(sf.Tag.Get("min")), Maximum: json.Number(sf.Tag.Get("max"))}
			p.Type, p.AnyOf = "", []*jsonschema.Schema{number, reference()}
		}
	}
}

func wordSchema(words string) *jsonschema.Schema {
	known := &jsonschema.Schema{}
	for w := range strings.SplitSeq(words, "|") {
		known.Enum = append(known.Enum, w)
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{known, reference()}}
}

// defaultValue is the JSON value of a default.
func defaultValue(t reflect.Type, text string) any {
	switch t.Kind() {
	case reflect.Bool:
		return text == "true"
	case reflect.Int:
		return json.Number(text)
	default:
		return text
	}
}

// fieldComments returns the doc comments of this package's types ("Config") and
// their fields ("Config.Listen"), each as one line.
func fieldComments() map[string]string {
	comments := map[string]string{}
	files, err := sources.ReadDir(".")
	if err != nil {
		return comments // it compiled; a test wants every description
	}
	for _, entry := range files {
		text, err := sources.ReadFile(entry.Name())
		if err != nil {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), text, parser.ParseComments)
		if err != nil {
			continue
		}
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, spec := range gen.Specs {
				commentsOf(spec, gen.Doc, comments)
			}
		}
	}
	return comments
}

func commentsOf(spec ast.Spec, doc *ast.CommentGroup, comments map[string]string) {
	named, ok := spec.(*ast.TypeSpec)
	if !ok {
		return
	}
	comments[named.Name.Name] = oneLine(doc)
	fields, ok := named.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range fields.Fields.List {
		for _, name := range field.Names {
			comments[named.Name.Name+"."+name.Name] = oneLine(field.Doc)
		}
	}
}

func oneLine(doc *ast.CommentGroup) string { return strings.Join(strings.Fields(doc.Text()), " ") }
