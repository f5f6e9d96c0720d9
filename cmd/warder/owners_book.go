package main

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
)

// An ownerBook has the records of owners: in a database, or at a server. Its errors are
// errMeanwhile and failures.
type ownerBook interface {
	get(ctx context.Context, id string) (o apikey.Owner, found bool, err error)
	list(ctx context.Context, text string, limit int) ([]apikey.Owner, error) // limit 0: all

	// put makes the record, or replaces the one that was found at the revision.
	put(ctx context.Context, spec apikey.OwnerSpec, revision apikey.Revision, found bool) (apikey.Owner, error)
	remove(ctx context.Context, id string, revision apikey.Revision) (ownerDeletion, error) // revision 0: whatever there is
}

// countedKeys is how many keys of an owner are counted, as the server does.
const countedKeys = 10_000

// localOwners are those of a database.
type localOwners struct {
	store apikey.OwnerStore
	by    apikey.By
}

// ownerFailure is err of the domain as the command says it.
func ownerFailure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, apikey.ErrConflict), errors.Is(err, apikey.ErrOwnerExists):
		return errMeanwhile
	}
	var named []error
	for _, one := range specFields(err) {
		if one.Field == "owner" {
			named = append(named, errors.New("the owner: "+one.Reason))
		} else {
			named = append(named, specErrors(one)...)
		}
	}
	if len(named) > 0 {
		return fail(exitUsage, "", "%w", errors.Join(named...))
	}
	return fail(exitServer, "nothing is changed", "owners: %w", err)
}

// specFields are the fields that the errors joined in err name.
func specFields(err error) (fields []*apikey.SpecError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			fields = append(fields, specFields(one)...)
		}
		return fields
	}
	if spec, ok := errors.AsType[*apikey.SpecError](err); ok {
		fields = append(fields, spec)
	}
	return fields
}

func (l *localOwners) get(ctx context.Context, id string) (apikey.Owner, bool, error) {
	o, err := l.store.Lookup(ctx, id)
	if errors.Is(err, apikey.ErrNoOwner) {
		return apikey.Owner{}, false, nil
	}
	return o, err == nil, err
}

func (l *localOwners) list(ctx context.Context, text string, limit int) (all []apikey.Owner, _ error) {
	for f := (apikey.OwnerFilter{Text: text, Limit: pageSize}); ; {
		if limit > 0 {
			f.Limit = min(pageSize, limit-len(all))
		}
		page, err := l.store.Find(ctx, f)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Owners...)
		if !page.More || limit > 0 && len(all) == limit {
			return all, nil
		}
		f.After = page.Next
	}
}

func (l *localOwners) put(ctx context.Context, spec apikey.OwnerSpec, revision apikey.Revision, found bool) (o apikey.Owner, err error) {
	if found {
		o, _, err = apikey.PutOwner(ctx, l.store, l.by, spec, revision)
	} else {
		o, err = apikey.CreateOwner(ctx, l.store, l.by, spec)
	}
	return o, ownerFailure(err)
}

func (l *localOwners) remove(ctx context.Context, id string, revision apikey.Revision) (ownerDeletion, error) {
	keys, err := l.store.CountKeys(ctx, id, countedKeys+1)
	if err != nil {
		return ownerDeletion{}, err
	}
	err = apikey.DeleteOwner(ctx, l.store, l.by, id, revision)
	if errors.Is(err, apikey.ErrNoOwner) {
		return ownerDeletion{}, noOwner(id)
	}
	return ownerDeletion{ID: id, Deleted: true, Keys: min(keys, countedKeys), MoreKeys: keys > countedKeys}, ownerFailure(err)
}

// nameOwners adds the names of their owners to keys.
func nameOwners(ctx context.Context, store apikey.OwnerStore, views []keyView) error {
	ids := make([]string, len(views))
	for i := range views {
		ids[i] = views[i].Owner
	}
	slices.Sort(ids)
	all := make(map[string]string)
	for some := range slices.Chunk(slices.Compact(ids), apikey.MaxOwners) {
		names, err := store.Names(ctx, some)
		if err != nil {
			return err
		}
		maps.Copy(all, names)
	}
	for i := range views {
		views[i].OwnerName = all[views[i].Owner]
	}
	return nil
}

