// Package pathpattern reads and compares patterns of paths whose segments may have
// parameters within them: "/files/{name}.json", "/{a}-{b}".
//
// A parameter takes at least one byte. Segments are compared as what they decode
// to, byte by byte and with case.
package pathpattern

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/warder-dev/warder/internal/hexadecimal"
)

// What a segment may be, so that comparing two is quick.
const (
	maxGaps = 8
	maxText = 256 // bytes, without the gaps
)

// A Segment is what one segment of a path may be: texts, and gaps between them that
// take any bytes, one at least.
type Segment struct{ texts []string }

// Literal is the segment that is text, decoded.
func Literal(text string) Segment { return Segment{[]string{text}} }

// Any is the segment that is one gap.
func Any() Segment { return Segment{[]string{"", ""}} }

// What may be wrong with a segment.
var (
	errAdjacent = errors.New("has two parameters with nothing between them: nobody could tell where one ends")
	errGaps     = fmt.Errorf("has more than %d parameters in a segment, or more than %d bytes beside them", maxGaps, maxText)
	errBraces   = errors.New("has a brace that opens or closes nothing")
)

// Between returns the segment of texts, decoded, with a gap between each two.
func Between(texts ...string) (Segment, error) {
	n := 0
	for i, text := range texts {
		n += len(text)
		if text == "" && i > 0 && i < len(texts)-1 {
			return Segment{}, errAdjacent
		}
	}
	if len(texts) > maxGaps+1 || n > maxText {
		return Segment{}, errGaps
	}
	return Segment{texts}, nil
}

// Cut returns what stands around and between the parameters of raw, which are in
// braces, and their names.
func Cut(raw string) (texts, names []string, err error) {
	for {
		text, rest, opens := strings.Cut(raw, "{")
		if strings.Contains(text, "}") {
			return nil, nil, errBraces
		}
		texts = append(texts, text)
		if !opens {
			return texts, names, nil
		}
		name, behind, closes := strings.Cut(rest, "}")
		if !closes || strings.Contains(name, "{") {
			return nil, nil, errBraces
		}
		names, raw = append(names, name), behind
	}
}

// Mixed reports whether s has both texts and gaps.
func (s Segment) Mixed() bool {
	return len(s.texts) > 1 && (len(s.texts) > 2 || s.texts[0] != "" || s.texts[1] != "")
}

// gaps is how many there are.
func (s Segment) gaps() int { return len(s.texts) - 1 }

// Matches reports whether raw, a segment as a canonical path has it, decodes to
// what s may be.
func (s Segment) Matches(raw string) bool {
	if len(s.texts) == 2 && !s.Mixed() {
		return raw != ""
	}
	if strings.IndexByte(raw, '%') < 0 {
		return matches(s.texts, raw)
	}
	if s.gaps() == 0 {
		return Spells(raw, s.texts[0])
	}
	var short [128]byte
	decoded, ok := appendDecoded(short[:0], raw)
	return ok && matches(s.texts, decoded)
}

func appendDecoded(to []byte, raw string) ([]byte, bool) {
	for raw != "" {
		b, n, ok := hexadecimal.Octet(raw)
		if !ok {
			return nil, false
		}
		to, raw = append(to, b), raw[n:]
	}
	return to, true
}

type text interface{ ~string | ~[]byte }

func matches[T text](texts []string, s T) bool {
	first, last := texts[0], texts[len(texts)-1]
	if len(texts) == 1 {
		return len(s) == len(first) && has(s, 0, first)
	}
	from, to := len(first), len(s)-len(last)
	if to <= from || !has(s, 0, first) || !has(s, to, last) {
		return false
	}
	for _, middle := range texts[1 : len(texts)-1] {
		at := find(s, from+1, to, middle)
		if at < 0 {
			return false
		}
		from = at + len(middle)
	}
	return from < to
}

// has reports whether s has what at i.
func has[T text](s T, i int, what string) bool {
	if len(s)-i < len(what) {
		return false
	}
	for j := range len(what) {
		if s[i+j] != what[j] {
			return false
		}
	}
	return true
}

// find returns where what is first, from a position on and with a byte behind it
// before to; -1 for nowhere.
func find[T text](s T, from, to int, what string) int {
	for i := from; i+len(what) < to; i++ {
		if has(s, i, what) {
			return i
		}
	}
	return -1
}

// Splits returns what the gaps of s take of raw, still encoded: every way that there
// is, since frameworks differ in which they take. ok is false for more than most
// ways; for none the list is empty.
func (s Segment) Splits(raw string, most int) (all [][]string, ok bool) {
	p := splitter{texts: s.texts, raw: raw, most: most}
	for at := 0; at < len(raw); {
		b, n, valid := hexadecimal.Octet(raw[at:])
		if !valid {
			return nil, true
		}
		p.decoded, p.starts = append(p.decoded, b), append(p.starts, at)
		at += n
	}
	p.starts = append(p.starts, len(raw))
	last := s.texts[len(s.texts)-1]
	p.end = len(p.decoded) - len(last)
	if !matches(s.texts, p.decoded) {
		return nil, true
	}
	if s.gaps() > 0 {
		p.split(1, len(s.texts[0]), nil)
	}
	return p.all, len(p.all) <= most
}

