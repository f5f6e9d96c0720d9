package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// A personChange asks for a change of an account, or for a new one.
type personChange struct{ *personPage }

func (p personChange) body(l *page) g.Node {
	back, send := to("people"), to("people", p.Action.Name)
	above := g.Group{linkTo(to("people"), g.Text("People"))}
	if id := p.Person.ID; id != "" {
		back, send = personAddress(id), personAddress(id, p.Action.Name)
		above = append(above, g.Text(" / "), linkTo(back, apartText(p.Person.Name)))
	}
	return h.Section(h.Class("narrow"),
		crumbs(above),
		h.H1(g.Text(l.Title)),
		notice(p.Message),
		g.If(p.Action.Text != "", h.P(g.Text(p.Action.Text))),
		g.If(p.Self, h.P(h.Class("once"), g.Text("This is your own account."))),
		sendTo(
			send, hidden("revision", number(int64(p.Person.Revision))), hidden("once", p.Once), fieldCard(withTyped(p.Fields, p.Typed)...),
			proofSet(p.Proof, l.Me.Account.Name), decide(weight(p.Action.Danger), p.Action.Button, back),
		),
	)
}
