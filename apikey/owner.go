package apikey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
)

// An Owner is what is known of somebody whom keys belong to. It is a record of its
// own: keys bear no more than its ID, whether there is a record of it or not.
type Owner struct {
	ID       string            // the customer's own id, as [Record.Owner] has it; never empty
	Name     string            // for people; may be empty
	Metadata map[string]string // the customer's own notes
	Created  time.Time
	Updated  time.Time // when people last changed it; zero: never
	Revision Revision  // of the last change to this record; set by the store. Greater than those before, also when the record was deleted meanwhile.
}

// ErrNoOwner means that there is no record of an owner. Keys may bear its id
// nevertheless.
var ErrNoOwner = errors.New("apikey: no record of the owner")

// ErrOwnerExists means that there is a record of an owner already.
var ErrOwnerExists = errors.New("apikey: there is a record of the owner")

// An OwnerStore keeps records of owners. Implementations pass
// apikeytest.TestOwners and are safe for concurrent use. Every method keeps to ctx.
// Whatever they return beside the errors that are named means that the store gave no
// answer.
type OwnerStore interface {
	// Lookup returns the record of id or [ErrNoOwner]. The caller may keep it but not
	// change it.
	Lookup(ctx context.Context, id string) (Owner, error)

	// Find returns the first records beyond After, at most Limit, in ascending order
	// of their ids, byte by byte. An error means that the filter is not valid or that
	// the store gave no answer.
	Find(ctx context.Context, f OwnerFilter) (OwnerPage, error)

	// Apply writes the change, who did it and the next revision in one transaction, or
	// nothing: [ErrOwnerExists], [ErrNoOwner], or [ErrConflict] when the record was
	// changed since Before was read.
	Apply(ctx context.Context, c OwnerChange) (Revision, error)

	// Names returns the names of those of at most [MaxOwners] owners that have a record
	// with one, by their ids. That an id is there twice, is "" or not known, is no error.
	Names(ctx context.Context, ids []string) (map[string]string, error)

	// CountKeys returns how many keys bear the id, revoked ones too, but no more than
	// most, which is at least 1.
	CountKeys(ctx context.Context, id string, most int) (int, error)
}

// MaxOwners is how many owners [OwnerStore.Names] takes at most: those of a page of keys.
const MaxOwners = maxPage

// CheckOwners reports whether an [OwnerStore] may be asked for the names of so many.
func CheckOwners(ids []string) error {
	if len(ids) > MaxOwners {
		return fmt.Errorf("apikey: %d owners, want at most %d", len(ids), MaxOwners)
	}
	return nil
}

// An OwnerFilter says which records of owners to find, and which page of them.
type OwnerFilter struct {
	Text  string // a part of the id or the name, as it stands; ASCII letters match both cases; "" for all
	After string // the id at which the page before ended; "" for the first page
	Limit int    // 1 to 1000. Required.
}

// An OwnerPage is a part of what an [OwnerFilter] finds. It may hold fewer records than
// the filter takes, or none, while there are more: a store looks at a bounded number of
// records for one page.
type OwnerPage struct {
	Owners []Owner
	Next   string // where the next page begins
	More   bool   // there is one
}

// Check reports whether f can be asked: what every [OwnerStore] does first.
func (f *OwnerFilter) Check() error {
	if f.Limit < 1 || f.Limit > maxPage {
		return errLimit
	}
	return nil
}

// Matches reports whether Text is a part of what o says.
func (f *OwnerFilter) Matches(o *Owner) bool {
	return f.Text == "" || holdsFold(o.ID, f.Text) || holdsFold(o.Name, f.Text)
}

// An OwnerChange is one step in the life of a record of an owner.
type OwnerChange struct {
	Actor  string    // who: "user:ada", "system"; required
	Source string    // from where: "cli", an address; required
	At     time.Time // required
	Before *Owner    // as read from the store; nil to create
	After  *Owner    // as it shall be, with the same ID; nil to delete. Its Revision is ignored.
}

var errOwnerChange = errors.New("apikey: a change of an owner wants Actor, Source, At, and After with an id, the same as that of Before; or, to delete, Before alone")

// Check refuses a change that no audit could use. Stores call it first.
func (c *OwnerChange) Check() error {
	switch {
	case c.Actor == "", c.Source == "", c.At.IsZero(), c.ID() == "":
		return errOwnerChange
	case c.Before != nil && c.Before.ID != c.ID():
		return errOwnerChange
	default:
		return nil
	}
}

// ID returns the id of the owner that the change is of.
func (c *OwnerChange) ID() string {
	switch {
	case c.After != nil:
		return c.After.ID
	case c.Before != nil:
		return c.Before.ID
	default:
		return ""
	}
}

// Op names what the change does, for the audit: [OpCreate], [OpUpdate] or [OpDelete].
func (c *OwnerChange) Op() Op {
	switch {
	case c.Before == nil:
		return OpCreate
	case c.After == nil:
		return OpDelete
	default:
		return OpUpdate
	}
}

// A toldOwner is a record as the audit has it.
type toldOwner struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Created  time.Time         `json:"created"`
	Updated  *time.Time        `json:"updated,omitempty"`
}

// Told returns the record before and after the change as the audit has it, as JSON;
// nil for none.
func (c *OwnerChange) Told() (before, after []byte, _ error) {
	before, err := c.Before.told()
	if err != nil {
		return nil, nil, err
	}
	after, err = c.After.told()
	return before, after, err
}

func (o *Owner) told() ([]byte, error) {
	if o == nil {
		return nil, nil
	}
	t := toldOwner{ID: o.ID, Name: o.Name, Metadata: o.Metadata, Created: o.Created.UTC()}
	if !o.Updated.IsZero() {
		t.Updated = new(o.Updated.UTC())
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("apikey: a record of an owner: %w", err)
	}
	return text, nil
}

// separate returns a copy of o that shares nothing with it, with its times in UTC, as
// stores give them.
func (o *Owner) separate() Owner {
	other := *o
	other.Metadata = maps.Clone(o.Metadata)
	other.Created, other.Updated = o.Created.UTC(), o.Updated.UTC()
	return other
}
