package contract

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// What the patterns of a document may take.
const (
	maxPattern  = 4096    // bytes of one
	maxProgram  = 20_000  // instructions of one, at most
	maxPrograms = 500_000 // of all
)

// pattern compiles a regular expression. They are ECMA-262's by the book, and
// matched here by package regexp, in linear time: what that does not know, such as
// a look-ahead, is an error.
func (c *compiler) pattern(place string, value any) *regexp.Regexp {
	text, ok := value.(string)
	if !ok {
		c.fail(place, "is no text")
		return nil
	}
	if p, ok := c.patterns[text]; ok {
		return p
	}
	p, size, problem := compilePattern(text)
	if problem != "" {
		c.fail(place, problem)
		return nil
	}
	if c.programs += size; c.programs > maxPrograms {
		c.fail(place, "is one pattern too many: all together they would take too much memory")
		return nil
	}
	c.patterns[text] = p
	return p
}

// compilePattern returns the pattern and at most how many instructions it takes.
func compilePattern(text string) (p *regexp.Regexp, size int, problem string) {
	if len(text) > maxPattern {
		return nil, 0, "is a pattern of more than " + itoa(maxPattern) + " bytes"
	}
	text = translate(text)
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, 0, "is a pattern that cannot be matched in linear time, or none: " + shorten(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if size = instructions(tree); size > maxProgram {
		return nil, 0, "is a pattern that would take too much memory: use shorter repetitions"
	}
	p, err = regexp.Compile(text)
	if err != nil {
		return nil, 0, "is no pattern: " + shorten(err.Error())
	}
	return p, size, ""
}

// instructions estimates the size of a program from above, without making it.
func instructions(r *syntax.Regexp) int {
	n := 1
	switch r.Op {
	case syntax.OpLiteral:
		n += len(r.Rune)
	case syntax.OpCharClass:
		n += len(r.Rune) / 8
	default:
	}
	for _, sub := range r.Sub {
		n += instructions(sub)
		if n > maxProgram {
			return n
		}
	}
	if r.Op == syntax.OpRepeat {
		n *= max(r.Min, r.Max, 1) + 1
	}
	return n + 2
}

// translate writes ECMA-262's \uHHHH and \u{H} as package regexp does.
func translate(text string) string {
	if !strings.Contains(text, `\u`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		rest := text[i+2:]
		switch {
		case text[i+1] == 'u' && strings.HasPrefix(rest, "{"):
			b.WriteString(`\x`)
			i++
		case text[i+1] == 'u' && len(rest) >= 4:
			b.WriteString(`\x{` + rest[:4] + `}`)
			i += 5
		default:
			b.WriteString(text[i : i+2])
			i++
		}
	}
	return b.String()
}
