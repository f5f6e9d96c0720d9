package keyimport

import (
	"context"
	"errors"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// An import may be read in one process and written in another, which has the
// database and the pepper.

// A Numbered is an entry with its number in the file, from 0, which its id is made
// of.
type Numbered struct {
	Entry

	Number int
}

// Send reads the file and hands its entries on, at most 1,000 and, by what weigh
// says of each, about size at once. put writes some, and says how many it wrote and
// how many were there already. What was handed on before an error stays, and the
// report tells it.
func (m *Importer) Send(ctx context.Context, size int, weigh func(*Entry) int, put func(ctx context.Context, entries []Numbered) (imported, present int, err error)) (*Report, error) {
	r := newReport()
	var waiting []Numbered
	weight := 0
	flush := func() error {
		if len(waiting) == 0 {
			return nil
		}
		imported, present, err := put(ctx, waiting)
		r.Imported, r.Present = r.Imported+imported, r.Present+present
		clear(waiting)
		waiting, weight = waiting[:0], 0
		return err
	}
	err := m.each(ctx, r, func(_ apikey.Change, e *Entry) error {
		if r.Wrong > 0 {
			return r.Errors[0]
		}
		of := weigh(e)
		if len(waiting) == batchSize || weight+of > size {
			if err := flush(); err != nil {
				return err
			}
		}
		waiting, weight = append(waiting, Numbered{*e, r.Read - 1}), weight+of
		return nil
	})
	if err == nil && r.Wrong > 0 {
		err = r.Errors[0]
	}
	if err == nil {
		err = flush()
	}
	return r, err
}

// Take writes entries that another process has read: all that are not there yet, in
// one transaction, or none. Of cfg it needs neither Format nor Open. Errors are one
// or more [*FieldError], joined; one that wraps [ErrPresent]; what the store returns.
func Take(ctx context.Context, cfg Config, entries []Numbered) (*Report, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m := &Importer{cfg}
	r := newReport()
	b := batch{m: m, report: r, at: make(map[digest]string)}
	now := time.Now().UTC().Truncate(time.Millisecond)
	var errs []error
	for i := range entries {
		e := &entries[i]
		r.Read++
		record, err := m.record(&e.Entry, e.Number, now)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c := m.change(&record, now)
		of := digestOf(&c)
		if first, twice := b.at[of]; twice {
			errs = append(errs, &FieldError{e.At, "key", "is the same as that of " + first})
			continue
		}
		r.note(&e.Entry)
		b.at[of], b.changes = e.At, append(b.changes, c)
	}
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	if len(b.changes) == 0 {
		return r, nil
	}
	return r, b.write(ctx, b.changes, b.at)
}
