package keyservice

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage"
)

// Account is what a key, or an owner, has to spend.
type Account struct {
	Kind      string  `json:"kind" enum:"key,owner" example:"key"`
	ID        string  `json:"id" doc:"of the key, or the owner" example:"7HqLk2mVxWcP"`
	Remaining int64   `json:"remaining" doc:"what nodes have reserved not included" example:"900"`
	Reserved  int64   `json:"reserved" doc:"by nodes that run" example:"100"`
	Spent     int64   `json:"spent" doc:"since the account began" example:"0"`
	Lost      int64   `json:"lost" doc:"reserved by nodes that crashed" example:"0"`
	Refill    *Refill `json:"refill,omitempty" doc:"absent: never"`
}

// Refill gives an account credits again and again.
type Refill struct {
	Every  string    `json:"every" enum:"day,week,month" doc:"of UTC" example:"month"`
	Amount int64     `json:"amount" doc:"what there is after each, or with cap what it adds" example:"1000"`
	Cap    int64     `json:"cap,omitempty" doc:"the most that refills make it"`
	Next   time.Time `json:"next" example:"2026-12-01T00:00:00Z"`
}

// HolderOf names whose account is meant: one of both.
type HolderOf struct {
	Key   string `json:"key,omitempty" doc:"the id of a key; either this or owner" maxLength:"12" pattern:"^[0-9A-Za-z]{12}$" patternDescription:"12 letters and digits" example:"7HqLk2mVxWcP"`
	Owner string `json:"owner,omitempty" doc:"an owner" maxLength:"128"`
}

// subject finds whose account it is; a key must exist, and be the caller's
// business.
func (s *Service) subject(ctx context.Context, c *caller, h HolderOf) (usage.Subject, error) {
	switch {
	case s.cfg.Credits == nil:
		return usage.Subject{}, errNoCredits
	case (h.Key == "") == (h.Owner == ""):
		return usage.Subject{}, invalid(Fault{"key", "want either key or owner"})
	case h.Key != "":
		if _, err := s.find(ctx, c, h.Key); err != nil {
			return usage.Subject{}, err
		}
		return usage.Subject{Kind: usage.Key, ID: h.Key}, nil
	case c.bound() != "" && h.Owner != c.bound():
		return usage.Subject{}, fail(problem.NotFound, "There is no account of credits.")
	}
	subject := usage.Subject{Kind: usage.Owner, ID: h.Owner}
	if subject.Check() != nil {
		return usage.Subject{}, invalid(Fault{"owner", "want 1 to 128 bytes of text"})
	}
	return subject, apikey.CheckOwner(h.Owner)
}

func accountAnswer(a *usage.Account) *answer[Account] {
	view := Account{Kind: string(a.Subject.Kind), ID: a.Subject.ID, Remaining: a.Balance, Reserved: a.Held, Spent: a.Spent, Lost: a.Lost}
	if a.Refill.Every != usage.Never {
		view.Refill = &Refill{Every: string(a.Refill.Every), Amount: a.Refill.Amount, Cap: a.Refill.Cap, Next: a.Next.UTC()}
	}
	return &answer[Account]{Body: view}
}

// told is the answer of an account, unless it has become another owner's meanwhile.
func (s *Service) told(ctx context.Context, c *caller, h HolderOf, a *usage.Account) (*answer[Account], error) {
	if c.bound() != "" {
		if _, err := s.subject(ctx, c, h); err != nil {
			return nil, err
		}
	}
	return accountAnswer(a), nil
}

func (s *Service) getCredits(ctx context.Context, c *caller, in *struct {
	Key   string `query:"key" doc:"the id of a key; either this or owner" maxLength:"12" pattern:"^[0-9A-Za-z]{12}$" patternDescription:"12 letters and digits"`
	Owner string `query:"owner" doc:"an owner" maxLength:"128"`
},
) (*answer[Account], error) {
	subject, err := s.subject(ctx, c, HolderOf{in.Key, in.Owner})
	if err != nil {
		return nil, err
	}
	a, err := s.cfg.Credits.Account(ctx, subject, time.Now())
	if err != nil {
		return nil, err
	}
	return s.told(ctx, c, HolderOf{in.Key, in.Owner}, &a)
}

