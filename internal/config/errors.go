package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxErrors bounds how many errors one load reports.
const maxErrors = 100

// Errors are all that is wrong with a configuration, at most 100: those of the
// file first, by position.
type Errors struct { //nolint:errname // it is what Load returns: several of type Error
	List []*Error
	More int // how many are not in List
}

// Error returns one line per error.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.List)+1)
	for _, one := range e.List {
		lines = append(lines, one.Error())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors, for errors.Is and errors.As.
func (e *Errors) Unwrap() []error {
	list := make([]error, len(e.List))
	for i, one := range e.List {
		list[i] = one
	}
	return list
}

// An Error is one thing that is wrong. It never holds a value of the
// environment or a secret.
type Error struct {
	File         string // path of the file; or the name of the variable or, with "--", of the flag
	Line, Column int    // from 1; 0 when the error has no place in the file
	Field        string // such as "routes[1].upstream"; may be empty
	Problem      string
	Hint         string // what to do; may be empty
}

// Error returns "file:line:column: field: problem; hint".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	if e.Field != "" && !e.named() {
		b.WriteString(": " + e.Field)
	}
	b.WriteString(": " + e.Problem)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// named reports whether File is the flag or the variable of Field, which would
// say the same twice.
func (e *Error) named() bool {
	if e.Line > 0 {
		return false
	}
	for _, s := range settings(nil) {
		if s.Field == e.Field {
			return e.File == s.Env || e.File == "--"+s.Flag
		}
	}
	return false
}

// bundle orders list and returns it as *Errors, or nil when it is empty.
func bundle(list []*Error) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b *Error) int {
		if (a.Line > 0) != (b.Line > 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	kept := min(len(list), maxErrors)
	return &Errors{List: list[:kept], More: len(list) - kept}
}

// didYouMean is a hint that names the known word nearest to word, or empty.
func didYouMean(word string, known []string) string {
	best := Nearest(word, known)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// Nearest returns the known word that word was probably meant to be, or "".
func Nearest(word string, known []string) string {
	best, at := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k, at); d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is the number of edits (insert, delete, replace, swap neighbours)
// between a and b, or bound when it is not less.
func distance(a, b string, bound int) int {
	if len(a)-len(b) >= bound || len(b)-len(a) >= bound || len(a) > 128 {
		return bound
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+differ(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return min(row[len(b)], bound)
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}
