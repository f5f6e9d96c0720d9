package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxDepth bounds how deep lists and maps may nest; the types need five.
const maxDepth = 16

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
	file, err := parseYAML(content)
	if err != nil {
		// The parser's own text may quote the file; only its message is taken.
		o, message := origin{}, err.Error()
		if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok {
			o, message = l.atToken(syntax.GetToken()), "is not YAML: "+firstLine(syntax.GetMessage())
		}
		l.unread = true
		l.fail(o, "", message, "")
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

// parseYAML parses content. Input that makes the parser panic, or nest deep
// enough to exhaust the stack, is an error.
func parseYAML(content string) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			file, err = nil, errYAML
		}
	}()
	tokens := lexer.Tokenize(content)
	if tk := tooDeep(tokens); tk != nil {
		return nil, &yaml.SyntaxError{Message: fmt.Sprintf("nests deeper than %d", maxDepth), Token: tk}
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are reported by decode, all of them
}

// tooDeep returns the first token that nests deeper than maxDepth: by brackets,
// by indentation, or by several openings in one line ("- - - -").
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, line, openings := 0, 0, 0
	var columns []int // of the lines around the current one
	for _, tk := range tokens {
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets = max(0, brackets-1)
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.AliasType, token.TagType, token.MappingValueType:
			openings++
		}
		if tk.Position.Line != line {
			line, openings = tk.Position.Line, 0
			for len(columns) > 0 && columns[len(columns)-1] >= tk.Position.Column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, tk.Position.Column)
		}
		if brackets > maxDepth || brackets == 0 && openings > maxDepth || len(columns) > 4*maxDepth {
			return tk
		}
	}
	return nil
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
			l.fail(*o, field, "the environment has no variable "+clip(name), "")
			return "", false
		}
		l.used[name], o.substituted = true, true
		b.WriteString(text[:i] + value)
		text = rest
	}
}

// validVariable reports whether name is one of a variable (POSIX, section 8.1).
func validVariable(name string) bool {
	for i := range len(name) {
		b := name[i]
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b == '_' || i > 0 && '0' <= b && b <= '9') {
			return false
		}
	}
	return name != ""
}
