package keyservice

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/problem"
)

// A Portal is what links to the holders' portal are made of.
type Portal struct {
	Passes  portallink.Store
	Open    string                    // the address that takes a link, behind a "#"
	Returns func(address string) bool // reports whether a holder may be led there
}

// PortalLinkSpec is a link to be made.
type PortalLinkSpec struct {
	Owner   string        `json:"owner" doc:"whose keys: your own id" minLength:"1" maxLength:"128" example:"acme"`
	May     []string      `json:"may,omitempty" nullable:"false" doc:"what the holder may do beside looking and making: roll, revoke, and usage, to see what keys were used for" maxItems:"3" enum:"roll,revoke,usage" example:"[\"roll\",\"revoke\",\"usage\"]"`
	Create  *PortalCreate `json:"create,omitempty" doc:"the keys that the holder may make; absent: none"`
	Return  string        `json:"return,omitempty" doc:"where the holder goes afterwards: one of portal.return_urls" maxLength:"2048" example:"https://app.example.com/settings"`
	Life    string        `json:"life,omitempty" doc:"how long the link is good, 1m to 24h; default 10m" maxLength:"32" example:"10m"`
	Session string        `json:"session,omitempty" doc:"how long the holder stays, 1m to 12h; default 30m" maxLength:"32" example:"30m"`
}

// PortalCreate bounds the keys that a holder makes.
type PortalCreate struct {
	Keys        int      `json:"keys" doc:"how many with this link" minimum:"1" maximum:"100" example:"1"`
	Environment string   `json:"environment,omitempty" doc:"of each; default live" maxLength:"16" pattern:"^[a-z0-9]+$" patternDescription:"lower case letters and digits" example:"live"`
	Scopes      []string `json:"scopes,omitempty" nullable:"false" doc:"that the holder may choose among; none: keys that may do nothing by scopes" maxItems:"100" example:"[\"orders:read\"]"`
	MaxTTL      string   `json:"max_ttl,omitempty" doc:"each expires until then, such as 90d; absent: as the policy of keys has it" maxLength:"32" example:"90d"`
	Plan        string   `json:"plan,omitempty" doc:"of each" maxLength:"40"`
}

// PortalLink is a link that was made.
type PortalLink struct {
	ID      string    `json:"id" doc:"of the link, for the audit and to end it" example:"k5qzn7w2t4m6c3xd"`
	Owner   string    `json:"owner" example:"acme"`
	URL     string    `json:"url,omitempty" format:"password" doc:"leads the holder's browser to its keys: good once; here and never again. Absent in an answer that is replayed: make another one then." example:"https://keys.example.com/open#wpl_k5qzn7w2t4m6c3xd_..."`
	Expires time.Time `json:"expires" doc:"of the link, as long as it was not used"`
	Session string    `json:"session" doc:"how long the holder stays from then on" example:"30m0s"`
}

func (l PortalLink) forget() any {
	l.URL = ""
	return l
}

// PortalLinkPath is the parameter of operations on one link.
type PortalLinkPath struct {
	ID string `path:"id" doc:"of the link" pattern:"^[a-z2-7]{16}$" patternDescription:"16 of a-z and 2-7" maxLength:"16" example:"k5qzn7w2t4m6c3xd"`
}

// PortalLinkEnded is a link that holds no more.
type PortalLinkEnded struct {
	ID    string    `json:"id" example:"k5qzn7w2t4m6c3xd"`
	Owner string    `json:"owner" example:"acme"`
	Ended time.Time `json:"ended"`
}

func noPortal() error {
	return fail(problem.NotFound, "There is no portal here: portal.listen turns it on.")
}

func noLink() error { return fail(problem.NotFound, "There is no such link.") }

