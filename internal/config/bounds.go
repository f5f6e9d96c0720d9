package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// The YAML library's cost grows with the square of some things: keys of one
// map, values left out, blank lines behind a block of text, "<" in a row, tabs in
// a quoted line. These bounds keep every file of maxFile bytes well under two seconds; a
// configuration of maxRoutes routes is far from all of them.
const (
	maxDepth   = 16      // lists and maps within each other; the types need five
	maxTokens  = 400_000 // 10,000 routes with every field take about 300,000
	maxKeys    = 4096    // of one block map
	maxRepeats = 16 << 20
	maxBlank   = 32  // blank lines in a row
	maxAngles  = 256 // "<" in a row
	maxTabs    = 64  // in one line
	maxRefused = maxErrors
)

// An excess is what is wrong with a file that is not parsed for its size or
// depth.
type excess struct {
	problem      string
	line, column int
}

func (e *excess) Error() string { return e.problem }

// A scan is what preScan counts.
type scan struct {
	line, start int  // the current line's number and first byte
	inked       bool // something but blanks is in it
	tabs        int  // in it
	blank       int  // blank lines up to here
	angles      int  // "<" up to here
	marks       int  // bytes that may begin a token
}

// preScan looks at the bytes alone, before the lexer: what would make the lexer
// slow or its list of tokens long. It returns the first excess.
func preScan(content string) *excess {
	s := scan{line: 1}
	for i := range len(content) {
		s.add(content, i)
		if problem := s.problem(); problem != "" {
			return &excess{problem: problem, line: s.line, column: max(1, i-s.start+1)}
		}
	}
	return nil
}

// add takes the byte at i into account.
func (s *scan) add(content string, i int) {
	b := content[i]
	if b != '<' {
		s.angles = 0
	}
	switch b {
	case '\r', '\n':
		if b == '\r' && strings.HasPrefix(content[i+1:], "\n") {
			return // its line feed is next
		}
		if !s.inked {
			s.blank++
		}
		s.marks++
		s.inked, s.tabs = false, 0
		s.line, s.start = s.line+1, i+1
		return
	case '\t':
		s.tabs++
		return
	case ' ':
		return
	case '<':
		s.angles++
	case '[', ']', '{', '}', ',', ':', '?', '&', '*', '!', '|', '>', '@', '%', '`', '"', '\'':
		s.marks++
	case '-': // begins an entry only before a blank
		if i+1 == len(content) || strings.IndexByte(" \t\r\n", content[i+1]) >= 0 {
			s.marks++
		}
	}
	s.inked, s.blank = true, 0
}

func (s *scan) problem() string {
	switch {
	case s.angles > maxAngles:
		return fmt.Sprintf("has more than %d \"<\" in a row", maxAngles)
	case s.tabs > maxTabs:
		return fmt.Sprintf("has more than %d tabs in a line", maxTabs)
	case s.blank > maxBlank:
		return fmt.Sprintf("has more than %d blank lines in a row", maxBlank)
	case s.marks > maxTokens:
		return fmt.Sprintf("has more than %d signs of YAML", maxTokens)
	}
	return ""
}

// A gauge measures a file's tokens before they are parsed.
type gauge struct {
	brackets int
	blocks   []block // the maps and lists around the current token, but those in brackets
	repeats  int     // keys before each key in the same map, summed up
	refused  int     // anchors and the like, which decode refuses one by one
	empty    int     // values left out, which decode refuses too
}

type block struct{ column, keys int }

// measure returns the first excess of tokens.
func measure(tokens token.Tokens) *excess {
	if len(tokens) > maxTokens {
		return excessAt(tokens[maxTokens], fmt.Sprintf("has more than %d signs of YAML", maxTokens))
	}
	var g gauge
	var before *token.Token // the last one that is not a comment
	for _, tk := range tokens {
		if tk.Type == token.CommentType {
			continue
		}
		g.leftOut(before, tk)
		g.add(before, tk)
		if problem := g.problem(); problem != "" {
			return excessAt(tk, problem)
		}
		before = tk
	}
	return nil
}

func excessAt(tk *token.Token, problem string) *excess {
	return &excess{problem: problem, line: tk.Position.Line, column: tk.Position.Column}
}

func (g *gauge) problem() string {
	switch {
	case g.brackets+len(g.blocks) > maxDepth:
		return fmt.Sprintf("nests deeper than %d", maxDepth)
	case len(g.blocks) > 0 && g.blocks[len(g.blocks)-1].keys > maxKeys:
		return fmt.Sprintf("has more than %d fields in one place", maxKeys)
	case g.repeats > maxRepeats:
		return "has too many large sets of fields"
	case g.refused > maxRefused:
		return fmt.Sprintf("has more than %d anchors, aliases, tags, \"?\", \"<<\", %%-lines and \"---\", which are not accepted", maxRefused)
	case g.empty > maxRefused:
		return fmt.Sprintf("has more than %d values left out", maxRefused)
	}
	return ""
}

// add takes tk into account.
func (g *gauge) add(before, tk *token.Token) {
	switch tk.Type {
	case token.SequenceStartType, token.MappingStartType:
		g.brackets++
	case token.SequenceEndType, token.MappingEndType:
		g.brackets = max(0, g.brackets-1)
	case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType:
		g.refused++
	case token.DocumentHeaderType, token.DocumentEndType:
		g.refused++
		g.blocks, g.brackets = nil, 0
	case token.MappingKeyType:
		g.refused++
		g.enter(tk.Position.Column, false)
	case token.SequenceEntryType:
		g.enter(tk.Position.Column, false)
	case token.MappingValueType:
		key := tk
		if before != nil && before.Position.Line == tk.Position.Line && before.Type != token.MappingValueType {
			key = before
		}
		g.enter(key.Position.Column, true)
	default: // scalars and what is between them
	}
}

// enter goes to the map or list whose keys or entries begin in column.
func (g *gauge) enter(column int, key bool) {
	if g.brackets > 0 {
		return
	}
	for len(g.blocks) > 0 && g.blocks[len(g.blocks)-1].column > column {
		g.blocks = g.blocks[:len(g.blocks)-1]
	}
	if len(g.blocks) == 0 || g.blocks[len(g.blocks)-1].column < column {
		g.blocks = append(g.blocks, block{column: column})
	}
	if key {
		last := &g.blocks[len(g.blocks)-1]
		g.repeats += last.keys
		last.keys++
	}
}

// leftOut counts a value that is not there: "-" or "key:" and then, in the
// same column or to the left of it, the next one.
func (g *gauge) leftOut(before, tk *token.Token) {
	if before == nil {
		return
	}
	switch before.Type {
	case token.SequenceEntryType:
		if tk.Position.Column <= before.Position.Column {
			g.empty++
		}
	case token.MappingValueType:
		next := tk.Position.Line > before.Position.Line && len(g.blocks) > 0 && tk.Position.Column <= g.blocks[len(g.blocks)-1].column
		if next && tk.Type != token.SequenceEntryType || tk.Type == token.CollectEntryType || tk.Type == token.MappingEndType {
			g.empty++
		}
	default: // after anything else nothing is missing
	}
}
