package keyservice

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
)

// A Person is who administers. Nothing secret is in it.
type Person struct {
	ID            string     `json:"id" doc:"names the person for good" example:"k5qzn7w2t4m6c3xd"`
	Name          string     `json:"name" doc:"to log in by" example:"ada"`
	Email         string     `json:"email,omitempty" doc:"for people to read" example:"ada@example.com"`
	Role          string     `json:"role" enum:"owner,admin,developer,auditor" example:"developer"`
	State         string     `json:"state" enum:"active,invited,locked,disabled" doc:"invited: the first link was not used yet; locked: password or second factor was reset, and the link for it was not used yet" example:"active"`
	Password      bool       `json:"password" doc:"one is set" example:"true"`
	Factor        bool       `json:"factor" doc:"a second factor is enrolled" example:"true"`
	RecoveryCodes int        `json:"recovery_codes" doc:"that are left" example:"10"`
	LinkExpires   *time.Time `json:"link_expires,omitempty" doc:"of the link that was not used yet"`
	Created       time.Time  `json:"created" example:"2026-11-28T12:00:00Z"`
	Updated       *time.Time `json:"updated,omitempty"`
	LastLogin     *time.Time `json:"last_login,omitempty" doc:"absent: never"`
	Revision      int64      `json:"revision" doc:"of the last change" example:"7"`
}

func personOf(a *account.Account) Person {
	v := a.View()
	return Person{
		ID: string(v.ID), Name: v.Name, Email: v.Email, Role: string(v.Role), State: string(v.State), Password: v.Password, Factor: v.Factor,
		RecoveryCodes: v.RecoveryCodes, LinkExpires: timeOf(v.Link), Created: v.Created.UTC(), Updated: timeOf(v.Updated), LastLogin: timeOf(v.LastLogin),
		Revision: int64(v.Revision),
	}
}

// PersonBody is one person.
type PersonBody struct {
	Person Person `json:"person"`
}

// PersonInvited is a person with the link that was made.
type PersonInvited struct {
	Person Person `json:"person"`
	Link   string `json:"link,omitempty" format:"password" doc:"sets the person up: good once, for an hour; here and never again. Absent in an answer that is replayed: invite again then." example:"wset_k5qzn7w2t4m6c3xd_..."`
}

func (p PersonInvited) forget() any {
	p.Link = ""
	return p
}

// PeoplePage is a part of a list.
type PeoplePage struct {
	People []Person `json:"people" nullable:"false"`
	Next   string   `json:"next,omitempty" doc:"the cursor of the next page; absent on the last" example:"AQAB"`
}

// LinkFrom says from where a link may be used.
type LinkFrom struct {
	From     string `json:"from,omitempty" doc:"the address from where alone the link may be used; default: yours" maxLength:"45" example:"192.0.2.7"`
	Anywhere bool   `json:"anywhere,omitempty" doc:"in its place: from every address"`
}

func (l *LinkFrom) link(c *caller) (account.Link, error) {
	switch {
	case l.Anywhere && l.From == "":
		return account.Link{Anywhere: true}, nil
	case l.From == "" && c.client.IsValid():
		return account.Link{Address: c.client}, nil
	}
	address, err := netip.ParseAddr(l.From)
	if err != nil || l.Anywhere {
		return account.Link{}, invalid(Fault{"from", "want an address such as 192.0.2.7, or anywhere in its place"})
	}
	return account.Link{Address: address}, nil
}

// PersonPath is the parameter of operations on one person.
type PersonPath struct {
	ID string `path:"id" doc:"of the person" pattern:"^[a-z2-7]{16}$" patternDescription:"16 of a-z and 2-7" maxLength:"16" example:"k5qzn7w2t4m6c3xd"`
}

// admin is the caller as who changes administrators. Whoever has the admin
// token may write the database beside it.
func (c *caller) admin() account.Actor {
	if c.principal.Issuer == TokenIssuer {
		return account.Actor{By: c.actor(), Source: c.client.String(), Operator: true}
	}
	by := account.ActorOf(c.principal, c.client.String(), time.Now())
	if by.By == "" { // somebody whom account does not know
		by.By = c.actor()
	}
	return by
}