func (s *Service) changeCredits(ctx context.Context, c *caller, h HolderOf, change usage.Change) (*answer[Account], error) {
	subject, err := s.subject(ctx, c, h)
	if err != nil {
		return nil, err
	}
	by := c.by()
	change.Actor, change.Source, change.At, change.Subject = by.Actor, by.Source, time.Now(), subject
	if subject.Kind == usage.Key {
		change.Owner = c.bound() // it may become another's before the change
	}
	a, err := s.cfg.Credits.Apply(ctx, change)
	switch {
	case errors.Is(err, usage.ErrOtherOwner):
		return nil, apikey.ErrNotFound
	case err != nil:
		return nil, err
	}
	return s.told(ctx, c, h, &a)
}

func (s *Service) setCredits(ctx context.Context, c *caller, in *struct {
	Marked
	Body struct {
		HolderOf
		Credits int64 `json:"credits" doc:"how many there are from now on" minimum:"0" maximum:"1000000000000000" example:"1000"`
	}
},
) (*answer[Account], error) {
	return s.changeCredits(ctx, c, in.Body.HolderOf, usage.Change{Op: usage.OpSet, Amount: in.Body.Credits})
}

func (s *Service) grantCredits(ctx context.Context, c *caller, in *struct {
	Marked
	Body struct {
		HolderOf
		Credits int64 `json:"credits" doc:"how many more there are" minimum:"1" maximum:"1000000000000000" example:"100"`
	}
},
) (*answer[Account], error) {
	return s.changeCredits(ctx, c, in.Body.HolderOf, usage.Change{Op: usage.OpAdd, Amount: in.Body.Credits})
}

func (s *Service) setRefill(ctx context.Context, c *caller, in *struct {
	Marked
	Body struct {
		HolderOf
		Every  string     `json:"every" enum:"never,day,week,month" doc:"of UTC" example:"month"`
		Amount int64      `json:"amount,omitempty" doc:"what there is after each refill, or with cap what it adds" minimum:"1" maximum:"1000000000000000" example:"1000"`
		Cap    int64      `json:"cap,omitempty" doc:"the most that refills make it" minimum:"1" maximum:"1000000000000000"`
		From   *time.Time `json:"from,omitempty" doc:"the first refill; default: midnight, Monday, the first of the month"`
	}
},
) (*answer[Account], error) {
	refill := usage.Refill{Every: usage.Period(in.Body.Every), Amount: in.Body.Amount, Cap: in.Body.Cap}
	if in.Body.Every == "never" {
		refill.Every = usage.Never
	}
	if in.Body.From != nil {
		refill.From = in.Body.From.UTC().Truncate(time.Second)
	}
	if err := refill.Check(); err != nil {
		return nil, invalid(Fault{"every", "never goes alone; the others want an amount, and a cap that is not below it"})
	}
	return s.changeCredits(ctx, c, in.Body.HolderOf, usage.Change{Op: usage.OpRefill, Refill: refill})
}

// addCredits registers the operations on credits.
func (s *Service) addCredits() {
	const tag = "credits"
	register(s, endpoint{id: "getCredits", method: http.MethodGet, path: "/v1/credits", tag: tag, right: ReadKeys, also: []int{404}, summary: "Show what a key, or an owner, has to spend"}, s.getCredits)
	register(s, endpoint{id: "setCredits", method: http.MethodPost, path: "/v1/credits:set", tag: tag, right: WriteCredits, once: true, repeats: true, also: onceAlso(404), summary: "Set how many credits are left; makes the account"}, s.setCredits)
	register(s, endpoint{id: "grantCredits", method: http.MethodPost, path: "/v1/credits:grant", tag: tag, right: WriteCredits, once: true, also: onceAlso(404), summary: "Add credits to what is left"}, s.grantCredits)
	register(s, endpoint{id: "setRefill", method: http.MethodPost, path: "/v1/credits:setRefill", tag: tag, right: WriteCredits, once: true, repeats: true, also: onceAlso(404), summary: "Say when there are more credits, and how many; makes the account"}, s.setRefill)
}
