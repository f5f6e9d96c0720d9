package keyimport

import (
	"errors"
	"fmt"
	"io"
)

// maxRecord is the greatest line of a table, with all that its quotes hold together, in
// bytes; give or take what is read ahead.
const maxRecord = 1 << 20

// errLong ends a table: behind a quote that nobody closes stands all the rest of it.
var errLong = errors.New("keyimport: too long")

// tooLong is errLong with its place; line is that of the record before, 0 for none.
func tooLong(line int) error {
	where := "the first line"
	if line > 0 {
		where = fmt.Sprintf("what follows line %d", line)
	}
	return fmt.Errorf("keyimport: %s is longer than %d bytes: is there a quote that is not closed?", where, maxRecord)
}

// A bounded reader fails when one record is too long, so that no file takes more memory
// than another.
type bounded struct {
	r    io.Reader
	left int
}

// next begins another record.
func (b *bounded) next() { b.left = maxRecord }

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
