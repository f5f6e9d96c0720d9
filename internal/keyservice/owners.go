package keyservice

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/problem"
)

// An Owner is what is known of somebody whom keys belong to.
type Owner struct {
	ID       string            `json:"id" doc:"your own id of whom keys belong to, which they bear as owner" example:"acme"`
	Name     string            `json:"name" doc:"for people" example:"Acme Ltd"`
	Metadata map[string]string `json:"metadata,omitempty" doc:"your own notes" example:"{\"account\":\"4711\"}"`
	Created  time.Time         `json:"created" doc:"the record, not the first key" example:"2026-11-28T12:00:00Z"`
	Updated  *time.Time        `json:"updated,omitempty" doc:"when people last changed it"`
	Revision int64             `json:"revision" doc:"of its last change" example:"51"`
}

// OwnerBody is one record.
type OwnerBody struct {
	Owner Owner `json:"owner"`
}

// OwnerPage is a part of a list.
type OwnerPage struct {
	Owners []Owner `json:"owners" nullable:"false"`
	Next   string  `json:"next,omitempty" doc:"the cursor of the next page; absent on the last. A page with it may hold fewer records than limit, or none" example:"AQAB"`
}

// OwnerSpec is all that is known of an owner.
type OwnerSpec struct {
	Name     string            `json:"name,omitempty" doc:"for people" maxLength:"128" example:"Acme Ltd"`
	Metadata map[string]string `json:"metadata,omitempty" doc:"your own notes" maxProperties:"50" example:"{\"account\":\"4711\"}"`
}

// OwnerDeleted is what is left of an owner.
type OwnerDeleted struct {
	ID       string `json:"id" example:"acme"`
	Keys     int    `json:"keys" doc:"that bear the id, and stay as they are; revoked ones too" example:"2"`
	MoreKeys bool   `json:"more_keys,omitempty" doc:"there are more than keys says"`
}

// countedKeys is how many keys of an owner are counted.
const countedKeys = 10_000

// OwnerQuery names an owner. It is no part of the path: an id may hold "/" and "..",
// which there have more than one reading.
type OwnerQuery struct {
	Owner string `query:"owner" required:"true" doc:"its id: what keys bear" minLength:"1" maxLength:"128" example:"acme"`
}

var errNoOwners = errors.New("keyservice: nothing keeps records of owners here")

func ownerOf(o *apikey.Owner) Owner {
	return Owner{ID: o.ID, Name: o.Name, Metadata: o.Metadata, Created: o.Created.UTC(), Updated: timeOf(o.Updated), Revision: int64(o.Revision)}
}

func ownerTag(o *apikey.Owner) string { return `"` + strconv.FormatInt(int64(o.Revision), 10) + `"` }

func ownerAnswer(o *apikey.Owner) *answer[OwnerBody] {
	return &answer[OwnerBody]{ETag: ownerTag(o), Body: OwnerBody{ownerOf(o)}}
}

// named adds the names of their owners to keys: one question for all of them.
func (s *Service) named(ctx context.Context, keys []Key) error {
	var ids []string
	for i := range keys {
		if keys[i].Owner != "" {
			ids = append(ids, keys[i].Owner)
		}
	}
	if s.cfg.Owners == nil || len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	names, err := s.cfg.Owners.Names(ctx, slices.Compact(ids))
	for i := range keys {
		keys[i].OwnerName = names[keys[i].Owner]
	}
	return err
}

