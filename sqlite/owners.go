package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
)

// Owners keeps what is known of whom keys belong to. It is an apikey.OwnerStore and safe
// for concurrent use, by several processes too.
type Owners struct {
	db    *DB
	looks int // records that a page looks at for a text
}

var _ apikey.OwnerStore = (*Owners)(nil)

// Owners returns the store of records of owners. It lives as long as the DB.
func (db *DB) Owners() *Owners { return &Owners{db: db, looks: usualBounds().rows} }

const (
	selectOwners = `SELECT id, name, created, updated, revision, metadata FROM owners `
	lookupOwner  = selectOwners + `WHERE id = ?1`
	findOwners   = selectOwners + `WHERE id > ?1 ORDER BY id LIMIT ?2`
	findText     = selectOwners + `WHERE id > ?1 AND (?3 = '' OR id <= ?3) AND (name LIKE ?4 ESCAPE '\' OR id LIKE ?4 ESCAPE '\') ORDER BY id LIMIT ?2`
	nameOwners   = `SELECT id, name FROM owners WHERE id IN (SELECT value FROM json_each(?1)) AND name <> ''`
	endOwners    = `SELECT id FROM owners WHERE id > ?1 ORDER BY id LIMIT 1 OFFSET ?2`

	insertOwner   = `INSERT INTO owners (id, name, created, updated, revision, metadata) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`
	updateOwner   = `UPDATE owners SET name = ?2, created = ?3, updated = ?4, revision = ?5, metadata = ?6 WHERE id = ?1`
	deleteOwner   = `DELETE FROM owners WHERE id = ?1`
	revisionOwner = `SELECT revision FROM owners WHERE id = ?1`
	countOwned    = `SELECT count(*) FROM (SELECT 1 FROM keys INDEXED BY keys_owner WHERE owner = ?1 LIMIT ?2)`
)

// Lookup implements apikey.OwnerStore.
func (s *Owners) Lookup(ctx context.Context, id string) (apikey.Owner, error) {
	if !validText(id) {
		return apikey.Owner{}, apikey.ErrNoOwner
	}
	if err := s.db.file.look(); err != nil {
		return apikey.Owner{}, err
	}
	found, err := scanRows(ctx, s.db.read, "look up owner", scanOwner, lookupOwner, id)
	switch {
	case err != nil:
		return apikey.Owner{}, err
	case len(found) == 0:
		return apikey.Owner{}, apikey.ErrNoOwner
	}
	return found[0], nil
}

// Find implements apikey.OwnerStore.
func (s *Owners) Find(ctx context.Context, f apikey.OwnerFilter) (page apikey.OwnerPage, _ error) {
	const what = "find owners"
	if err := f.Check(); err != nil {
		return page, err
	}
	if !validText(f.Text) || !validText(f.After) {
		return page, nil // Apply accepts no such text
	}
	if err := s.db.file.look(); err != nil {
		return page, err
	}
	query, args, end := findOwners, []any{f.After, f.Limit + 1}, ""
	if f.Text != "" {
		err := s.db.read.QueryRowContext(ctx, endOwners, f.After, s.looks-1).Scan(&end)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return page, answer(ctx, what, err)
		}
		query, args = findText, append(args, end, like(f.Text))
	}
	var err error
	if page.Owners, err = scanRows(ctx, s.db.read, what, scanOwner, query, args...); err != nil {
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

func scanOwner(rows *sql.Rows) (o apikey.Owner, _ error) {
	var (
		created  int64
		updated  sql.NullInt64
		metadata sql.RawBytes
	)
	if rows.Scan(&o.ID, &o.Name, &created, &updated, &o.Revision, &metadata) != nil || json.Unmarshal(metadata, &o.Metadata) != nil {
		return apikey.Owner{}, errRow
	}
	o.Created, o.Updated = time.UnixMicro(created).UTC(), timeOf(updated)
	return o, nil
}

// Names implements apikey.OwnerStore.
func (s *Owners) Names(ctx context.Context, ids []string) (map[string]string, error) {
	if err := apikey.CheckOwners(ids); err != nil {
		return nil, err
	}
	list, err := jsonOf(slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !validText(id) }))
	if err != nil {
		return nil, err
	}
	if err := s.db.file.look(); err != nil {
		return nil, err
	}
	found, err := scanRows(ctx, s.db.read, "read names of owners", func(rows *sql.Rows) (o apikey.Owner, _ error) {
		if rows.Scan(&o.ID, &o.Name) != nil {
			return o, errRow
		}
		return o, nil
	}, nameOwners, list)
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
func (s *Owners) CountKeys(ctx context.Context, id string, most int) (n int, _ error) {
	const what = "count keys of owner"
	switch {
	case most < 1:
		return 0, fmt.Errorf("sqlite: %s: want at least 1 as the most", what)
	case !validText(id):
		return 0, nil
	}
	if err := s.db.file.look(); err != nil {
		return 0, err
	}
	err := s.db.read.QueryRowContext(ctx, countOwned, id, most).Scan(&n)
	return n, answer(ctx, what, err)
}

