package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

func (p *actionPage) body(l *page) g.Node {
	id := p.Key.ID
	return h.Section(h.Class("narrow"),
		crumbs(linkTo(to("keys"), g.Text("Keys")), g.Text(" / "), linkTo(keyAddress(id), apartText(p.Name()))),
		h.H1(g.Text(p.Action.Title+" "), apartText(p.Name())),
		h.P(badge(p.Key.State), blank(), h.Code(h.Class("under"), g.Text(p.Key.Masked))),
		notice(p.Message),
		h.P(g.Text(p.Action.Text)),
		g.If(len(p.Gone) > 0, p.loses()),
		sendTo(
			keyAddress(id, p.Action.Name), hidden("once", p.Once), hidden("etag", p.ETag), fieldCard(withTyped(p.Fields, p.Typed)...),
			proofSet(p.Proof, l.Me.Account.Name), decide(weight(p.Action.Danger), p.Action.Button, keyAddress(id)),
		),
	)
}

// loses says which scopes go, and which stay.
func (p *actionPage) loses() g.Node {
	left := codeTags(p.Left)
	if len(p.Left) == 0 {
		left = g.Text("none")
	}
	return h.Dl(h.Class("card"), term("Taken away", codeTags(p.Gone)), term("Left", left))
}