// grant is what the holder may do: never more than the caller.
func (b *PortalLinkSpec) grant(s *Service, c *caller, r *reader) (g portallink.Grant, err error) {
	for _, one := range b.May {
		right := WriteKeys
		switch one {
		case "roll":
			g.Roll, right = true, RollKeys
		case "usage":
			g.Usage, right = true, ReadUsage
		case "revoke":
			g.Revoke = true
		}
		if !c.may(right) {
			return g, fail(problem.Forbidden, "A link lets nobody do what you may not: "+string(right)+".")
		}
		if s.cfg.Stale != nil && s.cfg.Stale(c.principal, right) {
			return g, fail(problem.FreshLogin, "Log in again first: this wants a fresh login.")
		}
	}
	if b.Create == nil {
		return g, nil
	}
	if b.Create.Environment == "" {
		b.Create.Environment = "live"
	}
	g.Create = &portallink.Create{
		Keys: b.Create.Keys, Environment: b.Create.Environment, Scopes: b.Create.Scopes, Plan: b.Create.Plan, MaxTTL: r.duration("create.max_ttl", b.Create.MaxTTL),
	}
	like := apikey.Spec{Environment: apikey.Environment(b.Create.Environment), Scopes: b.Create.Scopes, Plan: b.Create.Plan}
	for _, f := range faultsOf(like.Check(time.Now())) {
		r.fault("create."+f.Field, f.Message)
	}
	return g, nil
}

func (s *Service) createPortalLink(ctx context.Context, c *caller, in *struct {
	Marked
	Body PortalLinkSpec
},
) (*answer[PortalLink], error) {
	p, b := s.cfg.Portal, &in.Body
	switch {
	case p == nil:
		return nil, noPortal()
	case c.bound() != "" && b.Owner != c.bound():
		return nil, fail(problem.NotFound, "There is no such owner.")
	}
	var r reader
	spec := portallink.Spec{Owner: b.Owner, Maker: c.actor(), Return: b.Return, Life: r.duration("life", b.Life), Session: r.duration("session", b.Session)}
	var err error
	if spec.Grant, err = b.grant(s, c, &r); err != nil {
		return nil, err
	}
	if b.Return != "" && !p.Returns(b.Return) {
		r.fault("return", "want one of portal.return_urls")
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	made, text, err := portallink.Make(ctx, p.Passes, audit.By(c.by()), spec)
	switch {
	case errors.Is(err, portallink.ErrFull):
		return nil, fail(problem.Conflict, "The owner has too many links at once. Some end by themselves.")
	case err != nil:
		if faults := linkFaults(err); len(faults) > 0 {
			return nil, invalid(faults...)
		}
		return nil, err
	}
	return &answer[PortalLink]{Body: PortalLink{
		ID: string(made.ID), Owner: made.Owner, URL: p.Open + "#" + text.Reveal(), Expires: made.Expires, Session: made.Life.String(),
	}}, nil
}

// linkFaults are the fields that err names.
func linkFaults(err error) (faults []Fault) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			faults = append(faults, linkFaults(one)...)
		}
		return faults
	}
	if field, ok := errors.AsType[*portallink.FieldError](err); ok {
		return []Fault{{field.Field, field.Reason}}
	}
	return nil
}

func (s *Service) endPortalLink(ctx context.Context, c *caller, in *struct {
	PortalLinkPath
	Marked
},
) (*answer[PortalLinkEnded], error) {
	p := s.cfg.Portal
	if p == nil {
		return nil, noPortal()
	}
	found, err := p.Passes.Lookup(ctx, portallink.ID(in.ID))
	if errors.Is(err, portallink.ErrNotFound) || err == nil && c.bound() != "" && found.Owner != c.bound() {
		return nil, noLink()
	}
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	if !found.Ended.IsZero() {
		now = found.Ended
	}
	switch err := p.Passes.End(ctx, audit.By(c.by()), found.ID, now); {
	case errors.Is(err, portallink.ErrNotFound):
		return nil, noLink()
	case err != nil:
		return nil, err
	}
	return &answer[PortalLinkEnded]{Body: PortalLinkEnded{ID: in.ID, Owner: found.Owner, Ended: now}}, nil
}

// addPortal registers the operations on links to the portal.
func (s *Service) addPortal() {
	const tag = "portal"
	register(s, endpoint{
		id: "createPortalLink", method: http.MethodPost, path: "/v1/portalLinks", tag: tag, right: WriteKeys, status: http.StatusCreated, once: true, also: onceAlso(404),
		summary: "Make a link by which a holder comes to its keys", description: "It is good once, and for a short time. What the holder may do is never more than you may. Its address is in this answer and never again.",
	}, s.createPortalLink)
	register(s, endpoint{
		id: "endPortalLink", method: http.MethodPost, path: "/v1/portalLinks/{id}:end", tag: tag, right: WriteKeys, urgent: true, once: true, repeats: true, also: onceAlso(404),
		summary: "End a link, or the holder's stay that came of it", description: "It holds from the next request on. To end it again changes nothing.",
	}, s.endPortalLink)
}
