package config

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"
)

var errYAML = errors.New("is not YAML")

// loadFile decodes the file into l.config.
func (l *loader) loadFile() {
	if l.file == "" {
		return
	}
	content, err := readBounded(l.file, maxFile)
	if err != nil {
		l.unread = true
		l.fail(origin{}, "", "cannot read the file: "+err.Error(), "")
		return
	}
	if !utf8.Valid(content) {
		l.unread = true
		l.fail(origin{}, "", "is not UTF-8 text", "")
		return
	}
	docs := l.parse(string(content))
	if len(docs) > 1 {
		l.unread = true
		l.fail(l.at(docs[1]), "", "has more than one YAML document", "take away all but one")
		return
	}
	for _, doc := range docs {
		l.decode("", reflect.ValueOf(l.config).Elem(), "", doc)
	}
}

// parse returns the content of each document that is not empty.
func (l *loader) parse(content string) []ast.Node {
	file, err := parseYAML(strings.TrimPrefix(content, byteOrderMark))
	if err != nil {
		o, problem, hint := l.unparsed(err)
		l.unread = true
		l.fail(o, "", problem, hint)
		return nil
	}
	var docs []ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType {
			continue
		}
		docs = append(docs, doc.Body)
	}
	return docs
}

// unparsed describes err of parseYAML. The parser's own text may quote the file,
// where a secret may have been put by mistake: only its place is taken, and what
// it means in words of ours.
func (l *loader) unparsed(err error) (o origin, problem, hint string) {
	if e, ok := errors.AsType[*excess](err); ok {
		return origin{place: l.file, line: e.line, column: e.column}, e.problem, ""
	}
	syntax, ok := errors.AsType[*yaml.SyntaxError](err)
	if !ok {
		return origin{}, errYAML.Error(), ""
	}
	o = l.atToken(syntax.GetToken())
	switch firstLine(syntax.GetMessage()) {
	case "mapping value is not allowed in this context":
		return o, "is not YAML: \": \" within a value", "put the value in quotes"
	case "value is not allowed in this context. map key-value is pre-defined", "value is not allowed in this context", "non-map value is specified":
		return o, "is not YAML: a value where a field was expected", "look at the indentation, and for a missing \":\""
	case "unexpected key name", "map key definition includes an implicit line break":
		return o, "is not YAML: a name goes over several lines", "look for a missing \":\" or quote"
	case "sequence end token ']' not found", "',' or ']' must be specified":
		return o, "is not YAML: a list is not closed", "look for a missing \"]\" or \",\""
	case "could not find flow mapping end token '}'", "',' or '}' must be specified":
		return o, "is not YAML: a set of fields is not closed", "look for a missing \"}\" or \",\""
	case "could not find end character of single-quoted text", "could not find end character of double-quoted text":
		return o, "is not YAML: a quote is not closed", ""
	case "found character '\t' that cannot start any token", "found a tab character where an indentation space is expected":
		return o, "is not YAML: a tab in the indentation", "use spaces"
	}
	return o, errYAML.Error(), ""
}

// byteOrderMark is what some editors begin a text in UTF-8 with (YAML 1.2.2, section
// 5.2).
const byteOrderMark = "\ufeff"

// parseYAML parses content. Input that is too much for the parser, or makes it
// panic, is an error.
func parseYAML(content string) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			file, err = nil, errYAML
		}
	}()
	if e := preScan(content); e != nil {
		return nil, e
	}
	tokens, err := tokenize(content)
	if err != nil {
		return nil, err
	}
	if e := measure(tokens); e != nil {
		return nil, e
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are reported by decode, all of them
}

// ScanYAML reports text that is no YAML, or too much for a parser: nested too
// deeply, or with too many aliases. For files beside the configuration.
func ScanYAML(text string) error {
	if e := preScan(text); e != nil {
		return errors.New(e.problem)
	}
	tokens, err := tokenize(text)
	if err != nil {
		return errYAML
	}
	if e := measure(tokens); e != nil {
		return errors.New(e.problem)
	}
	return nil
}

// tokenize is lexer.Tokenize that ends at the first invalid token.
func tokenize(content string) (token.Tokens, error) {
	var s scanner.Scanner
	s.Init(content)
	var tokens token.Tokens
	for {
		more, err := s.Scan()
		if errors.Is(err, io.EOF) {
			return tokens, nil
		}
		if err != nil && len(more) > 0 {
			return nil, &yaml.SyntaxError{Message: more[len(more)-1].Error, Token: more[len(more)-1]}
		}
		if err != nil {
			return nil, errYAML
		}
		tokens.Add(more...)
	}
}

// at is the place of node in the file.
func (l *loader) at(node ast.Node) origin {
	switch n := node.(type) {
	case nil:
		return origin{}
	case *ast.MappingValueNode: // its own token is the colon
		return l.at(n.Key)
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return l.at(n.Values[0].Key)
		}
	}
	return l.atToken(node.GetToken())
}

// atValue is the place of a pair's value, or of its key when the value is a
// list or set of fields on the next lines.
func (l *loader) atValue(pair *ast.MappingValueNode) origin {
	key, value := l.at(pair.Key), l.at(pair.Value)
	if value.line == key.line {
		return value
	}
	return key
}

func (l *loader) atToken(tk *token.Token) origin {
	if tk == nil || tk.Position == nil {
		return origin{place: l.file, line: 1, column: 1}
	}
	return origin{place: l.file, line: max(1, tk.Position.Line), column: max(1, tk.Position.Column)}
}

func firstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// expand replaces ${NAME} in text by the environment's value and $${ by ${. The
// values are not looked at again.
func (l *loader) expand(field, text string, o *origin) (string, bool) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), true
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		name, rest, closed := strings.Cut(text[i+2:], "}")
		if !closed || !validVariable(name) {
			l.fail(*o, field, "\"${\" does not begin the name of a variable", "write ${NAME}, or $${ for the characters themselves")
			return "", false
		}
		value, ok := l.env[name]
		if !ok {
			l.fail(*o, field, "the environment has no "+showVariable(name), "")
			return "", false
		}
		l.used[name], o.substituted = true, true
		b.WriteString(text[:i] + value)
		text = rest
	}
}

// showVariable names a variable that there is not, unless it looks like
// something else: a secret put between the braces.
func showVariable(name string) string {
	if len(name) > 64 || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || likeSecret(name) {
		return "such variable"
	}
	return "variable " + name
}

// validVariable reports whether name is one of a variable (POSIX, section 8.1).
func validVariable(name string) bool {
	for i := range len(name) {
		b := name[i]
		valid := 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b == '_' || i > 0 && '0' <= b && b <= '9'
		if !valid {
			return false
		}
	}
	return name != ""
}
