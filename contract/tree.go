package contract

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxNumber is how long a number of a document may be, in characters.
const maxNumber = 64

// parse reads text as JSON when it begins like an object, else as YAML. Numbers
// that stand for text, as the status codes of YAML, become text.
func parse(text []byte, l Options) (map[string]any, error) {
	if len(text) > l.Bytes {
		return nil, &Error{"#", "the document is too long: the limit is " + itoa(l.Bytes) + " bytes"}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, &Error{"#", "the document is empty"}
	}
	var value any
	var err error
	if bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		value, err = parseJSON(string(text), jsonLimits{depth: l.Depth, members: l.Values, number: maxNumber})
		if err != nil {
			err = &Error{"#", "the document " + err.Error()}
		}
	} else {
		value, err = parseYAML(text, l)
	}
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, &Error{"#", "the document is no object, want one with openapi, info and paths"}
	}
	return object, nil
}

// parseYAML reads the JSON that YAML can express (OpenAPI 3.1, section 4.3).
func parseYAML(text []byte, l Options) (value any, err error) {
	defer func() {
		if recover() != nil { // what a parser of others does with what it never met
			value, err = nil, &Error{"#", "the document is neither JSON nor YAML"}
		}
	}()
	if !utf8.Valid(text) {
		return nil, &Error{"#", "the document is not UTF-8"}
	}
	if n := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte(",")) + bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")); n > l.Values {
		return nil, &Error{"#", "the document " + errMembers.Error()} // before a tree of them takes memory
	}
	var root yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&root); err != nil {
		return nil, &Error{"#", "the document is neither JSON nor YAML: " + shorten(strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	if err := decoder.Decode(new(yaml.Node)); err == nil {
		return nil, &Error{"#", "has more than one YAML document"}
	}
	if len(root.Content) != 1 {
		return nil, &Error{"#", "the document is empty"}
	}
	r := yamlReader{limits: l}
	value, problem := r.value(root.Content[0], 0)
	if problem != nil {
		return nil, &Error{"#", "line " + itoa(r.line) + " " + problem.Error()}
	}
	return value, nil
}

type yamlReader struct {
	limits Options
	values int
	line   int // of the node that is wrong
}

var (
	errAlias = errors.New("has an alias of YAML: write the value out, or use $ref")
	errTag   = errors.New("has a tag of YAML that JSON has no type for")
	errKey   = errors.New("has a name that is no plain text, or a merge key")
)

func (r *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	r.line = n.Line
	if r.values++; r.values > r.limits.Values {
		return nil, errMembers
	}
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		if depth >= r.limits.Depth {
			return nil, errDepth
		}
		if n.Kind == yaml.MappingNode {
			return r.object(n, depth+1)
		}
		array := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			value, err := r.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			array = append(array, value)
		}
		return array, nil
	case yaml.ScalarNode:
		return scalar(n)
	case yaml.AliasNode:
		return nil, errAlias
	case yaml.DocumentNode:
		return nil, errTag
	default:
		return nil, errTag
	}
}

func (r *yamlReader) object(n *yaml.Node, depth int) (any, error) {
	object := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		r.line = key.Line
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
			return nil, errKey
		}
		if _, twice := object[key.Value]; twice {
			return nil, errTwice
		}
		value, err := r.value(n.Content[i+1], depth)
		if err != nil {
			return nil, err
		}
		object[key.Value] = value
	}
	return object, nil
}

// scalar is the JSON value of n.
func scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil //nolint:nilnil // null is a value
	case "!!bool":
		var b bool
		err := n.Decode(&b)
		return b, err
	case "!!int", "!!float":
		if numberLength(n.Value) == len(n.Value) && n.Value != "" {
			if len(n.Value) > maxNumber {
				return nil, errNumber
			}
			return parseNumber(n.Value)
		}
		return n.Value, nil // 0x1F, 1_000, .inf: JSON has no such number
	case "!!str", "!!timestamp":
		return n.Value, nil
	default:
		return nil, errTag
	}
}
