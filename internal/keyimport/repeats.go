package keyimport

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"sync/atomic"

	"github.com/warder-dev/warder/apikey"
)

// MaxHeld is of how many forms of keys a check holds in memory what tells them apart:
// 64 MiB.
const MaxHeld = 4 << 20

// mark is what tells keys apart: a hash of the digest, with seeds of this process,
// so that nobody makes two keys that have the same. Its last bit says that the key
// has come in another form: see [taken].
type mark [16]byte

const otherForm = 1

func (m mark) other() bool { return m[15]&otherForm != 0 }

// form is the mark of the form alone, whether a key has come in it or not.
func (m mark) form() mark {
	m[15] &^= otherForm
	return m
}

// repeats finds the keys that are there more than once, in memory that does not
// grow beyond limit marks: those of more are sorted into runs of a temporary file.
type repeats struct {
	limit int
	seeds [2]maphash.Seed
	held  []mark
	file  *os.File // has no name any more; nil while there are few
	runs  []int64  // where each ends in file
}

func newRepeats(limit int) *repeats {
	return &repeats{limit: limit, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

func (s *repeats) mark(d apikey.ImportedDigest) (m mark) {
	for i, seed := range s.seeds {
		binary.BigEndian.PutUint64(m[8*i:], maphash.Comparable(seed, d))
	}
	return m.form()
}

// add notes a key in all its forms. The error is one of the temporary file.
func (s *repeats) add(key *taken) error {
	err := s.hold(s.mark(digestOf(&key.change)))
	for i := 0; err == nil && i < len(key.others); i++ {
		m := s.mark(key.others[i])
		m[15] |= otherForm
		err = s.hold(m)
	}
	return err
}

func (s *repeats) hold(m mark) error {
	if len(s.held) == s.limit {
		if err := s.spill(); err != nil {
			return fmt.Errorf("keyimport: the temporary file of a long import: %w", err)
		}
	}
	s.held = append(s.held, m)
	return nil
}

func compareMarks(a, b mark) int { return bytes.Compare(a[:], b[:]) }

// spill writes what is held as one sorted run.
func (s *repeats) spill() error {
	if s.file == nil {
		f, err := os.CreateTemp("", "warder-import-")
		if err != nil {
			return err
		}
		if err := os.Remove(f.Name()); err != nil { // it goes with the process
			return errors.Join(err, f.Close())
		}
		s.file = f
	}
	slices.SortFunc(s.held, compareMarks)
	w := bufio.NewWriterSize(s.file, 1<<20)
	for i := range s.held {
		if _, err := w.Write(s.held[i][:]); err != nil {
			return err
		}
	}
	before := int64(0)
	if n := len(s.runs); n > 0 {
		before = s.runs[n-1]
	}
	s.runs = append(s.runs, before+int64(len(s.held))*int64(len(mark{})))
	s.held = s.held[:0]
	return w.Flush()
}

func (s *repeats) close() {
	if s.file != nil {
		_ = s.file.Close() // nobody reads it again
	}
}

// found returns at most some forms that more than one key has, of which one at least
// has come in it, and how many keys are one too many. Keys that have it as another
// form alone have one of their own in common, or none.
func (s *repeats) found(some int) (marks map[mark]string, more int, err error) {
	slices.SortFunc(s.held, compareMarks)
	marks = make(map[mark]string)
	var last mark
	own, other := 0, false // of the form last
	err = s.sorted(func(m mark) {
		if m.form() != last {
			last, own, other = m.form(), 0, false
		}
		switch {
		case !m.other():
			own++
		case own == 0, other:
			return
		default:
			other = true
		}
		if own > 1 || other {
			if more++; len(marks) < some {
				marks[last] = ""
			}
		}
	})
	return marks, more, err
}

// sorted calls use with all marks, in order.
func (s *repeats) sorted(use func(mark)) error {
	if s.file == nil {
		for _, m := range s.held {
			use(m)
		}
		return nil
	}
	runs := make([]run, 0, len(s.runs)+1)
	before := int64(0)
	for _, end := range s.runs {
		runs = append(runs, run{r: bufio.NewReaderSize(io.NewSectionReader(s.file, before, end-before), 64<<10)})
		before = end
	}
	var held bytes.Reader
	if len(s.held) > 0 {
		runs = append(runs, run{marks: s.held, r: &held})
	}
	return merge(runs, use)
}

// A run is sorted marks: those in memory, and those of a reader behind them.
type run struct {
	marks []mark
	r     io.Reader
	next  mark
}

// step reads the next mark; io.EOF when there is none.
func (r *run) step() error {
	if len(r.marks) > 0 {
		r.next, r.marks = r.marks[0], r.marks[1:]
		return nil
	}
	_, err := io.ReadFull(r.r, r.next[:])
	return err
}

// merge calls use with the marks of all runs, in order. There are few runs.
func merge(runs []run, use func(mark)) error {
	left := runs[:0]
	for i := range runs {
		if err := runs[i].step(); err != nil {
			return fmt.Errorf("keyimport: the temporary file of a long import: %w", err)
		}
		left = append(left, runs[i])
	}
	for len(left) > 0 {
		least := 0
		for i := range left {
			if compareMarks(left[i].next, left[least].next) < 0 {
				least = i
			}
		}
		use(left[least].next)
		switch err := left[least].step(); {
		case errors.Is(err, io.EOF):
			left = slices.Delete(left, least, least+1)
		case err != nil:
			return fmt.Errorf("keyimport: the temporary file of a long import: %w", err)
		}
	}
	return nil
}

// repeated tells the keys that the file has more than once. It reads the file again
// for their places, and only if there are any.
func (m *Importer) repeated(ctx context.Context, r *Report, all *repeats) error {
	marks, more, err := all.found(MaxErrors)
	if err != nil || more == 0 {
		return err
	}
	r.Imported -= more
	r.Wrong += more
	again := newReport()
	quiet := &Importer{m.cfg}
	quiet.cfg.Done = new(atomic.Int64)
	return quiet.each(ctx, again, func(c apikey.Change, e *Entry) error {
		key := m.take(c, e)
		forms := append([]apikey.ImportedDigest{digestOf(&c)}, key.others...)
		for i := range forms {
			of := all.mark(forms[i])
			first, twice := marks[of]
			switch {
			case !twice:
				continue
			case first == "":
				marks[of] = e.At
			case len(r.Errors) < MaxErrors:
				r.Errors = append(r.Errors, sameAs(e, first))
			}
			break
		}
		return nil
	})
}
