package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/warder-dev/warder/account"
)

func (p peoplePage) body(*page) g.Node {
	return g.Group{
		h.Div(h.Class("head"), h.H1(g.Text("People")), g.If(p.Manage, buttonTo(to("people", addName), "main", "Add somebody"))),
		table(listRows(), heads("Name", "E-mail", "Role", "State", "Second factor", "Last login"), g.Map(p.People, personRow)),
	}
}

func personRow(a account.View) g.Node { //nolint:gocritic // people are shown once
	factor := dim("none")
	if a.Factor {
		factor = g.Text("yes")
	}
	return h.Tr(
		rowHead(linkTo(personAddress(a.ID), apartText(a.Name))), cell("E-mail", g.If(a.Email != "", apartText(a.Email))), cell("Role", g.Text(string(a.Role))), cell("State", badge(string(a.State))),
		cell("Second factor", factor), cell("Last login", lastLogin(&a)),
	)
}

func lastLogin(a *account.View) g.Node {
	if a.LastLogin.IsZero() {
		return dim("never")
	}
	return ago(a.LastLogin)
}
