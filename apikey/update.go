package apikey

import (
	"context"
	"crypto/subtle"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// A Patch says what of a key is to be another: what is nil stays. The rules are
// those of [Spec]. An empty list, text or duration takes away.
type Patch struct {
	_ [0]func()

	Name        *string
	Owner       *string
	Scopes      *[]string
	Expires     *time.Time // zero: never
	Certificate *[32]byte  // zero: none

	// Metadata takes the place of all that there was; SetMetadata changes single
	// names, a nil value taking one away, and comes after it.
	Metadata    *map[string]string
	SetMetadata map[string]*string

	Addresses  *[]netip.Prefix
	Methods    *[]string
	Paths      *[]string
	Origins    *[]string
	Plan       *string
	Limits     *[]exchange.Quota
	IdleRevoke *time.Duration
}

// Update changes what people say of a key. Its kind, environment and id are for
// good. A patch that changes nothing writes nothing. revision is the one that was
// read, 0 for whatever there is. Errors: one or more [*SpecError], joined;
// [ErrNotFound], [ErrRevoked]; [ErrConflict] when the key is at another revision,
// or when others keep changing it; what the store returns.
func Update(ctx context.Context, store Store, by By, id ID, revision Revision, patch Patch) (Record, error) {
	return patch.write(ctx, store, Policy{}, by, id, revision)
}

// Update is the function Update on the issuer's store, within its [Policy]. It
// tells Changed.
func (i *Issuer) Update(ctx context.Context, by By, id ID, revision Revision, patch Patch) (Record, error) {
	record, err := patch.write(ctx, i.cfg.Store, i.cfg.Policy, by, id, revision)
	i.tell(id, err)
	return record, err
}

func (p *Patch) write(ctx context.Context, store Store, policy Policy, by By, id ID, revision Revision) (Record, error) {
	if err := by.check(); err != nil {
		return Record{}, err
	}
	return edit(ctx, store, by, id, revision, OpUpdate, func(r *Record, now time.Time) (bool, error) {
		if !r.Revoked.IsZero() {
			return false, ErrRevoked
		}
		before := *r
		p.apply(r)
		if err := p.check(r, policy, now); err != nil {
			return false, err
		}
		return !r.says(&before), nil
	})
}

// apply sets what p changes.
func (p *Patch) apply(r *Record) {
	set(&r.Name, p.Name)
	set(&r.Owner, p.Owner)
	setList(&r.Scopes, p.Scopes)
	set(&r.Certificate, p.Certificate)
	setList(&r.Methods, p.Methods)
	setList(&r.Paths, p.Paths)
	set(&r.Plan, p.Plan)
	setList(&r.Limits, p.Limits)
	set(&r.IdleRevoke, p.IdleRevoke)
	if p.Expires != nil {
		r.Expires = moment(*p.Expires)
	}
	if p.Addresses != nil {
		r.Addresses = unmapped(*p.Addresses)
	}
	if p.Origins != nil {
		r.Origins = plainOrigins(*p.Origins)
	}
	if p.Metadata != nil {
		r.Metadata = maps.Clone(*p.Metadata)
	}
	if len(p.SetMetadata) > 0 {
		r.Metadata = maps.Clone(r.Metadata)
	}
	for name, value := range p.SetMetadata {
		switch {
		case value == nil:
			delete(r.Metadata, name)
		case r.Metadata == nil:
			r.Metadata = map[string]string{name: *value}
		default:
			r.Metadata[name] = *value
		}
	}
}

// check reports everything that is wrong with what p made of r. What it leaves
// is not judged: a key of another system may have an owner that nobody could give
// here, and gets another name nevertheless.
func (p *Patch) check(r *Record, policy Policy, now time.Time) error {
	changed := Record{Kind: r.Kind, Origins: r.Origins}
	only := *p
	if p.Metadata != nil || len(p.SetMetadata) > 0 {
		only.Metadata, only.SetMetadata = &r.Metadata, nil
	}
	only.apply(&changed)
	errs := []error{changed.check()}
	if p.Expires != nil {
		errs = append(errs, checkExpires(changed.Expires, now), policy.allows(changed.Expires, now))
	}
	return errors.Join(errs...)
}

// says reports whether r says the same as other of all that a patch can change.
func (r *Record) says(other *Record) bool {
	return r.Name == other.Name && r.Owner == other.Owner && slices.Equal(r.Scopes, other.Scopes) &&
		r.Expires.Equal(other.Expires) && subtle.ConstantTimeCompare(r.Certificate[:], other.Certificate[:]) == 1 &&
		maps.Equal(r.Metadata, other.Metadata) && slices.Equal(r.Addresses, other.Addresses) &&
		slices.Equal(r.Methods, other.Methods) && slices.Equal(r.Paths, other.Paths) && slices.Equal(r.Origins, other.Origins) &&
		r.Plan == other.Plan && slices.Equal(r.Limits, other.Limits) && r.IdleRevoke == other.IdleRevoke
}

func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

func setList[T any](to *[]T, value *[]T) {
	if value != nil {
		*to = slices.Clone(*value)
	}
}
