package config

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
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
		if path == "" && p.shorthand && (name == "upstreams" || name == "routes" || name == "openapi_documents") {
			continue
		}
		switch {
		case sf.Tag.Get("unset") == "inherited" && f.IsZero(): // an empty value would mean something else, or nothing
		case isScalar(f.Type()):
			p.scalar(indent+name+":", f, field)
		case f.Kind() == reflect.Pointer && f.IsNil(): // a part that is not there has no text
		case f.Type() == reflect.TypeFor[[]Alternative]() && f.IsNil(): // inherited; the empty list would mean something else
		case f.Kind() == reflect.Pointer:
			p.part(indent+name+":", f.Elem(), field, indent)
		case f.Kind() == reflect.Struct:
			p.part(indent+name+":", f, field, indent)
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

// part writes the struct v behind label.
func (p *printer) part(label string, v reflect.Value, path, indent string) {
	start := p.out.Len()
	p.out.WriteString(label + "\n")
	behind := p.out.Len()
	p.fields(v, path, indent+"  ")
	if p.out.Len() == behind { // it has no fields
		p.out.Truncate(start)
		p.out.WriteString(label + " {}" + p.comment(path))
	}
}

// entries writes those of the map v, by name.
func (p *printer) entries(v reflect.Value, path, indent string) {
	for _, key := range sortedMapKeys(v) {
		entry, label, field := v.MapIndex(reflect.ValueOf(key)), indent+strconv.Quote(key)+":", join(path, key)
		switch {
		case entry.Kind() == reflect.Struct:
			p.part(label, entry, field, indent)
		case isScalar(entry.Type()):
			p.scalar(label, entry, field)
		case entry.Len() == 0:
			p.out.WriteString(label + " " + emptyOf(entry) + p.comment(field))
		default:
			p.out.WriteString(label + "\n")
			p.list(entry, field, indent+"  ")
		}
	}
}

// list writes the elements of v.
func (p *printer) list(v reflect.Value, path, indent string) {
	for i := range v.Len() {
		field, entry := fmt.Sprintf("%s[%d]", path, i), v.Index(i)
		start := p.out.Len()
		switch {
		case isScalar(entry.Type()):
			p.scalar(indent+"-", entry, field)
			continue
		case entry.Kind() == reflect.Map && entry.Len() == 0:
			p.out.WriteString(indent + "- {}" + p.comment(field))
			continue
		case entry.Kind() == reflect.Map:
			p.entries(entry, field, indent+"  ")
		default:
			p.fields(entry, field, indent+"  ")
		}
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
	case Ratio:
		return x.String()
	case string:
		return quote(strings.ReplaceAll(x, "${", "$${"))
	default:
		return fmt.Sprint(x)
	}
}

// sortedMapKeys returns the keys of v, a map by name.
func sortedMapKeys(v reflect.Value) []string {
	names := make([]string, 0, v.Len())
	for _, key := range v.MapKeys() {
		names = append(names, key.String())
	}
	slices.Sort(names)
	return names
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
