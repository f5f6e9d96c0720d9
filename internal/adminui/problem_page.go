package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

func (r *refusal) body(l *page) g.Node {
	return h.Section(h.Class("narrow"),
		h.H1(g.Text(l.Title)),
		g.If(r.Detail != "", h.P(g.Text(r.Detail))),
		faultList(r.Errors),
		g.If(r.RequestID != "", h.P(h.Class("dim"), g.Text("Request "), code(r.RequestID))),
		h.P(linkTo(to("keys"), g.Text("To the keys"))),
	)
}
