package apikey

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// A Sort is an order of keys.
type Sort string

// The orders of [Filter]. In both, the id decides between equals.
const (
	SortID      Sort = "id"      // ascending
	SortCreated Sort = "created" // the newest first; the default
)

// A Filter says which keys to find, and which page of them. Every field that is empty allows all.
type Filter struct {
	Owner         string
	Environment   Environment
	Kind          Kind
	Plan          string
	State         State
	Text          string    // a part of the name, the owner or the id, as it stands; ASCII letters match both cases
	ExpiresBefore time.Time // expire before it; those that never do are left out
	IdleRevoke    bool      // only those that are revoked when they are unused

	Sort  Sort
	After Cursor    // the end of the page before
	Limit int       // 1 to 1000. Required.
	At    time.Time // for states; default now
}

// A Cursor is a place between two keys in an order. The zero Cursor is the
// beginning.
type Cursor struct {
	Created time.Time // to the microsecond; without effect in the order of ids
	ID      ID
}

// A Page is a part of what a [Filter] finds. It may hold fewer records than the filter
// takes, or none, while there are more: a store looks at a bounded number of keys for
// one page, where none of its indexes says which are asked for.
type Page struct {
	Records []Record
	Next    Cursor // where the next page begins
	More    bool   // there is one
}

// A Finder finds keys. The stores of this module are Finders.
type Finder interface {
	// Find returns the first records beyond After, at most Limit. An error means that the
	// query is not valid or that the store gave no answer.
	Find(ctx context.Context, q Filter) (Page, error)
}

var errFilter = errors.New("apikey: filter: want a limit of 1 to 1000, a known sort, kind and state, and a cursor that ends a page")

// Check sets what q leaves open and reports whether it can be asked: what every
// [Finder] does first.
func (q *Filter) Check(now time.Time) error {
	if q.Sort == "" {
		q.Sort = SortCreated
	}
	if q.At.IsZero() {
		q.At = now
	}
	switch {
	case q.Limit < 1 || q.Limit > maxPage, q.Sort != SortID && q.Sort != SortCreated:
		return errFilter
	case !slices.Contains([]State{"", Active, Retiring, Disabled, Revoked, Expired}, q.State):
		return errFilter
	case !slices.Contains([]Kind{"", KindSecret, KindPublic, KindHoneytoken}, q.Kind):
		return errFilter
	case q.After.ID == "" && !q.After.Created.IsZero():
		return errFilter
	default:
		return nil
	}
}

// CursorOf returns the place behind r in the order of q.
func (q *Filter) CursorOf(r *Record) Cursor {
	if q.Sort == SortID {
		return Cursor{ID: r.ID}
	}
	return Cursor{Created: r.Created, ID: r.ID}
}

// matches reports whether r is asked for.
func (q *Filter) matches(r *Record) bool {
	return (q.Owner == "" || r.Owner == q.Owner) &&
		(q.Environment == "" || r.Environment == q.Environment) &&
		(q.Kind == "" || r.KindOf() == q.Kind) &&
		(q.Plan == "" || r.Plan == q.Plan) &&
		(q.State == "" || r.State(q.At) == q.State) &&
		(q.ExpiresBefore.IsZero() || !r.Expires.IsZero() && r.Expires.Before(q.ExpiresBefore)) &&
		(!q.IdleRevoke || r.IdleRevoke > 0) &&
		(q.Text == "" || holdsFold(r.Name, q.Text) || holdsFold(r.Owner, q.Text) || holdsFold(string(r.ID), q.Text))
}

// holdsFold reports whether s holds part, whatever the case of ASCII letters.
func holdsFold(s, part string) bool { return strings.Contains(lowerASCII(s), lowerASCII(part)) }

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

// compare orders two records as q asks.
func (q *Filter) compare(a, b *Record) int {
	if q.Sort == SortCreated {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.ID, b.ID)
}

// Find returns a page of records; see [Finder]. It looks at every key.
func (s *MemoryStore) Find(ctx context.Context, q Filter) (Page, error) {
	if err := errors.Join(ctx.Err(), q.Check(time.Now())); err != nil {
		return Page{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	last := Record{ID: q.After.ID, Created: q.After.Created}
	var found []Record
	for _, r := range s.records {
		if q.matches(&r) && (q.After == Cursor{} || q.compare(&r, &last) > 0) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b Record) int { return q.compare(&a, &b) })
	page := Page{More: len(found) > q.Limit}
	for i := range found[:min(len(found), q.Limit)] {
		page.Records = append(page.Records, separate(found[i]))
	}
	if page.More {
		page.Next = q.CursorOf(&page.Records[q.Limit-1])
	}
	return page, nil
}
