package adminui

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/problem"
)

// A personAction is a change of who administers.
type personAction struct {
	Name, Title, Text, Button string
	Danger                    bool
	Typed                     bool // the person's name has to be typed
	link                      bool // it makes a link
	urgent                    bool // it takes a right away at once: no fresh login
	fields                    []*field
}

// addName is the action that makes an account.
const addName = "new"

// personActions returns all, as they are asked for by somebody of a role.
func personActions(by account.Role) []personAction {
	var roles []option
	for _, r := range account.Roles() {
		if by.Manages(r) {
			roles = append(roles, option{string(r), string(r)})
		}
	}
	slices.Reverse(roles) // the weakest first
	role := func() *field { return &field{Name: "role", Label: "Role", Kind: "select", Options: roles} }
	email := func() *field { return &field{Name: "email", Label: "E-mail", Kind: "text", Max: 254} }
	return []personAction{
		{
			Name: addName, Title: "Add somebody", Button: "Make the account", link: true,
			Text:   "You get a link, which is good once and for an hour. Give it to the person over a way that you trust: with it, the password and the second factor are set.",
			fields: append([]*field{{Name: "name", Label: "Name", Hint: "To log in with.", Kind: "text", Max: 64, Required: true}, email(), role()}, linkFields()...),
		},
		{Name: "role", Title: "Change the role", Button: "Change the role", Text: "It holds from the next request on; sessions of the account end.", fields: []*field{role()}},
		{Name: "email", Title: "Change the e-mail address", Button: "Change it", fields: []*field{email()}},
		{Name: "invite", Title: "Make another link", Button: "Make another link", link: true, Text: "For an account whose link was lost or has expired. The link of before is worth nothing then.", fields: linkFields()},
		{Name: "reset-password", Title: "Reset the password", Button: "Reset the password", link: true, Danger: true, Text: "The password is gone now, and all sessions end. With the link another one is set.", fields: linkFields()},
		{Name: "reset-factor", Title: "Reset the second factor", Button: "Reset the second factor", link: true, Danger: true, Text: "The authenticator and the recovery codes are gone now, and all sessions end. With the link another one is enrolled.", fields: linkFields()},
		{Name: "disable", Title: "Disable", Button: "Disable the account", urgent: true, Danger: true, Text: "Nobody logs in with it until it is enabled, and all its sessions end."},
		{Name: "enable", Title: "Enable", Button: "Enable the account", Text: "The person can log in again."},
		{Name: "remove", Title: "Remove", Button: "Remove the account", Danger: true, Typed: true, Text: "It is gone for good, and all its sessions with it. Admin keys that it made stay."},
	}
}

// Choices of where a link may be used.
const (
	whereAny  = "anywhere"
	whereFrom = "from"
)

func linkFields() []*field {
	return []*field{
		{Name: "where", Label: "The link may be used", Kind: "select", Value: whereFrom, Options: []option{
			{"", "from the address that I have now"}, {whereFrom, "from an address of their own"}, {whereAny, "from anywhere"},
		}},
		{Name: "from", Label: "That address", Hint: "Such as 192.0.2.7. Only for “an address of their own”.", Kind: "text", Max: 64},
	}
}

// mostPeople are as many as a page shows: nobody looks through more.
const mostPeople = 10000

// A peoplePage is who administers.
type peoplePage struct {
	People []account.View
	Manage bool
}

// people reads everybody.
func (v *visit) people() ([]account.View, error) {
	var all []account.View
	for asked := (url.Values{"limit": {"1000"}}); ; {
		var got struct {
			People []account.View `json:"people"`
			Next   string         `json:"next"`
		}
		if _, err := v.get("/v1/people", asked, &got); err != nil {
			return nil, err
		}
		all = append(all, got.People...)
		if got.Next == "" || len(all) >= mostPeople {
			return all, nil
		}
		asked.Set("cursor", got.Next)
	}
}

func (v *visit) listPeople() error {
	if err := errors.Join(v.plain(), v.must(account.ReadAccounts)); err != nil {
		return err
	}
	all, err := v.people()
	if err != nil {
		return err
	}
	v.render(http.StatusOK, page{Title: "People", Active: "people"}, peoplePage{all, v.may(account.ManageAccounts)})
	return nil
}

// A personPage is one account, or asks for a change of it.
type personPage struct {
	Person  account.View
	Manage  bool
	Self    bool
	Once    string
	Action  personAction
	Fields  []*field
	Typed   *field
	Proof   []*field
	Message string
}

// person reads the account of the address.
func (v *visit) person() (p personPage, _ error) {
	id := v.r.PathValue("id")
	if !account.ValidID(id) {
		return p, errNotFound
	}
	if err := errors.Join(v.plain(), v.must(account.ReadAccounts)); err != nil {
		return p, err
	}
	var got struct {
		Person account.View `json:"person"`
	}
	_, err := v.get("/v1/people/"+id, nil, &got)
	p.Person = got.Person
	p.Manage, p.Self = v.may(account.ManageAccounts) && v.me.Role.Manages(p.Person.Role), p.Person.ID == v.me.Account.ID
	return p, err
}

func (v *visit) showPerson() error {
	p, err := v.person()
	if err != nil {
		return err
	}
	v.render(http.StatusOK, page{Title: p.Person.Name, Active: "people"}, &p)
	return nil
}

