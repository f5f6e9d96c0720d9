package adminui

import (
	"net/url"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/warder-dev/warder/account"
)

func (p *personPage) body(l *page) g.Node {
	a := &p.Person
	did := to("audit").with(url.Values{"actor": {"account:" + string(a.ID)}})
	return h.Section(h.Class("narrow"),
		crumbs(linkTo(to("people"), g.Text("People"))),
		h.H1(apartText(a.Name), blank(), badge(string(a.State))),
		h.Section(h.Class("card"), h.H2(g.Text("Details")),
			h.Dl(
				term("Role", g.Text(string(a.Role))), emailTerm(a), factorTerm(a), term("Made", clock(a.Created)), term("Last login", lastLogin(a)),
				g.If(!a.Link.IsZero(), term("Link", g.Text("not used yet; it ends "), ago(a.Link))),
			),
			g.If(l.Audit, h.P(linkTo(did, g.Text("What this person did")))),
		),
		g.If(p.Manage, p.changes()),
	)
}

// changes are what can be done to the account.
func (p *personPage) changes() g.Node {
	a := &p.Person
	line := func(name, text, action, class, button string) g.Node {
		return dangerLine(name, text, buttonTo(personAddress(a.ID, action), class, button))
	}
	state := line("Disable", "Nobody logs in with it.", "disable", "bad", "Disable")
	if a.State == account.Off {
		state = line("Enable", "The person can log in again.", "enable", "", "Enable")
	}
	return h.Section(h.Class("card danger"), h.H2(g.Text("Changes")), h.Ul(
		line("Role", "It is "+string(a.Role)+" now.", "role", "", "Change the role"),
		line("E-mail", "", "email", "", "Change it"),
		g.If(!a.Link.IsZero(), line("Link", "It was lost, or has expired.", "invite", "", "Make another link")),
		g.If(a.Password, line("Password", "It is forgotten, or known to somebody.", "reset-password", "bad", "Reset")),
		g.If(a.Factor, line("Second factor", "The authenticator is lost.", "reset-factor", "bad", "Reset")),
		state,
		line("Remove", "For good.", "remove", "bad", "Remove"),
	))
}
