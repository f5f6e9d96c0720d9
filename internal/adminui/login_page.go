package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

func (p loginPage) body(*page) g.Node {
	if p.Ticket != "" {
		return p.second()
	}
	name := field{Name: "name", Label: "Name", Kind: "text", Required: true, Complete: "username", Value: p.Name}
	password := field{Name: "password", Label: "Password", Kind: "password", Required: true, Complete: "current-password"}
	return h.Section(h.Class("gate"),
		h.H1(g.Text("Log in to warder")),
		notice(p.Message),
		sendTo(to("login"), hidden("next", p.Next), name.node(), password.node(), h.Button(h.Class("main"), g.Text("Go on"))),
		h.P(h.Class("dim"), g.Text("You have a link to set up an account? "), linkTo(to("setup"), g.Text("Use it here."))),
	)
}

// second asks for the second factor.
func (p loginPage) second() g.Node {
	f := field{Name: "code", Label: "Code of your authenticator", Hint: "Or one of your recovery codes.", Kind: "text", Required: true, Complete: "one-time-code", Max: 64}
	return h.Section(h.Class("gate"),
		h.H1(g.Text("Second factor")),
		notice(p.Message),
		sendTo(
			to("login", "code"), hidden("next", p.Next), hidden("name", p.Name), hidden("ticket", p.Ticket), f.node(),
			h.Button(h.Class("main"), g.Text("Log in")),
		),
		h.P(linkTo(to("login"), g.Text("Begin again"))),
	)
}