var errOwnerText = errors.New("sqlite: a record of an owner has text that is not UTF-8, or a NUL")

// ownerMetadata is the notes of a record as they are stored, when all of its text can be.
func ownerMetadata(c *apikey.OwnerChange) (string, error) {
	valid := validText(c.Actor) && validText(c.Source) && validText(c.ID())
	if c.After == nil {
		if !valid {
			return "", errOwnerText
		}
		return "", nil
	}
	valid = valid && validText(c.After.Name)
	for name, value := range c.After.Metadata {
		valid = valid && validText(name) && validText(value)
	}
	if !valid {
		return "", errOwnerText
	}
	return jsonOf(c.After.Metadata)
}

// Apply implements apikey.OwnerStore.
func (s *Owners) Apply(ctx context.Context, c apikey.OwnerChange) (apikey.Revision, error) {
	const what = "change owner"
	if err := c.Check(); err != nil {
		return 0, err
	}
	metadata, err := ownerMetadata(&c)
	if err != nil {
		return 0, err
	}
	tx, err := s.db.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, answer(ctx, what, err)
	}
	revision, err := writeOwner(ctx, tx, &c, metadata)
	if err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = s.db.file.look() // what went into a file without a name is not acknowledged
	}
	if err == nil {
		return revision, nil
	}
	_ = tx.Rollback() // a failed commit may have done so; ErrTxDone says it
	for _, known := range []error{apikey.ErrOwnerExists, apikey.ErrNoOwner, apikey.ErrConflict} {
		if errors.Is(err, known) {
			return 0, known
		}
	}
	return 0, answer(ctx, what, err)
}

// writeOwner writes the record, if it is what Before says, and the entry of the audit.
// There is one writer: what is read here holds until the end of the transaction.
func writeOwner(ctx context.Context, tx *sql.Tx, c *apikey.OwnerChange, metadata string) (apikey.Revision, error) {
	var stored apikey.Revision
	err := tx.QueryRowContext(ctx, revisionOwner, c.ID()).Scan(&stored)
	exists := err == nil
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return 0, err
	case c.Before == nil && exists:
		return 0, apikey.ErrOwnerExists
	case c.Before != nil && !exists:
		return 0, apikey.ErrNoOwner
	case c.Before != nil && c.Before.Revision != stored:
		return 0, apikey.ErrConflict
	}
	before, after, err := c.Told()
	if err != nil {
		return 0, err
	}
	log := chain{tx: tx}
	entry, err := log.add(ctx, audit.Event{
		At: c.At, Actor: c.Actor, Source: c.Source, Op: string(c.Op()), Kind: audit.KindOwner, Subject: c.ID(), Before: before, After: after,
	})
	if err != nil {
		return 0, err
	}
	query, args := deleteOwner, []any{c.ID()}
	if c.After != nil {
		query, args = insertOwner, append(args, c.After.Name, c.After.Created.UnixMicro(), micros(c.After.Updated), entry.Seq, metadata)
		if exists {
			query = updateOwner
		}
	}
	return apikey.Revision(entry.Seq), written(ctx, tx, apikey.ErrConflict, query, args...)
}