var errNoPeople = errors.New("keyservice: nothing keeps administrators here")

func (s *Service) listPeople(ctx context.Context, _ *caller, in *struct {
	Name   string `query:"name" doc:"the one of this name" maxLength:"64"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"people in a page; default 100"`
	Cursor string `query:"cursor" doc:"next of the page before, with the same name" maxLength:"128"`
},
) (*answer[PeoplePage], error) {
	if s.cfg.People == nil {
		return nil, errNoPeople
	}
	store, limit := s.cfg.People.Store(), in.Limit
	if limit == 0 {
		limit = defaultPage
	}
	parts, after := []string{"people", in.Name}, ""
	if in.Cursor != "" {
		place, ok := openCursor(in.Cursor, parts...)
		if !ok || !account.ValidID(string(place)) {
			return nil, invalid(Fault{"cursor", "want next of a page with the same name"})
		}
		after = string(place)
	}
	page := PeoplePage{People: []Person{}}
	if in.Name != "" {
		switch a, err := store.Find(ctx, account.NormalName(in.Name)); {
		case err == nil:
			page.People = append(page.People, personOf(&a))
		case !errors.Is(err, account.ErrNotFound):
			return nil, err
		}
		return &answer[PeoplePage]{Body: page}, nil
	}
	all, err := store.List(ctx, account.ID(after), limit)
	if err != nil {
		return nil, err
	}
	for i := range all {
		page.People = append(page.People, personOf(&all[i]))
	}
	if len(all) == limit {
		page.Next = sealCursor([]byte(all[limit-1].ID), parts...)
	}
	return &answer[PeoplePage]{Body: page}, nil
}

func (s *Service) getPerson(ctx context.Context, _ *caller, in *PersonPath) (*answer[PersonBody], error) {
	a, err := s.person(ctx, in.ID)
	return personAnswer(&a, err)
}

// person finds one.
func (s *Service) person(ctx context.Context, id string) (account.Account, error) {
	if s.cfg.People == nil {
		return account.Account{}, errNoPeople
	}
	return s.cfg.People.Store().Lookup(ctx, account.ID(id))
}

func tagOf(revision account.Revision) string {
	return `"` + strconv.FormatInt(int64(revision), 10) + `"`
}

func personAnswer(a *account.Account, err error) (*answer[PersonBody], error) {
	if err != nil {
		return nil, err
	}
	return &answer[PersonBody]{ETag: tagOf(a.Revision), Body: PersonBody{personOf(a)}}, nil
}

func invitedAnswer(a *account.Account, link secret.Text, err error) (*answer[PersonInvited], error) {
	if err != nil {
		return nil, err
	}
	return &answer[PersonInvited]{ETag: tagOf(a.Revision), Body: PersonInvited{personOf(a), link.Reveal()}}, nil
}

// seenPerson returns the revision that If-Match names, 0 for whatever there is.
func (s *Service) seenPerson(ctx context.Context, id, ifMatch string, required bool) (account.Revision, error) {
	a, err := s.person(ctx, id)
	if err != nil {
		return 0, err
	}
	whatever, err := matches(ifMatch, tagOf(a.Revision), required)
	if whatever || err != nil {
		return 0, err
	}
	return a.Revision, nil
}

// PersonSpec is a person to be made.
type PersonSpec struct {
	LinkFrom

	Name  string `json:"name" doc:"to log in by; not taken" minLength:"1" maxLength:"64" example:"bob"`
	Email string `json:"email,omitempty" doc:"for people to read" maxLength:"254" example:"bob@example.com"`
	Role  string `json:"role" enum:"owner,admin,developer,auditor" example:"developer"`
}