type splitter struct {
	texts   []string
	raw     string
	decoded []byte
	starts  []int // of each decoded byte in raw
	end     int   // where the last text begins
	most    int
	all     [][]string
}

// split goes on with the gap before the text i, which begins at from.
func (p *splitter) split(i, from int, taken []string) {
	if i == len(p.texts)-1 {
		if from < p.end {
			p.all = append(p.all, append(slices.Clip(taken), p.raw[p.starts[from]:p.starts[p.end]]))
		}
		return
	}
	for at := from; len(p.all) <= p.most; {
		if at = find(p.decoded, at+1, p.end, p.texts[i]); at < 0 {
			return
		}
		before := len(p.all)
		p.split(i+1, at+len(p.texts[i]), append(slices.Clip(taken), p.raw[p.starts[from]:p.starts[at]]))
		if len(p.all) == before {
			return // what follows found no place, and has less of it further on
		}
	}
}

// generic stands for a gap in a text that no pattern has: whatever takes it takes
// any text.
const generic = "\x00"

// Within reports whether everything that s takes is taken by o.
func (s Segment) Within(o Segment) bool { return matches(o.texts, strings.Join(s.texts, generic)) }

// Meets reports whether something is taken by both.
func (s Segment) Meets(o Segment) bool {
	switch {
	case s.gaps() == 0:
		return matches(o.texts, s.texts[0])
	case o.gaps() == 0:
		return matches(s.texts, o.texts[0])
	}
	a, b := s.tokens(), o.tokens()
	known := make([]bool, (len(a)+1)*(len(b)+1)) // what was looked into, and led nowhere
	var meet func(i, j int) bool
	meet = func(i, j int) bool {
		if i == len(a) && j == len(b) {
			return true
		}
		at := i*(len(b)+1) + j
		if known[at] {
			return false
		}
		known[at] = true
		moreA, moreB := i < len(a), j < len(b)
		switch {
		case moreA && a[i] == many && meet(i+1, j), moreB && b[j] == many && meet(i, j+1):
			return true
		case !moreA || !moreB:
			return false
		case a[i] == many && b[j] == many:
			return false // one of the two goes on first
		case a[i] == many:
			return meet(i, j+1)
		case b[j] == many:
			return meet(i+1, j)
		default:
			return (a[i] == b[j] || a[i] == one || b[j] == one) && meet(i+1, j+1)
		}
	}
	return meet(0, 0)
}

// Tokens of a segment, beside bytes.
const (
	one  = -1 // any byte
	many = -2 // any bytes, or none
)

func (s Segment) tokens() (all []int) {
	for i, t := range s.texts {
		if i > 0 {
			all = append(all, one, many)
		}
		for j := range len(t) {
			all = append(all, int(t[j]))
		}
	}
	return all
}

// Spells reports whether raw decodes to text. It does not allocate.
func Spells(raw, text string) bool {
	for i := range len(text) {
		if raw == "" {
			return false
		}
		b, n, ok := hexadecimal.Octet(raw)
		if !ok || b != text[i] {
			return false
		}
		raw = raw[n:]
	}
	return raw == ""
}

// What no segment of a canonical path has.
var (
	ErrEscape    = errors.New("want a percent sign to be followed by two hexadecimal digits")
	ErrCharacter = errors.New("want every other character percent-encoded, and neither control characters nor backslashes")
	ErrDots      = errors.New("no path has dot segments")
	ErrUTF8      = errors.New("no path decodes to what is not UTF-8")
)

// Decode returns the text of a segment that a canonical path can have. special are
// characters that stand for something else in the pattern.
func Decode(raw, special string) (string, error) {
	s, err := DecodePart(raw, special)
	if s == "." || s == ".." {
		return "", ErrDots
	}
	return s, err
}

// DecodePart is Decode for what is not the whole segment.
func DecodePart(raw, special string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(raw); {
		c, n, ok := hexadecimal.Octet(raw[i:])
		switch {
		case !ok:
			return "", ErrEscape
		case n == 1 && (c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>?[]^`|;", c) >= 0 || strings.IndexByte(special, c) >= 0), c < ' ' || c == 0x7f || c == '\\':
			return "", ErrCharacter
		}
		b.WriteByte(c)
		i += n
	}
	if !utf8.ValidString(b.String()) {
		return "", ErrUTF8
	}
	return b.String(), nil
}
