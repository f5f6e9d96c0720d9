package keyservice

import (
	"context"

	"github.com/warder-dev/warder/apikey"
)

// Turn is the input of changes that need nothing but the key.
type Turn struct {
	KeyPath
	Matched
	Marked
	Waiting
}

// before checks what Turn says, before anything is changed, and returns the
// revision that is meant.
func (s *Service) before(ctx context.Context, c *caller, in *Turn) (apikey.Revision, error) {
	if _, err := readWait(in.Wait); err != nil {
		return 0, err
	}
	return s.meant(ctx, c, in.ID, in.IfMatch, false)
}

func (s *Service) revoke(ctx context.Context, c *caller, in *struct {
	Turn
	Body struct {
		Reason string `json:"reason,omitempty" doc:"a word for the audit, such as key-compromise, superseded, affiliation-changed, privilege-withdrawn or cessation-of-operation; default unspecified" maxLength:"64" pattern:"^[a-z0-9-]*$" patternDescription:"lower case letters, digits and -" example:"key-compromise"`
	}
},
) (*answer[KeyChanged], error) {
	revision, err := s.before(ctx, c, &in.Turn)
	if err != nil {
		return nil, err
	}
	reason := in.Body.Reason
	if reason == "" {
		reason = apikey.ReasonUnspecified
	}
	record, err := s.cfg.Issuer.RevokeAt(ctx, c.by(), apikey.ID(in.ID), revision, reason)
	return s.changed(ctx, &record, in.Wait, err)
}

func (s *Service) disable(ctx context.Context, c *caller, in *Turn) (*answer[KeyChanged], error) {
	return s.turned(ctx, c, in, s.cfg.Issuer.DisableAt)
}

func (s *Service) enable(ctx context.Context, c *caller, in *Turn) (*answer[KeyChanged], error) {
	return s.turned(ctx, c, in, s.cfg.Issuer.EnableAt)
}

func (s *Service) turned(ctx context.Context, c *caller, in *Turn, change func(context.Context, apikey.By, apikey.ID, apikey.Revision) (apikey.Record, error)) (*answer[KeyChanged], error) {
	revision, err := s.before(ctx, c, in)
	if err != nil {
		return nil, err
	}
	record, err := change(ctx, c.by(), apikey.ID(in.ID), revision)
	if err == nil && !record.Revoked.IsZero() {
		return nil, apikey.ErrRevoked
	}
	return s.changed(ctx, &record, in.Wait, err)
}

// Deleted is what is left of a key.
type Deleted struct {
	ID      string  `json:"id" example:"7HqLk2mVxWcP"`
	Receipt Receipt `json:"receipt"`
}

func (s *Service) remove(ctx context.Context, c *caller, in *Turn) (*answer[Deleted], error) {
	wait, err := readWait(in.Wait)
	if err != nil {
		return nil, err
	}
	revision, err := s.meant(ctx, c, in.ID, in.IfMatch, false)
	if err != nil {
		return nil, err
	}
	rev, err := s.cfg.Issuer.Delete(ctx, c.by(), apikey.ID(in.ID), revision)
	if err != nil {
		return nil, err
	}
	receipt, err := s.await(ctx, rev, wait)
	if err != nil {
		return nil, err
	}
	return &answer[Deleted]{Body: Deleted{ID: in.ID, Receipt: receipt}}, nil
}
