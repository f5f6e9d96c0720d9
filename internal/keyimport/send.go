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
// one transaction, or none. With Look it writes nothing, and says which are there.
// Of cfg it needs neither Format nor Open. Errors are one or more [*FieldError],
// joined; one or more that wrap [ErrPresent], joined; what the store returns.
func Take(ctx context.Context, cfg Config, entries []Numbered) (*Report, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m := &Importer{cfg}
	r := newReport()
	already := newSeen()
	var keys []taken
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
		key := m.take(m.change(&record, now), &e.Entry)
		if first, twice := already.add(&key); twice {
			errs = append(errs, sameAs(&e.Entry, first))
			continue
		}
		r.note(&e.Entry)
		keys = append(keys, key)
	}
	if err := errors.Join(errs...); err != nil || len(keys) == 0 {
		return r, err
	}
	if cfg.Look {
		return r, m.look(ctx, r, keys)
	}
	done := m.write(ctx, keys)
	r.Imported, r.Present = done.imported, done.present
	return r, done.err
}

// look tells of keys, one of each entry, which are there already.
func (m *Importer) look(ctx context.Context, r *Report, keys []taken) error {
	present, err := m.present(ctx, keys)
	if err != nil {
		return err
	}
	var errs []error
	for i, there := range present {
		if !there {
			continue
		}
		if r.There = append(r.There, i); !m.cfg.Resume && len(errs) < MaxErrors {
			errs = append(errs, IsPresent(keys[i].at))
		}
	}
	r.Imported, r.Present = len(keys)-len(r.There), len(r.There)
	return errors.Join(errs...)
}
