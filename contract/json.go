package contract

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// What a JSON text may hold beside its bytes.
type jsonLimits struct {
	depth   int // of arrays and objects
	members int // of objects, and items of arrays, altogether
	number  int // characters of a number
}

// maxExponent bounds exponents, so that no number is longer than what was sent.
const maxExponent = 400

var (
	errJSON      = errors.New("is not JSON (RFC 8259), in UTF-8")
	errDepth     = errors.New("is nested too deeply")
	errMembers   = errors.New("has too many members and items")
	errNumber    = errors.New("has a number that is too long or too large")
	errTwice     = errors.New("has a member that is there twice")
	errSurrogate = errors.New("has half of a character")
)

// number is a JSON number. It is exact: a float64 confuses neighbours beyond
// 2^53.
type number struct {
	small int64    // its value, if exact is nil
	exact *big.Rat // nil for what small holds
	whole bool     // it is an integer, however it is written
	plain bool     // it is written as an integer: without fraction and exponent
}

func (n *number) rat() *big.Rat {
	if n.exact != nil {
		return n.exact
	}
	return new(big.Rat).SetInt64(n.small)
}

// cmp compares like strings.Compare.
func (n *number) cmp(other *number) int {
	if n.exact == nil && other.exact == nil {
		switch {
		case n.small < other.small:
			return -1
		case n.small > other.small:
			return 1
		default:
			return 0
		}
	}
	return n.rat().Cmp(other.rat())
}

// text is the same for equal numbers, and for these alone.
func (n *number) text() string {
	if n.exact != nil {
		return n.exact.RatString()
	}
	return strconv.FormatInt(n.small, 10)
}

// parseNumber reads a number that is one by grammar.
func parseNumber(text string) (*number, error) {
	if !strings.ContainsAny(text, ".eE") && len(text) <= 18 {
		i, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, errJSON
		}
		return &number{small: i, whole: true, plain: true}, nil
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		exponent, err := strconv.Atoi(text[i+1:])
		if err != nil || exponent > maxExponent || exponent < -maxExponent {
			return nil, errNumber
		}
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, errJSON
	}
	n := &number{exact: r, whole: r.IsInt(), plain: !strings.ContainsAny(text, ".eE")}
	if n.whole && r.Num().IsInt64() {
		n.small, n.exact = r.Num().Int64(), nil
	}
	return n, nil
}

// numberLength returns the length of the number that text begins with (RFC 8259,
// section 6); 0 for none.
func numberLength(text string) int {
	i := 0
	if i < len(text) && text[i] == '-' {
		i++
	}
	switch n := digits(text[i:]); {
	case n == 0:
		return 0
	case text[i] == '0':
		i++
	default:
		i += n
	}
	if i < len(text) && text[i] == '.' {
		n := digits(text[i+1:])
		if n == 0 {
			return 0
		}
		i += 1 + n
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		j := i + 1
		if j < len(text) && (text[j] == '+' || text[j] == '-') {
			j++
		}
		n := digits(text[j:])
		if n == 0 {
			return 0
		}
		i = j + n
	}
	return i
}

func digits(text string) int {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return n
}

// parseJSON reads text, which must be one JSON value in valid UTF-8 with nothing
// behind it, and have one reading: no member is there twice, no text has half of
// a surrogate pair. Values are nil, bool, string, *number, []any and
// map[string]any. The strings share text's memory.
func parseJSON(text string, l jsonLimits) (any, error) {
	if !utf8.ValidString(text) {
		return nil, errJSON
	}
	p := jsonParser{text: text, limits: l}
	value, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at != len(text) {
		return nil, errJSON
	}
	return value, nil
}

type jsonParser struct {
	text    string
	at      int
	limits  jsonLimits
	members int
}

