package config

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/secret"
)

// Print writes the effective configuration as YAML. Behind each value a comment
// tells where it came from: default, file:line, the variable or the flag.
// Secrets print as "[secret]", and a value for which the file refers to the
// environment as the file has it. It fails when w does.
func (c *Config) Print(w io.Writer) error {
	p := &printer{origins: c.origins, shorthand: c.Upstream != ""}
	p.fields(reflect.ValueOf(c).Elem(), "", "")
	_, err := w.Write(p.out.Bytes())
	return err
}

type printer struct {
	out       bytes.Buffer
	origins   map[string]origin
	shorthand bool // upstreams and routes were made from upstream
}

// fields writes those of the struct v.
func (p *printer) fields(v reflect.Value, path, indent string) {
	for sf := range yamlFields(v.Type()) {
		name := sf.Tag.Get("yaml")
		f, field := v.FieldByIndex(sf.Index), join(path, name)
		if path == "" && p.shorthand && (name == "upstreams" || name == "routes") {
			continue
		}
		switch {
		case isScalar(f.Type()):
			p.scalar(indent+name+":", f, field)
		case f.Kind() == reflect.Struct:
			p.out.WriteString(indent + name + ":\n")
			p.fields(f, field, indent+"  ")
		case f.Len() == 0:
			p.out.WriteString(indent + name + ": " + emptyOf(f) + p.comment(field))
		case f.Kind() == reflect.Map:
			p.out.WriteString(indent + name + ":\n")
			p.entries(f, field, indent+"  ")
		default:
			p.out.WriteString(indent + name + ":\n")
			p.list(f, field, indent+"  ")
		}
	}
}

// entries writes those of the map v, by name.
func (p *printer) entries(v reflect.Value, path, indent string) {
	m, ok := reflect.TypeAssert[map[string]Upstream](v)
	if !ok {
		return // there is no other map; a test prints every field
	}
	for _, name := range sortedKeys(m) {
		p.out.WriteString(indent + strconv.Quote(name) + ":\n")
		p.fields(reflect.ValueOf(m[name]), join(path, name), indent+"  ")
	}
}

// list writes the elements of v.
func (p *printer) list(v reflect.Value, path, indent string) {
	for i := range v.Len() {
		field := fmt.Sprintf("%s[%d]", path, i)
		if isScalar(v.Index(i).Type()) {
			p.scalar(indent+"-", v.Index(i), field)
			continue
		}
		start := p.out.Len()
		p.fields(v.Index(i), field, indent+"  ")
		p.out.Bytes()[start+len(indent)] = '-' // in the indentation of the first field
	}
}

// scalar writes one value behind label.
func (p *printer) scalar(label string, v reflect.Value, field string) {
	o := p.origins[field]
	text := scalarText(v)
	if o.substituted && v.Type() != reflect.TypeFor[secret.Text]() {
		text = quote(o.raw)
	}
	p.out.WriteString(label + " " + text + p.comment(field))
}

func (p *printer) comment(field string) string {
	return " # " + strings.Map(printable, p.origins[field].String()) + "\n"
}

// printable keeps a file's name from ending the comment.
func printable(r rune) rune {
	if !strconv.IsPrint(r) {
		return '?'
	}
	return r
}

// scalarText is the YAML of v.
func scalarText(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case secret.Text:
		if x.IsZero() {
			return `""`
		}
		return quote(x.String())
	case time.Duration:
		return formatDuration(x)
	case Size:
		return x.String()
	case string:
		return quote(strings.ReplaceAll(x, "${", "$${"))
	default:
		return fmt.Sprint(x)
	}
}

func emptyOf(v reflect.Value) string {
	if v.Kind() == reflect.Map {
		return "{}"
	}
	return "[]"
}

// quote is a double-quoted scalar (YAML 1.2, section 7.3.1), whose escapes
// strconv shares.
func quote(s string) string { return strconv.Quote(s) }