func (s *Service) listOwners(ctx context.Context, c *caller, in *struct {
	Text   string `query:"text" doc:"a part of the id or the name, as it stands" maxLength:"128"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"records in a page; default 100"`
	Cursor string `query:"cursor" doc:"next of the page before, with the same text" maxLength:"256"`
},
) (*answer[OwnerPage], error) {
	if s.cfg.Owners == nil {
		return nil, errNoOwners
	}
	f := apikey.OwnerFilter{Text: in.Text, Limit: in.Limit}
	if f.Limit == 0 {
		f.Limit = defaultPage
	}
	parts := []string{"owners", c.bound(), in.Text}
	if in.Cursor != "" {
		place, ok := openCursor(in.Cursor, parts...)
		if !ok {
			return nil, invalid(Fault{"cursor", "want next of a page with the same text"})
		}
		f.After = string(place)
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	page, err := s.findOwners(ctx, c, f)
	if err != nil {
		return nil, err
	}
	out := OwnerPage{Owners: make([]Owner, len(page.Owners))}
	for i := range page.Owners {
		out.Owners[i] = ownerOf(&page.Owners[i])
	}
	if page.More {
		out.Next = sealCursor([]byte(page.Next), parts...)
	}
	return &answer[OwnerPage]{Body: out}, nil
}

// findOwners finds what the caller may see: who is bound to an owner sees its record
// alone.
func (s *Service) findOwners(ctx context.Context, c *caller, f apikey.OwnerFilter) (page apikey.OwnerPage, _ error) {
	if c.bound() == "" {
		return s.cfg.Owners.Find(ctx, f)
	}
	o, err := s.cfg.Owners.Lookup(ctx, c.bound())
	switch {
	case errors.Is(err, apikey.ErrNoOwner):
		return page, nil
	case err != nil:
		return page, err
	}
	if f.Matches(&o) {
		page.Owners = append(page.Owners, o)
	}
	return page, nil
}

func (s *Service) getOwner(ctx context.Context, c *caller, in *OwnerQuery) (*answer[OwnerBody], error) {
	if s.cfg.Owners == nil {
		return nil, errNoOwners
	}
	if c.bound() != "" && in.Owner != c.bound() {
		return nil, apikey.ErrNoOwner
	}
	o, err := s.cfg.Owners.Lookup(ctx, in.Owner)
	if err != nil {
		return nil, err
	}
	return ownerAnswer(&o), nil
}

func (s *Service) putOwner(ctx context.Context, c *caller, in *struct {
	OwnerQuery
	Matched
	Marked
	Body OwnerSpec
},
) (*answer[OwnerBody], error) {
	if s.cfg.Owners == nil {
		return nil, errNoOwners
	}
	spec := apikey.OwnerSpec{ID: in.Owner, Name: in.Body.Name, Metadata: in.Body.Metadata}
	if err := spec.Check(); err != nil {
		return nil, err
	}
	o, created, err := s.put(ctx, c, spec, in.IfMatch)
	if err != nil {
		return nil, err
	}
	out := ownerAnswer(&o)
	if created {
		out.Status = http.StatusCreated
	}
	return out, nil
}

// put makes the record, where no state is named, or replaces the one that is.
func (s *Service) put(ctx context.Context, c *caller, spec apikey.OwnerSpec, ifMatch string) (o apikey.Owner, created bool, _ error) {
	before, err := s.cfg.Owners.Lookup(ctx, spec.ID)
	switch {
	case errors.Is(err, apikey.ErrNoOwner) && ifMatch != "":
		return o, false, fail(problem.ChangedMeanwhile, "There is no record of this owner: leave If-Match out to make one.")
	case errors.Is(err, apikey.ErrNoOwner):
		o, err = apikey.CreateOwner(ctx, s.cfg.Owners, c.by(), spec)
		return o, err == nil, err
	case err != nil:
		return o, false, err
	}
	revision, err := seenOwner(ifMatch, &before, true)
	if err != nil {
		return o, false, err
	}
	return apikey.PutOwner(ctx, s.cfg.Owners, c.by(), spec, revision)
}

// seenOwner returns the revision that If-Match names, 0 for whatever there is.
func seenOwner(ifMatch string, o *apikey.Owner, required bool) (apikey.Revision, error) {
	whatever, err := matches(ifMatch, ownerTag(o), required)
	if err != nil || whatever {
		return 0, err
	}
	return o.Revision, nil
}

func (s *Service) deleteOwner(ctx context.Context, c *caller, in *struct {
	OwnerQuery
	Matched
	Marked
},
) (*answer[OwnerDeleted], error) {
	if s.cfg.Owners == nil {
		return nil, errNoOwners
	}
	before, err := s.cfg.Owners.Lookup(ctx, in.Owner)
	if err != nil {
		return nil, err
	}
	revision, err := seenOwner(in.IfMatch, &before, false)
	if err != nil {
		return nil, err
	}
	keys, err := s.cfg.Owners.CountKeys(ctx, in.Owner, countedKeys+1)
	if err != nil {
		return nil, err
	}
	if err := apikey.DeleteOwner(ctx, s.cfg.Owners, c.by(), in.Owner, revision); err != nil {
		return nil, err
	}
	return &answer[OwnerDeleted]{Body: OwnerDeleted{ID: in.Owner, Keys: min(keys, countedKeys), MoreKeys: keys > countedKeys}}, nil
}

// addOwners registers the operations on records of owners.
func (s *Service) addOwners() {
	const tag, record = "owners", "/v1/owners/record"
	register(s, endpoint{id: "listOwners", method: http.MethodGet, path: "/v1/owners", tag: tag, right: ReadKeys, summary: "List what is known of owners, a page at a time", description: "Owners without a record are not on it, whatever keys they have. It looks at a bounded number of records for each page, as listKeys does."}, s.listOwners)
	register(s, endpoint{id: "getOwner", method: http.MethodGet, path: record, tag: tag, right: ReadKeys, also: []int{404}, summary: "Show what is known of an owner"}, s.getOwner)
	register(s, endpoint{id: "putOwner", method: http.MethodPut, path: record, tag: tag, right: WriteOwners, once: true, repeats: true, also: onceAlso(412, 428), summary: "Say what is known of an owner: all of it anew", description: "Without a record it makes one, and is sent without If-Match. There may be one before the first key, and keys want none."}, s.putOwner)
	s.alsoCreated(record)
	register(s, endpoint{id: "deleteOwner", method: http.MethodDelete, path: record, tag: tag, right: WriteOwners, once: true, repeats: true, also: onceAlso(404, 412), summary: "Forget what is known of an owner; its keys stay", description: "It says how many keys bear the id: revokeKeys takes them away."}, s.deleteOwner)
}

// alsoCreated describes that PUT answers 201 where it has made what was not there
// (RFC 9110, section 9.3.4).
func (s *Service) alsoCreated(path string) {
	responses := s.api.OpenAPI().Paths[path].Put.Responses
	created := *responses["200"]
	created.Description = http.StatusText(http.StatusCreated)
	responses["201"] = &created
}
