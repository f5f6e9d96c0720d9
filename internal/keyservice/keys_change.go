package keyservice

import (
	"context"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/problem"
)

// KeyPatch says what of a key is to be another: what is absent stays, what is
// empty is taken away.
type KeyPatch struct {
	Name        *string            `json:"name,omitempty" maxLength:"128" example:"ci of the new team"`
	Owner       *string            `json:"owner,omitempty" maxLength:"128"`
	Scopes      *[]string          `json:"scopes,omitempty" nullable:"false" maxItems:"100"`
	Expires     *time.Time         `json:"expires,omitempty"`
	Never       bool               `json:"never_expires,omitempty" doc:"take the end away"`
	Certificate *string            `json:"certificate,omitempty" maxLength:"71"`
	Metadata    *map[string]string `json:"metadata,omitempty" doc:"all of it anew" maxProperties:"50"`
	Addresses   *[]string          `json:"addresses,omitempty" nullable:"false" maxItems:"100"`
	Methods     *[]string          `json:"methods,omitempty" nullable:"false" maxItems:"20"`
	Paths       *[]string          `json:"paths,omitempty" nullable:"false" maxItems:"100"`
	Origins     *[]string          `json:"origins,omitempty" nullable:"false" maxItems:"20"`
	Plan        *string            `json:"plan,omitempty" maxLength:"40"`
	Limits      *[]Limit           `json:"limits,omitempty" nullable:"false" maxItems:"10"`
	IdleRevoke  *string            `json:"idle_revoke,omitempty" maxLength:"32"`
}

// patch is what the issuer is asked for.
func (k *KeyPatch) patch(c *caller) (apikey.Patch, error) {
	var r reader
	if c.bound() != "" && k.Owner != nil && *k.Owner != c.bound() {
		return apikey.Patch{}, fail(problem.NotFound, "There is no such owner.")
	}
	p := apikey.Patch{
		Name: k.Name, Owner: k.Owner, Scopes: k.Scopes, Expires: k.Expires, Metadata: k.Metadata, Methods: k.Methods, Paths: k.Paths,
		Origins: k.Origins, Plan: k.Plan,
	}
	if k.Never {
		if k.Expires != nil {
			r.fault("never_expires", "want either this or expires")
		}
		p.Expires = new(time.Time)
	}
	if k.Certificate != nil {
		p.Certificate = new(r.certificate("certificate", *k.Certificate))
	}
	if k.Addresses != nil {
		p.Addresses = new(r.addresses("addresses", *k.Addresses))
	}
	if k.Limits != nil {
		p.Limits = new(r.limits("limits", *k.Limits))
	}
	if k.IdleRevoke != nil {
		p.IdleRevoke = new(r.duration("idle_revoke", *k.IdleRevoke))
	}
	return p, r.err()
}

func (s *Service) update(ctx context.Context, c *caller, in *struct {
	KeyPath
	Matched
	Marked
	Waiting
	Body KeyPatch
},
) (*answer[KeyChanged], error) {
	if _, err := readWait(in.Wait); err != nil {
		return nil, err
	}
	revision, err := s.meant(ctx, c, in.ID, in.IfMatch, true)
	if err != nil {
		return nil, err
	}
	patch, err := in.Body.patch(c)
	if err != nil {
		return nil, err
	}
	record, err := s.cfg.Issuer.Update(ctx, c.by(), apikey.ID(in.ID), revision, patch)
	return s.changed(ctx, &record, in.Wait, err)
}

func (s *Service) roll(ctx context.Context, c *caller, in *struct {
	KeyPath
	Matched
	Marked
	Body struct {
		Overlap    string `json:"overlap,omitempty" doc:"how long the former secret works on, such as 24h; default: it ends at once" maxLength:"32" example:"24h"`
		IdleRetire string `json:"idle_retire,omitempty" doc:"it ends earlier when it was unused for so long" maxLength:"32" example:"1h"`
	}
},
) (*answer[KeyMade], error) {
	revision, err := s.meant(ctx, c, in.ID, in.IfMatch, false)
	if err != nil {
		return nil, err
	}
	var r reader
	spec := apikey.RollSpec{Overlap: r.duration("overlap", in.Body.Overlap), IdleRetire: r.duration("idle_retire", in.Body.IdleRetire)}
	if err := r.err(); err != nil {
		return nil, err
	}
	record, text, err := s.cfg.Issuer.Roll(ctx, c.by(), apikey.ID(in.ID), revision, spec)
	if err != nil {
		return nil, err
	}
	return &answer[KeyMade]{ETag: etag(&record), Body: KeyMade{Key: viewOf(&record, time.Now()), Text: text.Reveal()}}, nil
}

func (s *Service) endOverlap(ctx context.Context, c *caller, in *struct {
	KeyPath
	Matched
	Marked
	Waiting
},
) (*answer[KeyChanged], error) {
	if _, err := readWait(in.Wait); err != nil { // before anything is changed
		return nil, err
	}
	revision, err := s.meant(ctx, c, in.ID, in.IfMatch, false)
	if err != nil {
		return nil, err
	}
	record, err := s.cfg.Issuer.EndOverlap(ctx, c.by(), apikey.ID(in.ID), revision)
	return s.changed(ctx, &record, in.Wait, err)
}

// Waiting is the parameter of changes that take a right away.
type Waiting struct {
	Wait string `query:"wait" doc:"how long to wait for the nodes that run, at most 30s; default 5s" maxLength:"16" example:"5s"`
}

const (
	defaultWait = 5 * time.Second
	maxWait     = 30 * time.Second
)

// changed is the answer to a change, with its receipt.
func (s *Service) changed(ctx context.Context, r *apikey.Record, wait string, err error) (*answer[KeyChanged], error) {
	if err != nil {
		return nil, err
	}
	bound, err := readWait(wait)
	if err != nil {
		return nil, err
	}
	receipt, err := s.await(ctx, r.Revision, bound)
	if err != nil {
		return nil, err
	}
	return &answer[KeyChanged]{ETag: etag(r), Body: KeyChanged{Key: viewOf(r, time.Now()), Receipt: receipt}}, nil
}

func readWait(text string) (time.Duration, error) {
	if text == "" {
		return defaultWait, nil
	}
	var r reader
	d := r.duration("wait", text)
	if d > maxWait {
		r.fault("wait", "want at most 30s")
	}
	return d, r.err()
}