func (s *Service) createPerson(ctx context.Context, c *caller, in *struct {
	Marked
	Body PersonSpec
},
) (*answer[PersonInvited], error) {
	if s.cfg.People == nil {
		return nil, errNoPeople
	}
	l, err := in.Body.link(c)
	if err != nil {
		return nil, err
	}
	a, link, err := s.cfg.People.Create(ctx, c.admin(), account.Spec{Name: in.Body.Name, Email: in.Body.Email, Role: account.Role(in.Body.Role)}, l)
	out, err := invitedAnswer(&a, link, err)
	if err == nil {
		out.Location = "/v1/people/" + out.Body.Person.ID
	}
	return out, err
}

// PersonTurn is the input of changes that need nothing but the person.
type PersonTurn struct {
	PersonPath
	Matched
	Marked
}

func (s *Service) updatePerson(ctx context.Context, c *caller, in *struct {
	PersonTurn
	Body struct {
		Email string `json:"email" doc:"empty: none" maxLength:"254" example:"bob@example.com"`
	}
},
) (*answer[PersonBody], error) {
	revision, err := s.seenPerson(ctx, in.ID, in.IfMatch, true)
	if err != nil {
		return nil, err
	}
	a, err := s.cfg.People.Describe(ctx, c.admin(), account.ID(in.ID), revision, in.Body.Email)
	return personAnswer(&a, err)
}

func (s *Service) setRole(ctx context.Context, c *caller, in *struct {
	PersonTurn
	Body struct {
		Role string `json:"role" enum:"owner,admin,developer,auditor" example:"auditor"`
	}
},
) (*answer[PersonBody], error) {
	revision, err := s.seenPerson(ctx, in.ID, in.IfMatch, true)
	if err != nil {
		return nil, err
	}
	a, err := s.cfg.People.SetRole(ctx, c.admin(), account.ID(in.ID), revision, account.Role(in.Body.Role))
	return personAnswer(&a, err)
}

type personChange func(context.Context, account.Actor, account.ID, account.Revision) (account.Account, error)

// turnPerson is the operation that change makes.
func (s *Service) turnPerson(change func(*account.Manager) personChange) func(context.Context, *caller, *PersonTurn) (*answer[PersonBody], error) {
	return func(ctx context.Context, c *caller, in *PersonTurn) (*answer[PersonBody], error) {
		revision, err := s.seenPerson(ctx, in.ID, in.IfMatch, false)
		if err != nil {
			return nil, err
		}
		a, err := change(s.cfg.People)(ctx, c.admin(), account.ID(in.ID), revision)
		return personAnswer(&a, err)
	}
}

func (s *Service) invite(ctx context.Context, c *caller, in *struct {
	PersonTurn
	Body LinkFrom
},
) (*answer[PersonInvited], error) {
	revision, err := s.seenPerson(ctx, in.ID, in.IfMatch, false)
	if err != nil {
		return nil, err
	}
	l, err := in.Body.link(c)
	if err != nil {
		return nil, err
	}
	a, link, err := s.cfg.People.InviteAt(ctx, c.admin(), account.ID(in.ID), revision, l)
	return invitedAnswer(&a, link, err)
}

func (s *Service) resetPerson(ctx context.Context, c *caller, in *struct {
	PersonTurn
	Body struct {
		LinkFrom

		Password bool `json:"password,omitempty" doc:"take the password away; one of both, or both" example:"true"`
		Factor   bool `json:"factor,omitempty" doc:"take the second factor and the recovery codes away"`
	}
},
) (*answer[PersonInvited], error) {
	revision, err := s.seenPerson(ctx, in.ID, in.IfMatch, false)
	if err != nil {
		return nil, err
	}
	l, err := in.Body.link(c)
	if err != nil {
		return nil, err
	}
	what := account.Reset{Password: in.Body.Password, Factor: in.Body.Factor}
	a, link, err := s.cfg.People.ResetAt(ctx, c.admin(), account.ID(in.ID), revision, what, l)
	return invitedAnswer(&a, link, err)
}