// remoteOwners are those of a server.
type remoteOwners struct {
	r     *remote
	doing string // the command
}

// failure is what the server refused, as the same command on a database would say it.
func (b *remoteOwners) failure(ctx context.Context, err error, id string) error {
	p, ok := errors.AsType[*client.Problem](err)
	switch {
	case ok && p.Status == http.StatusNotFound && b.r.IsAdminAPI(ctx):
		return noOwner(id)
	case ok && (p.Status == http.StatusPreconditionFailed || p.Status == http.StatusPreconditionRequired):
		return errMeanwhile
	case ok && p.Status == http.StatusBadRequest && len(p.Errors) > 0:
		named := make([]error, len(p.Errors))
		for i, f := range p.Errors {
			named[i] = &apikey.SpecError{Field: f.Field, Reason: shown(f.Message)}
		}
		return ownerFailure(errors.Join(named...))
	default:
		return b.r.failure(ctx, err, b.doing)
	}
}

// remoteOwner is a record of the server's.
func remoteOwner(o *client.Owner) apikey.Owner {
	own := apikey.Owner{ID: o.ID, Name: o.Name, Metadata: o.Metadata, Created: o.Created, Revision: apikey.Revision(o.Revision)}
	if o.Updated != nil {
		own.Updated = *o.Updated
	}
	return own
}

func (b *remoteOwners) get(ctx context.Context, id string) (apikey.Owner, bool, error) {
	found, err := b.r.GetOwner(ctx, client.GetOwnerParams{Owner: id})
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusNotFound && b.r.IsAdminAPI(ctx) {
		return apikey.Owner{}, false, nil
	}
	if err != nil {
		return apikey.Owner{}, false, b.failure(ctx, err, id)
	}
	return remoteOwner(&found.Value.Owner), true, nil
}

func (b *remoteOwners) list(ctx context.Context, text string, limit int) (all []apikey.Owner, _ error) {
	for params := (client.ListOwnersParams{Text: text, Limit: pageSize}); ; {
		if limit > 0 {
			params.Limit = int64(min(pageSize, limit-len(all)))
		}
		page, err := b.r.ListOwners(ctx, params)
		if err != nil {
			return nil, b.r.failure(ctx, err, b.doing)
		}
		for i := range page.Value.Owners {
			all = append(all, remoteOwner(&page.Value.Owners[i]))
		}
		if params.Cursor = page.Value.Next; params.Cursor == "" || limit > 0 && len(all) >= limit {
			return all, nil
		}
	}
}

func (b *remoteOwners) put(ctx context.Context, spec apikey.OwnerSpec, revision apikey.Revision, found bool) (apikey.Owner, error) {
	params := client.PutOwnerParams{Owner: spec.ID, IdempotencyKey: rand.Text()}
	if found {
		params.IfMatch = strconv.Quote(strconv.FormatInt(int64(revision), 10))
	}
	put, err := b.r.PutOwner(ctx, params, client.OwnerSpec{Name: spec.Name, Metadata: spec.Metadata})
	if err != nil {
		return apikey.Owner{}, b.failure(ctx, err, spec.ID)
	}
	return remoteOwner(&put.Value.Owner), nil
}

func (b *remoteOwners) remove(ctx context.Context, id string, revision apikey.Revision) (ownerDeletion, error) {
	deleted, err := b.r.DeleteOwner(ctx, client.DeleteOwnerParams{Owner: id, IfMatch: ifMatch(int64(revision)), IdempotencyKey: rand.Text()})
	if err != nil {
		return ownerDeletion{}, b.failure(ctx, err, id)
	}
	v := deleted.Value
	return ownerDeletion{ID: v.ID, Deleted: true, Keys: int(v.Keys), MoreKeys: v.MoreKeys}, nil
}
