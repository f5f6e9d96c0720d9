package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
)

// Owners keeps what is known of whom keys belong to. It is an apikey.OwnerStore and safe
// for concurrent use, by many nodes too.
type Owners struct {
	db    *DB
	looks int // records that a page looks at for a text
}

var _ apikey.OwnerStore = (*Owners)(nil)

// Owners returns the store of records of owners. It lives as long as the DB.
func (db *DB) Owners() *Owners { return &Owners{db: db, looks: usualBounds().looks} }

const (
	selectOwners = `SELECT id, name, created, updated, revision, metadata::text FROM owners `
	lookupOwner  = selectOwners + `WHERE id = $1`
	findOwners   = selectOwners + `WHERE id > $1 ORDER BY id LIMIT $2`
	// Letters are those of ASCII in the order "C", whatever the database's language is.
	findText = selectOwners + `WHERE id > $1 AND ($3 = '' OR id <= $3)
		AND (strpos(lower(name COLLATE "C"), lower($4::text COLLATE "C")) > 0 OR strpos(lower(id), lower($4 COLLATE "C")) > 0) ORDER BY id LIMIT $2`
	nameOwners = `SELECT id, name FROM owners WHERE id = ANY ($1) AND name <> ''`
	endOwners  = `SELECT id FROM owners WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1`

	insertOwner   = `INSERT INTO owners (id, name, created, updated, revision, metadata) VALUES ($1, $2, $3, $4, $5, $6)`
	updateOwner   = `UPDATE owners SET name = $2, created = $3, updated = $4, revision = $5, metadata = $6 WHERE id = $1`
	deleteOwner   = `DELETE FROM owners WHERE id = $1`
	revisionOwner = `SELECT revision FROM owners WHERE id = $1`
	countOwned    = `SELECT count(*) FROM (SELECT 1 FROM keys WHERE owner = $1 LIMIT $2) AS owned`
)

// Lookup implements apikey.OwnerStore.
func (s *Owners) Lookup(ctx context.Context, id string) (apikey.Owner, error) {
	if !validText(id) {
		return apikey.Owner{}, apikey.ErrNoOwner
	}
	found, err := collect(ctx, s.db, "look up owner", scanOwner, lookupOwner, id)
	switch {
	case err != nil:
		return apikey.Owner{}, err
	case len(found) == 0:
		return apikey.Owner{}, apikey.ErrNoOwner
	}
	return found[0], nil
}

// Find implements apikey.OwnerStore.
func (s *Owners) Find(ctx context.Context, f apikey.OwnerFilter) (page apikey.OwnerPage, err error) {
	const what = "find owners"
	if err := f.Check(); err != nil {
		return page, err
	}
	if !validText(f.Text) || !validText(f.After) {
		return page, nil // Apply accepts no such text
	}
	query, args, end := findOwners, []any{f.After, f.Limit + 1}, ""
	if f.Text != "" {
		ends, err := collect(ctx, s.db, what, pgx.RowTo[string], endOwners, f.After, s.looks-1)
		if err != nil {
			return page, err
		}
		if len(ends) > 0 {
			end = ends[0]
		}
		query, args = findText, append(args, end, f.Text)
	}
	if page.Owners, err = collect(ctx, s.db, what, scanOwner, query, args...); err != nil {
		return apikey.OwnerPage{}, err
	}
	switch {
	case len(page.Owners) > f.Limit:
		page.Owners, page.More = page.Owners[:f.Limit], true
		page.Next = page.Owners[f.Limit-1].ID
	case end != "":
		page.More, page.Next = true, end
	}
	return page, nil
}

func scanOwner(row pgx.CollectableRow) (o apikey.Owner, _ error) {
	var updated *time.Time
	var metadata string
	if row.Scan(&o.ID, &o.Name, &o.Created, &updated, &o.Revision, &metadata) != nil || json.Unmarshal([]byte(metadata), &o.Metadata) != nil {
		return apikey.Owner{}, errRow
	}
	o.Created = o.Created.UTC()
	if updated != nil {
		o.Updated = updated.UTC()
	}
	return o, nil
}

// Names implements apikey.OwnerStore.
func (s *Owners) Names(ctx context.Context, ids []string) (map[string]string, error) {
	if err := apikey.CheckOwners(ids); err != nil {
		return nil, &plainError{err.Error()}
	}
	known := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !validText(id) })
	found, err := collect(ctx, s.db, "read names of owners", func(row pgx.CollectableRow) (o apikey.Owner, _ error) {
		if row.Scan(&o.ID, &o.Name) != nil {
			return o, errRow
		}
		return o, nil
	}, nameOwners, known)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(found))
	for i := range found {
		names[found[i].ID] = found[i].Name
	}
	return names, nil
}