// addPeople registers the operations on who administers.
func (s *Service) addPeople() {
	const tag = "people"
	add := func(e endpoint) endpoint {
		e.tag, e.once, e.right = tag, true, ManageAccounts
		e.also = onceAlso(append(e.also, 404)...)
		return e
	}
	one := func(e endpoint) endpoint {
		e.also = append(e.also, 412)
		return add(e)
	}
	seen := func(e endpoint) endpoint {
		e.also, e.repeats = append(e.also, 428), true
		return one(e)
	}
	const path = "/v1/people/{id}"
	register(s, endpoint{id: "listPeople", method: http.MethodGet, path: "/v1/people", tag: tag, right: ReadAccounts, summary: "List who administers, a page at a time"}, s.listPeople)
	register(s, add(endpoint{id: "createPerson", method: http.MethodPost, path: "/v1/people", status: http.StatusCreated, summary: "Make somebody who administers", description: "The link in this answer is how the person sets password and second factor: nobody gives anybody a password."}), s.createPerson)
	register(s, endpoint{id: "getPerson", method: http.MethodGet, path: path, tag: tag, right: ReadAccounts, also: []int{404}, summary: "Show somebody who administers"}, s.getPerson)
	register(s, seen(endpoint{id: "updatePerson", method: http.MethodPatch, path: path, summary: "Change what is said of somebody"}), s.updatePerson)
	register(s, seen(endpoint{id: "setPersonRole", method: http.MethodPost, path: path + ":setRole", summary: "Give somebody another role", description: "Sessions of before end. Nobody raises its own role, the last owner keeps it, and owners and admins need a second factor."}), s.setRole)
	register(s, one(endpoint{id: "disablePerson", method: http.MethodPost, path: path + ":disable", urgent: true, repeats: true, summary: "Keep somebody out until enabled", description: "Sessions end. It wants no fresh login, since it is urgent."}), s.turnPerson(func(m *account.Manager) personChange { return m.Disable }))
	register(s, one(endpoint{id: "enablePerson", method: http.MethodPost, path: path + ":enable", repeats: true, summary: "Let somebody in again"}), s.turnPerson(func(m *account.Manager) personChange { return m.Enable }))
	register(s, one(endpoint{id: "invitePerson", method: http.MethodPost, path: path + ":invite", summary: "Make another link for somebody who did not use the first one", description: "The one before is worth nothing then."}), s.invite)
	register(s, one(endpoint{id: "resetPerson", method: http.MethodPost, path: path + ":reset", summary: "Take password or second factor away, and make a link to set them anew", description: "Sessions end."}), s.resetPerson)
	register(s, one(endpoint{id: "removePerson", method: http.MethodDelete, path: path, repeats: true, summary: "Take somebody away for good", description: "Sessions end; admin keys that the person made stay: they are machines'."}), s.turnPerson(func(m *account.Manager) personChange { return m.Remove }))
}

// accountFailure is what the client is told of an error of account; nil for others.
func accountFailure(err error) *failure {
	for _, one := range []struct {
		err    error
		kind   problem.Type
		detail string
	}{
		{account.ErrNotFound, problem.NotFound, "There is no such person or admin key."},
		{account.ErrConflict, problem.ChangedMeanwhile, "Get it again, and decide anew."},
		{account.ErrExists, problem.Conflict, "The name is taken."},
		{account.ErrLastOwner, problem.Conflict, "The last owner stays: make another one first."},
		{account.ErrFactor, problem.Conflict, "The role requires a second factor, and the person has none: it has to be enrolled first."},
		{account.ErrGone, problem.Conflict, "The person is set up: reset password or factor instead."},
		{account.ErrForbidden, problem.Forbidden, "Your role does not manage those of this one."},
		{account.ErrOwnRole, problem.Forbidden, "Nobody raises its own role."},
		{account.ErrStale, problem.FreshLogin, "Log in again first: this wants a fresh login."},
	} {
		if errors.Is(err, one.err) {
			return fail(one.kind, one.detail)
		}
	}
	return nil
}
