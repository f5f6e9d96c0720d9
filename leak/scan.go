package leak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/secret"
)

// The shape of a key, as [apikey] has it: the second "_" stands after at most
// headLength bytes, and before exactly tailLength.
const (
	wordLength = 16
	headLength = wordLength + 1 + wordLength
	tailLength = 50
)

const (
	chunkLength = 256 << 10 // bytes that are read at a time
	maxPrefixes = 64
)

// A Finding is the text of a key, with check digits that hold, and its place.
type Finding struct {
	ID          apikey.ID
	Prefix      string
	Environment apikey.Environment
	Text        secret.Text
	Offset      int64 // of its first byte, from 0
	Line        int64 // from 1; a line ends with "\n"
	Column      int64 // of its first byte within the line, in bytes from 1
}

// Masked returns the public part of the key, followed by dots.
func (f *Finding) Masked() string {
	return f.Prefix + "_" + string(f.Environment) + "_" + string(f.ID) + "..."
}

// ScannerConfig configures a [Scanner]. The zero value is valid.
type ScannerConfig struct {
	_        [0]func()
	Prefixes []string // of the keys to be found, at most 64. Default: every prefix that a key can have.
}

// A Scanner finds keys. It is immutable and safe for concurrent use.
type Scanner struct{ prefixes map[string]struct{} }

// NewScanner reports every prefix that no key can have.
func NewScanner(cfg ScannerConfig) (*Scanner, error) {
	if err := checkPrefixes(cfg.Prefixes); err != nil {
		return nil, err
	}
	s := new(Scanner)
	if len(cfg.Prefixes) > 0 {
		s.prefixes = make(map[string]struct{}, len(cfg.Prefixes))
	}
	for _, p := range cfg.Prefixes {
		s.prefixes[p] = struct{}{}
	}
	return s, nil
}

func checkPrefixes(prefixes []string) error {
	var errs []error
	if len(prefixes) > maxPrefixes {
		errs = append(errs, fmt.Errorf("leak: %d prefixes: want at most %d", len(prefixes), maxPrefixes))
	}
	for _, p := range prefixes {
		if !isPrefix(p) {
			errs = append(errs, fmt.Errorf("leak: prefix %q: want 1 to %d lower case letters and digits, a letter first", p, wordLength))
		}
	}
	return errors.Join(errs...)
}

func isPrefix(s string) bool {
	if s == "" || len(s) > wordLength || s[0] < 'a' {
		return false
	}
	for i := range len(s) {
		if !isWord(s[i]) {
			return false
		}
	}
	return true
}

func isWord(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }

func isBase62(b byte) bool { return isWord(b) || 'A' <= b && b <= 'Z' }

// Scan reads r to its end and calls found with each key in it, in the order of
// their places. Whatever stands around a key, it is found, with nothing between
// them too: the check digits tell where a key begins and ends. Memory is bounded,
// however long r or a line of it is.
//
// The error is r's, found's or ctx's; what was found before it counts.
func (s *Scanner) Scan(ctx context.Context, r io.Reader, found func(Finding) error) error {
	w := window{buf: make([]byte, chunkLength+headLength+tailLength), line: 1}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, readErr := io.ReadFull(r, w.buf[w.end:])
		w.end += n
		if err := s.sweep(&w, found); err != nil {
			return err
		}
		switch {
		case errors.Is(readErr, io.EOF), errors.Is(readErr, io.ErrUnexpectedEOF):
			return nil
		case readErr != nil:
			return readErr
		}
		w.shift()
	}
}

// window is the part of a stream that is in memory.
type window struct {
	buf     []byte
	end     int   // of what was read into buf
	next    int   // in buf: the first byte that may be the second "_" of a key
	offset  int64 // of buf[0] in the stream
	counted int   // in buf: up to here lines are counted
	line    int64 // of buf[counted], from 1
	column  int64 // of buf[counted], from 0
}

// sweep looks at each "_" after which a whole key has room.
func (s *Scanner) sweep(w *window, found func(Finding) error) error {
	until := max(w.end-tailLength, w.next)
	for w.next < until {
		i := bytes.IndexByte(w.buf[w.next:until], '_')
		if i < 0 {
			break
		}
		at := w.next + i
		w.next = at + 1
		if !allBase62(w.buf[at+1 : at+1+tailLength]) {
			continue
		}
		if err := s.judge(w, at, found); err != nil {
			return err
		}
	}
	w.next = until
	return nil
}

func allBase62(tail []byte) bool {
	for _, b := range tail {
		if !isBase62(b) {
			return false
		}
	}
	return true
}

// judge reports the keys whose second "_" is at: one, since no two beginnings
// have the same check but by design.
func (s *Scanner) judge(w *window, at int, found func(Finding) error) error {
	first := at - 1 // to be the first "_"
	for first >= 0 && at-first <= wordLength && isWord(w.buf[first]) {
		first--
	}
	if first < 0 || first == at-1 || w.buf[first] != '_' {
		return nil
	}
	from := first
	for from > 0 && first-from < wordLength && isWord(w.buf[from-1]) {
		from--
	}
	end := at + 1 + tailLength
	for text := string(w.buf[from:end]); from < first; from, text = from+1, text[1:] {
		info, err := apikey.Parse(text)
		if err != nil || !s.wants(info.Prefix) {
			continue
		}
		w.count(from)
		err = found(Finding{
			ID: apikey.ID(strings.Clone(string(info.ID))), Prefix: strings.Clone(info.Prefix), Environment: apikey.Environment(strings.Clone(string(info.Environment))),
			Text: secret.New(text), Offset: w.offset + int64(from), Line: w.line, Column: w.column + 1,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Scanner) wants(prefix string) bool {
	if s.prefixes == nil {
		return true
	}
	_, ok := s.prefixes[prefix]
	return ok
}

// count counts lines up to the place to.
func (w *window) count(to int) {
	part := w.buf[w.counted:to]
	if n := bytes.Count(part, []byte{'\n'}); n > 0 {
		w.line += int64(n)
		w.column = int64(len(part) - 1 - bytes.LastIndexByte(part, '\n'))
	} else {
		w.column += int64(len(part))
	}
	w.counted = to
}

// shift makes room, and keeps what may be the beginning of a key.
func (w *window) shift() {
	keep := max(w.next-headLength, w.counted, 0)
	w.count(keep)
	w.end = copy(w.buf, w.buf[keep:w.end])
	w.next -= keep
	w.counted = 0
	w.offset += int64(keep)
}
