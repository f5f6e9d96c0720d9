package known

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // G505: lists of leaked passwords hold it; nothing is protected by it
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	sumLength  = sha1.Size
	maxLine    = 128       // bytes of a line of digests
	maxPlain   = 1_000_000 // lines of a list of passwords
	maxPlainOf = 1024      // bytes of a line of it that is looked at: no longer password is taken
	samples    = 256       // lines whose order is looked at
)

// contents are what is known of a file.
type contents struct {
	size  int64
	at    time.Time
	plain []uint64 // the first 8 bytes of each digest, sorted; nil for a list of digests
}

// open opens the file and returns what is in it, which is looked at anew when the
// file is another one.
func (l *List) open() (*os.File, *contents, error) {
	f, err := os.Open(l.file)
	if err != nil {
		return nil, nil, fmt.Errorf("known: the list of known passwords cannot be read: %w", err)
	}
	c, err := l.look(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("known: %s: %w", l.file, err), f.Close())
	}
	return f, c, nil
}

func (l *List) look(f *os.File) (*contents, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("want a regular file")
	case info.Size() == 0:
		return nil, errors.New("is empty: want digests or passwords, one a line")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen != nil && l.seen.size == info.Size() && l.seen.at.Equal(info.ModTime()) {
		return l.seen, nil
	}
	c := &contents{size: info.Size(), at: info.ModTime()}
	if digests(f) {
		err = ordered(f, c.size)
	} else {
		c.plain, err = passwords(f)
	}
	if err != nil {
		return nil, err
	}
	l.seen = c
	return c, nil
}

// digests reports whether the first line is a digest.
func digests(f io.ReaderAt) bool {
	start := make([]byte, maxLine)
	n, _ := f.ReadAt(start, 0) // what cannot be read fails again
	line, _, _ := bytes.Cut(start[:n], []byte("\n"))
	_, err := parseLine(line)
	return err == nil
}

var errLine = errors.New("want a SHA-1 digest of 40 hexadecimal digits in each line, and a count behind it like :17")

// parseLine reads "0123456789ABCDEF0123456789ABCDEF01234567:17".
func parseLine(line []byte) (sum [sumLength]byte, err error) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	text, count, counted := bytes.Cut(line, []byte(":"))
	if len(text) != hex.EncodedLen(sumLength) || counted && (len(count) == 0 || len(bytes.Trim(count, "0123456789")) > 0) {
		return sum, errLine
	}
	if _, err := hex.Decode(sum[:], text); err != nil {
		return sum, errLine
	}
	return sum, nil
}

// lineAt returns the line that holds the byte at, and where it begins and the next
// one does.
func lineAt(f io.ReaderAt, size, at int64) (sum [sumLength]byte, start, next int64, err error) {
	from := max(0, at-maxLine)
	window := make([]byte, min(size, at+maxLine)-from)
	if _, err := f.ReadAt(window, from); err != nil && !errors.Is(err, io.EOF) {
		return sum, 0, 0, err
	}
	before, after := window[:at-from], window[at-from:]
	start = from + int64(bytes.LastIndexByte(before, '\n')) + 1
	end := bytes.IndexByte(after, '\n')
	if end < 0 {
		end = len(after)
	}
	stop := at + int64(end)
	if stop-start > maxLine {
		return sum, 0, 0, errLine
	}
	sum, err = parseLine(window[start-from : stop-from])
	return sum, start, stop + 1, err
}

// ordered looks at lines all over the file: a search in a list that is in another
// order would find nothing, and call every password unknown.
func ordered(f io.ReaderAt, size int64) error {
	var last [sumLength]byte
	for i := range int64(samples) {
		sum, _, _, err := lineAt(f, size, size/samples*i+size%samples*i/samples)
		if err != nil {
			return err
		}
		if bytes.Compare(sum[:], last[:]) < 0 {
			return errors.New("is not ordered by hash: download the list that is, or order it by LC_ALL=C sort")
		}
		last = sum
	}
	return nil
}

// search looks for a digest in an ordered file.
func search(f io.ReaderAt, size int64, sum [sumLength]byte) (bool, error) {
	for low, high := int64(0), size; low < high; {
		there, start, next, err := lineAt(f, size, low+(high-low)/2)
		if err != nil {
			return false, err
		}
		switch c := bytes.Compare(there[:], sum[:]); {
		case c == 0:
			return true, nil
		case c < 0:
			low = next
		default:
			high = start
		}
	}
	return false, nil
}

func digest(text string) [sumLength]byte {
	return sha1.Sum([]byte(text)) //nolint:gosec // G401: see the import
}

func short(sum [sumLength]byte) uint64 { return binary.BigEndian.Uint64(sum[:]) }

// passwords reads a list of them, in any case.
func passwords(f io.Reader) ([]uint64, error) {
	all := []uint64{}
	lines := bufio.NewReaderSize(f, maxPlainOf+2)
	for {
		line, err := lines.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if text := strings.TrimRight(string(line), "\r\n"); text != "" && !long {
			if len(all) == maxPlain {
				return nil, fmt.Errorf("has more than %d passwords: a longer list is one of SHA-1 digests, ordered by hash", maxPlain)
			}
			all = append(all, short(digest(strings.ToLower(text))))
		}
		switch {
		case errors.Is(err, io.EOF):
			slices.Sort(all)
			return all, nil
		case err != nil:
			return nil, err
		}
	}
}

// filed reports whether the file has text, as it is or in lower case.
func (l *List) filed(text string) (found bool, err error) {
	f, c, err := l.open()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lower := strings.ToLower(text)
	if c.plain != nil {
		_, found := slices.BinarySearch(c.plain, short(digest(lower)))
		return found, nil
	}
	for _, one := range []string{text, lower} {
		if found, err := search(f, c.size, digest(one)); found || err != nil {
			return found, wrapped(l.file, err)
		}
	}
	return false, nil
}

func wrapped(file string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("known: %s: %w", file, err)
}
