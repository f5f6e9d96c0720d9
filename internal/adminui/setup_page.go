package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

func (p setUpPage) body(l *page) g.Node {
	content := p.asks()
	switch {
	case p.Done:
		content = p.done()
	case p.Name != "":
		content = p.sets()
	}
	return h.Section(h.Class("gate"), h.H1(g.Text(l.Title)), notice(p.Message), content)
}

// asks for the link.
func (setUpPage) asks() g.Node {
	link := field{Name: "link", Label: "Link", Hint: "It begins with wset_.", Kind: "text", Required: true, Complete: "off", Max: 200}
	return g.Group{
		h.P(g.Text("Paste the link that you were given. It is good once, for an hour, and maybe from one address only.")),
		sendTo(to("setup"), link.node(), h.Button(h.Class("main"), g.Text("Go on"))),
		h.P(linkTo(to("login"), g.Text("To the login"))),
	}
}

// sets asks for what the link sets.
func (p setUpPage) sets() g.Node {
	return g.Group{
		h.P(g.Text("This sets up "), h.Strong(g.Text(p.Name)), g.Text(", whose role is "+string(p.Role)+".")),
		sendTo(
			to("setup", "finish"), hidden("link", p.Link), hidden("name", p.Name), hidden("role", string(p.Role)), hidden("offer", p.Offer),
			hidden("secret", p.Secret), hidden("address", p.Address),
			g.If(p.Sets, p.passwords()),
			g.If(p.Factor, authenticator(spaced(p.Secret), authenticatorAddress(p.Address))),
			h.Button(h.Class("main"), g.Text("Set up")),
		),
	}
}

func (p setUpPage) passwords() g.Node {
	password := field{Name: "password", Label: "Password", Hint: "12 characters or more.", Kind: "password", Required: true, Complete: "new-password"}
	again := field{Name: "again", Label: "The password again", Kind: "password", Required: true, Complete: "new-password"}
	return g.Group{hidden("sets", "1"), userName(p.Name), password.node(), again.node()}
}

// done tells the recovery codes.
func (p setUpPage) done() g.Node {
	return g.Group{
		h.P(g.Text(p.Name + " can log in now.")),
		g.If(len(p.Codes) > 0, g.Group{
			h.P(h.Strong(g.Text("Recovery codes.")), g.Text(" Each stands in for the authenticator once. They are shown this once: store them now.")),
			toldOnce(g.Text(lines(p.Codes))),
			h.P(copyButton("told", "quiet", "Copy")),
		}),
		h.P(buttonTo(to("login"), "main", "Log in")),
	}
}