// CountKeys implements apikey.OwnerStore.
func (s *Owners) CountKeys(ctx context.Context, id string, most int) (int, error) {
	const what = "count keys of owner"
	switch {
	case most < 1:
		return 0, plain("postgres: %s: want at least 1 as the most", what)
	case !validText(id):
		return 0, nil
	}
	found, err := collect(ctx, s.db, what, pgx.RowTo[int], countOwned, id, most)
	if err != nil || len(found) != 1 {
		return 0, err
	}
	return found[0], nil
}

var errOwnerText = plain("postgres: a record of an owner has text that is not UTF-8, or a NUL")

// An ownerWrite is a change ready to be written.
type ownerWrite struct {
	c             *apikey.OwnerChange
	before, after []byte // for the audit
	metadata      string
}

func newOwnerWrite(c *apikey.OwnerChange) (*ownerWrite, error) {
	texts := []string{c.Actor, c.Source, c.ID()}
	if c.After != nil {
		texts = append(texts, c.After.Name)
		for name, value := range c.After.Metadata {
			texts = append(texts, name, value)
		}
	}
	for _, text := range texts {
		if !validText(text) {
			return nil, errOwnerText
		}
	}
	w := &ownerWrite{c: c}
	var err error
	if w.before, w.after, err = c.Told(); err != nil {
		return nil, plain("postgres: a time of the record of an owner is out of range")
	}
	if c.After != nil {
		metadata, err := json.Marshal(c.After.Metadata)
		if err != nil {
			return nil, errOwnerText
		}
		w.metadata = string(metadata)
	}
	return w, nil
}

// Apply implements apikey.OwnerStore.
func (s *Owners) Apply(ctx context.Context, c apikey.OwnerChange) (revision apikey.Revision, _ error) {
	if err := c.Check(); err != nil {
		return 0, err
	}
	w, err := newOwnerWrite(&c)
	if err != nil {
		return 0, err
	}
	err = s.db.write(ctx, func(tx pgx.Tx) (err error) {
		revision, err = w.run(ctx, tx)
		return err
	})
	if err == nil {
		return revision, nil
	}
	for _, known := range []error{apikey.ErrOwnerExists, apikey.ErrNoOwner, apikey.ErrConflict} {
		if errors.Is(err, known) {
			return 0, known
		}
	}
	return 0, answer(ctx, "change owner", err)
}

// run writes the record, if it is what Before says, and the entry of the audit. It has
// the turn to write entries first, so that what it reads holds until the end.
func (w *ownerWrite) run(ctx context.Context, tx pgx.Tx) (apikey.Revision, error) {
	c := w.c
	log, err := lockChain(ctx, tx)
	if err != nil {
		return 0, err
	}
	var stored apikey.Revision
	err = tx.QueryRow(ctx, revisionOwner, c.ID()).Scan(&stored)
	exists := err == nil
	switch {
	case err != nil && !errors.Is(err, pgx.ErrNoRows):
		return 0, err
	case c.Before == nil && exists:
		return 0, apikey.ErrOwnerExists
	case c.Before != nil && !exists:
		return 0, apikey.ErrNoOwner
	case c.Before != nil && c.Before.Revision != stored:
		return 0, apikey.ErrConflict
	}
	batch := new(pgx.Batch)
	entry, err := log.queue(batch, audit.Event{
		At: c.At, Actor: c.Actor, Source: c.Source, Op: string(c.Op()), Kind: audit.KindOwner, Subject: c.ID(), Before: w.before, After: w.after,
	})
	if err != nil {
		return 0, err
	}
	w.queue(batch, entry.Seq, exists)
	return apikey.Revision(entry.Seq), tx.SendBatch(ctx, batch).Close()
}

// queue puts the row into the batch.
func (w *ownerWrite) queue(batch *pgx.Batch, revision int64, exists bool) {
	o := w.c.After
	if o == nil {
		batch.Queue(deleteOwner, w.c.ID())
		return
	}
	var updated *time.Time
	if !o.Updated.IsZero() {
		updated = new(micro(o.Updated))
	}
	query := insertOwner
	if exists {
		query = updateOwner
	}
	batch.Queue(query, o.ID, o.Name, micro(o.Created), updated, revision, w.metadata)
}
