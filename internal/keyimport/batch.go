package keyimport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// underWay is how many batches may be on their way to the store at once: while it
// writes one, another is made ready.
const underWay = 2

// How long a batch may take, with its wait for the one before, which is about as
// long: others who write wait for one. A machine that is quick gets more at once,
// which costs less.
const (
	quick = 250 * time.Millisecond
	slow  = 750 * time.Millisecond
)

// batch is what is written at once, while the next is read.
type batch struct {
	m       *Importer
	report  *Report
	size    int // of the next ones
	keys    []taken
	seen    seen
	writing []chan written // the oldest first
}

// written is what came of a batch.
type written struct {
	imported, present int
	took              time.Duration
	err               error
}

func digestOf(c *apikey.Change) apikey.ImportedDigest {
	s := &c.After.Secrets[0]
	return apikey.ImportedDigest{Format: s.Format, Sum: s.Digest}
}

// sameAs is an entry that has the key of another one.
func sameAs(e *Entry, first string) error {
	return e.fault(e.keyField(), "is the same key as %s", first)
}

// keyField is the field that the key is in.
func (e *Entry) keyField() string {
	if e.Format != "" {
		return "hash"
	}
	return "key"
}

func (b *batch) add(ctx context.Context, c apikey.Change, e *Entry) error {
	if b.report.Wrong > 0 {
		return b.report.Errors[0]
	}
	key := b.m.take(c, e)
	if first, twice := b.seen.add(&key); twice {
		return sameAs(e, first)
	}
	b.keys = append(b.keys, key)
	if len(b.keys) < b.size {
		return nil
	}
	return b.flush(ctx)
}

// flush begins to write the batch, once there are few enough on their way.
func (b *batch) flush(ctx context.Context) error {
	if err := b.wait(underWay - 1); err != nil || len(b.keys) == 0 {
		return err
	}
	keys := b.keys
	b.keys, b.seen = make([]taken, 0, b.size), newSeen()
	done := make(chan written, 1)
	b.writing = append(b.writing, done)
	go func() {
		began := time.Now()
		w := b.m.write(ctx, keys)
		w.took = time.Since(began)
		done <- w
	}()
	return nil
}

// next is the size of the batches after one of size that took so long.
func next(size int, took time.Duration) int {
	switch {
	case took < quick:
		return min(2*size, apikey.MaxImport)
	case took > slow:
		return max(size/2, batchSize)
	default:
		return size
	}
}

// wait waits until at most some batches are on their way, adds what came of the
// others to the report, and returns their first error.
func (b *batch) wait(some int) (err error) {
	for len(b.writing) > some {
		w := <-b.writing[0]
		b.writing = b.writing[1:]
		b.size = next(b.size, w.took)
		b.report.Imported, b.report.Present = b.report.Imported+w.imported, b.report.Present+w.present
		if err == nil {
			err = w.err
		}
	}
	return err
}

// write writes keys: all, or those that are not there yet.
func (m *Importer) write(ctx context.Context, keys []taken) written {
	some, err := m.otherwise(ctx, keys)
	if err == nil && !some {
		_, err = m.cfg.Store.ApplyAll(ctx, changesOf(keys))
	}
	switch {
	case some && err == nil, errors.Is(err, apikey.ErrExists):
		return m.missing(ctx, keys)
	case err == nil:
		return written{imported: len(keys)}
	default:
		return written{err: err}
	}
}

// missing finds out which keys of a batch are there, and writes the others.
func (m *Importer) missing(ctx context.Context, keys []taken) written {
	present, err := m.present(ctx, keys)
	if err != nil {
		return written{err: err}
	}
	var there []error
	var missing []taken
	for i := range keys {
		switch {
		case !present[i]:
			missing = append(missing, keys[i])
		case len(there) < MaxErrors:
			there = append(there, IsPresent(keys[i].at))
		}
	}
	if len(there) > 0 && !m.cfg.Resume {
		return written{err: errors.Join(there...)}
	}
	if len(missing) == 0 {
		return written{present: len(keys)}
	}
	if _, err := m.cfg.Store.ApplyAll(ctx, changesOf(missing)); err != nil {
		return written{present: len(keys) - len(missing), err: err}
	}
	return written{imported: len(missing), present: len(keys) - len(missing)}
}

// IsPresent returns the error of an entry whose key is there already: it wraps
// [ErrPresent].
func IsPresent(at string) error { return fmt.Errorf("%s: %w", at, ErrPresent) }

// A lookout asks the store which keys of a file are there, for a check.
type lookout struct {
	m      *Importer
	report *Report
	keys   []taken
}

func (l *lookout) add(ctx context.Context, key *taken) error {
	if !l.m.cfg.Look {
		return nil
	}
	if l.keys = append(l.keys, *key); len(l.keys) < batchSize {
		return nil
	}
	return l.ask(ctx)
}

// ask counts the keys that are there; without Resume they are wrong.
func (l *lookout) ask(ctx context.Context) error {
	if len(l.keys) == 0 {
		return nil
	}
	present, err := l.m.present(ctx, l.keys)
	if err != nil {
		return err
	}
	for i, there := range present {
		if !there {
			continue
		}
		l.report.Imported, l.report.Present = l.report.Imported-1, l.report.Present+1
		if !l.m.cfg.Resume {
			l.report.wrong(IsPresent(l.keys[i].at))
		}
	}
	l.keys = l.keys[:0]
	return nil
}
