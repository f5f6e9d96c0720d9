package keyimport_test

import (
	"io"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/keyimport"
)

// An endless reader counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	e.read += len(p)
	if e.read > 64<<20 {
		return 0, io.ErrUnexpectedEOF // all of it would be read
	}
	return len(p), nil
}

// A line without an end, or a quote without one, takes no more memory than any line.
func TestALineIsBounded(t *testing.T) {
	for what, begin := range map[string]string{"the first line": "", "what follows line 2": "key,owner\nfirst-key-of-acme,acme\n", "what follows line 1": "key,owner\n\""} {
		for _, format := range []keyimport.Format{keyimport.CSV, keyimport.AWS} {
			begin := begin
			if format == keyimport.AWS {
				begin = strings.ReplaceAll(begin, "owner", "name")
			}
			source, failed := new(endless), false
			for _, err := range keyimport.Read(format, io.MultiReader(strings.NewReader(begin), source)) {
				failed = failed || err != nil && strings.Contains(err.Error(), what+" is longer than 1048576 bytes")
			}
			if !failed || source.read > 4<<20 {
				t.Errorf("%s of %s: %d bytes were read, and it failed: %v", what, format, source.read, failed)
			}
		}
	}
}

// What is long is each line, not the file.
func TestAFileIsNotBounded(t *testing.T) {
	const n = 40_000
	row := strings.Repeat("o", 100) + "\n"
	var text strings.Builder
	text.WriteString("key,owner\n")
	for range n {
		text.WriteString("a-key-of-somebody-that-is-long," + row)
	}
	got := 0
	for _, err := range keyimport.Read(keyimport.CSV, strings.NewReader(text.String())) {
		if err != nil {
			t.Fatal(err)
		}
		got++
	}
	if got != n || text.Len() < 4<<20 {
		t.Errorf("%d entries of %d bytes, want %d", got, text.Len(), n)
	}
}
