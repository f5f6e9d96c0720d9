package keyimport

import (
	"context"
	"errors"
	"slices"

	"github.com/warder-dev/warder/apikey"
)

// A taken is a key of the file with the change that makes it.
type taken struct {
	change apikey.Change
	at     string

	// others are the digests that the key would have had if it had come, or has come,
	// otherwise: as a digest by its system, or under a pepper that is retired. Only of
	// a text are they known.
	others []apikey.ImportedDigest
}

func (m *Importer) take(c apikey.Change, e *Entry) taken {
	t := taken{change: c, at: e.At}
	if e.Format == "" {
		t.others = m.cfg.Peppers.ImportedDigests(e.Text)[1:]
	}
	return t
}

// changesOf returns what the store is told.
func changesOf(keys []taken) []apikey.Change {
	all := make([]apikey.Change, len(keys))
	for i := range keys {
		all[i] = keys[i].change
	}
	return all
}

// A seen knows the keys of some entries, in each form that is known of them.
type seen struct {
	own, others map[apikey.ImportedDigest]string
}

func newSeen() seen {
	return seen{own: make(map[apikey.ImportedDigest]string), others: make(map[apikey.ImportedDigest]string)}
}

// add notes a key, unless it is there already: then it returns where.
func (s seen) add(t *taken) (first string, twice bool) {
	own := digestOf(&t.change)
	if first, twice = s.own[own]; twice {
		return first, true
	}
	if first, twice = s.others[own]; twice {
		return first, true
	}
	for _, other := range t.others {
		if first, twice = s.own[other]; twice {
			return first, true
		}
	}
	s.own[own] = t.at
	for _, other := range t.others {
		s.others[other] = t.at
	}
	return "", false
}

// present reports of each key whether it is there, in whatever form.
func (m *Importer) present(ctx context.Context, keys []taken) ([]bool, error) {
	return m.find(ctx, keys, true)
}

// otherwise reports whether some of the keys are there in another form than their
// own, in which no store takes them for the same.
func (m *Importer) otherwise(ctx context.Context, keys []taken) (bool, error) {
	present, err := m.find(ctx, keys, false)
	return slices.Contains(present, true), err
}

// find asks the store for the keys, by their own digests too or by the others alone.
func (m *Importer) find(ctx context.Context, keys []taken, own bool) ([]bool, error) {
	present := make([]bool, len(keys))
	var of []apikey.ImportedDigest
	var whose []int
	ask := func() error {
		if len(of) == 0 {
			return nil
		}
		has, err := m.has(ctx, of)
		for i := range has {
			present[whose[i]] = present[whose[i]] || has[i]
		}
		of, whose = of[:0], whose[:0]
		return err
	}
	for i := range keys {
		all := keys[i].others
		if own {
			all = append([]apikey.ImportedDigest{digestOf(&keys[i].change)}, all...)
		}
		if len(of)+len(all) > apikey.MaxImport {
			if err := ask(); err != nil {
				return nil, err
			}
		}
		for _, one := range all {
			of, whose = append(of, one), append(whose, i)
		}
	}
	return present, ask()
}

// has reports of each digest whether a key has it.
func (m *Importer) has(ctx context.Context, of []apikey.ImportedDigest) ([]bool, error) {
	if many, ok := m.cfg.Store.(apikey.DigestFinder); ok {
		return many.HasDigests(ctx, of)
	}
	has := make([]bool, len(of))
	for i := range of {
		switch _, err := m.cfg.Store.LookupDigest(ctx, of[i].Format, of[i].Sum); {
		case err == nil:
			has[i] = true
		case !errors.Is(err, apikey.ErrNotFound):
			return nil, err
		}
	}
	return has, nil
}