// space skips white space and returns the byte behind it; 0 at the end.
func (p *jsonParser) space() byte {
	for ; p.at < len(p.text); p.at++ {
		switch b := p.text[p.at]; b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}

// take skips white space and want, if it comes next.
func (p *jsonParser) take(want byte) bool {
	if p.space() != want || p.at == len(p.text) {
		return false
	}
	p.at++
	return true
}

func (p *jsonParser) value(depth int) (any, error) {
	switch b := p.space(); {
	case b == '{', b == '[':
		if depth >= p.limits.depth {
			return nil, errDepth
		}
		p.at++
		if b == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case b == '"':
		return p.string()
	case b == '-', '0' <= b && b <= '9':
		n := numberLength(p.text[p.at:])
		if n == 0 {
			return nil, errJSON
		}
		if n > p.limits.number {
			return nil, errNumber
		}
		p.at += n
		return parseNumber(p.text[p.at-n : p.at])
	}
	for _, word := range []struct {
		text  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if strings.HasPrefix(p.text[p.at:], word.text) {
			p.at += len(word.text)
			return word.value, nil
		}
	}
	return nil, errJSON
}

// count notes one more member or item.
func (p *jsonParser) count() error {
	if p.members++; p.members > p.limits.members {
		return errMembers
	}
	return nil
}

func (p *jsonParser) object(depth int) (any, error) {
	object := map[string]any{}
	if p.take('}') {
		return object, nil
	}
	for {
		if err := p.count(); err != nil {
			return nil, err
		}
		if p.space() != '"' {
			return nil, errJSON
		}
		name, err := p.string()
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, errTwice
		}
		if !p.take(':') {
			return nil, errJSON
		}
		if object[name], err = p.value(depth); err != nil {
			return nil, err
		}
		if p.take(',') {
			continue
		}
		if p.take('}') {
			return object, nil
		}
		return nil, errJSON
	}
}

func (p *jsonParser) array(depth int) (any, error) {
	array := []any{}
	if p.take(']') {
		return array, nil
	}
	for {
		if err := p.count(); err != nil {
			return nil, err
		}
		value, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
		if p.take(',') {
			continue
		}
		if p.take(']') {
			return array, nil
		}
		return nil, errJSON
	}
}

// string reads what is between two quotes.
func (p *jsonParser) string() (string, error) {
	p.at++
	start := p.at
	for ; p.at < len(p.text); p.at++ {
		switch b := p.text[p.at]; {
		case b == '"':
			p.at++
			return p.text[start : p.at-1], nil
		case b == '\\':
			return p.escaped(start)
		case b < ' ':
			return "", errJSON
		}
	}
	return "", errJSON
}

// escaped goes on with a string that has an escape in it.
func (p *jsonParser) escaped(start int) (string, error) {
	var b strings.Builder
	b.WriteString(p.text[start:p.at])
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == '"':
			return b.String(), nil
		case c < ' ':
			return "", errJSON
		case c != '\\':
			b.WriteByte(c)
		default:
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		}
	}
	return "", errJSON
}

// escape reads what is behind a backslash.
func (p *jsonParser) escape() (rune, error) {
	if p.at == len(p.text) {
		return 0, errJSON
	}
	c := p.text[p.at]
	p.at++
	if c == 'u' {
		return p.unicode()
	}
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	return 0, errJSON
}

// unicode reads four digits, and those of the other half where they are one.
func (p *jsonParser) unicode() (rune, error) {
	r, err := p.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !strings.HasPrefix(p.text[p.at:], `\u`) {
		return 0, errSurrogate
	}
	p.at += 2
	low, err := p.hex()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, errSurrogate
	}
	return r, nil
}

func (p *jsonParser) hex() (rune, error) {
	if len(p.text)-p.at < 4 {
		return 0, errJSON
	}
	n, err := strconv.ParseUint(p.text[p.at:p.at+4], 16, 16)
	if err != nil || strings.ContainsAny(p.text[p.at:p.at+4], "+-_") {
		return 0, errJSON
	}
	p.at += 4
	return rune(n), nil
}
