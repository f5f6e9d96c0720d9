package keyimport

import (
	"encoding/json"
	"fmt"
	"io"
)

// maxElement is the greatest element that is read as a whole, in bytes: a consumer has
// all of its keys in it.
const maxElement = 8 << 20

// A source is a file in JSON. The decoder holds what it returns as a whole: so the file
// is measured before it gets there.
type source struct {
	*json.Decoder

	in *gauge
}

func newSource(r io.Reader) *source {
	in := &gauge{r: r, left: maxElement}
	return &source{json.NewDecoder(in), in}
}

// Token returns the next token, of at most [maxRecord] bytes.
func (s *source) Token() (json.Token, error) {
	s.in.left = maxElement
	return s.Decoder.Token()
}

// Decode reads the next value, of at most [maxElement] bytes.
func (s *source) Decode(v any) error {
	s.in.left = maxElement
	return s.Decoder.Decode(v)
}

// A gauge fails when one text or number is longer than [maxRecord], or when more than
// left is read, with what is read ahead.
type gauge struct {
	r    io.Reader
	left int
	err  error // for good

	read  int64 // bytes
	run   int   // how long the text or number is so far
	begin int64 // where it begins
	text  bool  // within one
	slash bool  // behind a backslash in it
}

func (g *gauge) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	if g.left <= 0 {
		g.err = fmt.Errorf("keyimport: what ends behind byte %d is longer than %d bytes: no entry is", g.read, maxElement)
		return 0, g.err
	}
	n, err := g.r.Read(p[:min(len(p), g.left)])
	g.left -= n
	for i, c := range p[:n] {
		if g.next(c); g.run > maxRecord {
			g.err = fmt.Errorf("keyimport: what begins at byte %d is longer than %d bytes: no field of a key is", g.begin, maxRecord)
			return i, g.err
		}
		g.read++
	}
	return n, err
}

// next measures one byte more. What is no JSON is measured too, and refused behind.
func (g *gauge) next(c byte) {
	switch {
	case g.text && g.slash:
		g.slash = false
	case g.text && c == '\\':
		g.slash = true
	case g.text && c == '"':
		g.text, g.run = false, 0
		return
	case g.text:
	case c == '"':
		g.text, g.run = true, 0
	case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == ':' || c == '[' || c == ']' || c == '{' || c == '}':
		g.run = 0
		return
	}
	if g.run == 0 {
		g.begin = g.read
	}
	g.run++
}