// personAction is the page of an action on an account, or of a new one.
func (v *visit) personAction(name string) (p personPage, err error) {
	if err := v.must(account.ManageAccounts); err != nil {
		return p, err
	}
	if name == addName {
		err = v.plain()
	} else {
		p, err = v.person()
	}
	if err != nil {
		return p, err
	}
	all := personActions(v.me.Role)
	i := slices.IndexFunc(all, func(a personAction) bool { return a.Name == name })
	if i < 0 || name == addName && v.r.PathValue("id") != "" {
		return p, errNotFound
	}
	p.Action, p.Fields = all[i], all[i].fields
	for _, f := range p.Fields {
		switch {
		case name == addName:
		case f.Name == "role":
			f.Value = string(p.Person.Role)
		case f.Name == "email":
			f.Value = p.Person.Email
		}
	}
	if p.Action.Typed {
		p.Typed = &field{Name: "typed", Label: "Type “" + p.Person.Name + "” to go on", Kind: "text", Complete: "off", Required: true}
	}
	if !p.Action.urgent && !v.fresh(account.ManageAccounts) {
		p.Proof = v.proofFields()
	}
	return p, nil
}

func (v *visit) showPersonAction() error {
	p, err := v.personAction(v.personActionName())
	if err != nil {
		return err
	}
	v.renderPerson(http.StatusOK, &p, "")
	return nil
}

// personActionName is that of the address.
func (v *visit) personActionName() string {
	if name := v.r.PathValue("action"); name != "" {
		return name
	}
	return addName
}

func (v *visit) renderPerson(status int, p *personPage, message string) {
	p.Message, p.Once = message, once()
	title := p.Action.Title
	if p.Person.Name != "" {
		title += ": " + p.Person.Name
	}
	v.render(status, page{Title: title, Active: "people"}, personChange{p})
}

// actOnPerson does it.
func (v *visit) actOnPerson() error {
	p, err := v.personAction(v.personActionName())
	if err != nil {
		return err
	}
	for _, f := range p.Fields {
		f.Value = v.field(f.Name)
	}
	switch {
	case p.Typed != nil && v.field("typed") != p.Person.Name:
		p.Typed.Error = "this is not the name"
		v.renderPerson(http.StatusBadRequest, &p, "Nothing was changed.")
		return nil
	case len(p.Proof) == 0:
	case v.form.Get("fresh_password") == "":
		v.renderPerson(http.StatusForbidden, &p, "Prove that it is you: this wants a login of the last 10 minutes.")
		return nil
	default:
		if err := v.prove(); err != nil {
			return v.refusedPerson(&p, err)
		}
		p.Proof = nil
	}
	return v.changePerson(&p)
}

// changePerson asks the API.
func (v *visit) changePerson(p *personPage) error {
	q := v.personQuestion(p)
	q.header = fields("Idempotency-Key", v.field("once"))
	if revision := v.field("revision"); p.Person.ID != "" && revision != "" {
		q.header.Set("If-Match", `"`+revision+`"`)
	}
	var made linkPage
	if _, err := v.ask(q, &made); err != nil {
		return v.refusedPerson(p, err)
	}
	switch {
	case p.Action.link:
		v.render(http.StatusOK, page{Title: "A link for " + made.Person.Name, Active: "people"}, &made)
	case p.Action.Name == "remove":
		v.redirect(Base + "people")
	default:
		v.redirect(personAddress(p.Person.ID).text)
	}
	return nil
}

// personQuestion is what the form asks of the API.
func (v *visit) personQuestion(p *personPage) question {
	q := question{method: http.MethodPost, path: "/v1/people"}
	if p.Person.ID != "" {
		q.path += "/" + string(p.Person.ID)
	}
	body := make(map[string]any)
	for _, f := range p.Fields {
		if f.Name != "where" && f.Name != "from" && (f.Value != "" || p.Action.Name != addName) {
			body[f.Name] = f.Value
		}
	}
	if p.Action.link {
		v.whence(body)
	}
	switch p.Action.Name {
	case addName:
	case "role":
		q.path += ":setRole"
	case "email":
		q.method = http.MethodPatch
	case "reset-password":
		q.path, body["password"] = q.path+":reset", true
	case "reset-factor":
		q.path, body["factor"] = q.path+":reset", true
	case "remove":
		q.method = http.MethodDelete
		return q
	case "disable", "enable":
		q.path += ":" + p.Action.Name
		return q
	default:
		q.path += ":" + p.Action.Name
	}
	q.body = body
	return q
}

// whence says from where a link may be used.
func (v *visit) whence(body map[string]any) {
	switch v.field("where") {
	case whereAny:
		body["anywhere"] = true
	case whereFrom:
		body["from"] = v.field("from")
		if body["from"] == "" {
			body["from"] = "-" // none is no address of theirs: not the own
		}
	}
}

// refusedPerson shows the page again with what the API said.
func (v *visit) refusedPerson(p *personPage, err error) error {
	switch kind(err) {
	case problem.FreshLogin:
		p.Proof = v.proofFields()
	case problem.Unauthorized, problem.Conflict, problem.ChangedMeanwhile, problem.InvalidBody, problem.InvalidInput, problem.Forbidden, problem.LoginThrottled:
	default:
		return err
	}
	if kind(err) == problem.Unauthorized && len(p.Proof) == 0 {
		return err // the session has ended
	}
	v.later(err)
	message := []string{"Nothing was changed.", detail(err)}
	r, _ := errors.AsType[*refusal](err)
	switch kind(err) {
	case problem.ChangedMeanwhile:
		message[1] = "The account was changed meanwhile: look at it, then decide again."
	case problem.InvalidInput:
		message = message[:1]
		for _, one := range (&form{Groups: []group{{Fields: p.Fields}}}).blame(r.Errors) {
			message = append(message, one.Field+": "+one.Message+".")
		}
	default:
	}
	v.renderPerson(statusOf(err), p, strings.Join(message, " "))
	return nil
}
