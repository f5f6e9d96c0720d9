package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

func (p revealPage) body(l *page) g.Node {
	content, onward := p.told(), "I have stored it"
	if p.Text == "" {
		content = h.P(h.Class("once"), g.Text("This was done before, and the key was shown then. It is shown once: here it is gone. If nobody has stored it, roll the key."))
		onward = "To the key"
	}
	return h.Section(h.Class("narrow"), h.H1(g.Text(l.Title)), content, h.P(buttonTo(keyAddress(p.Key.ID), "", onward)))
}

// told shows the text.
func (p revealPage) told() g.Node {
	return g.Group{
		h.P(h.Class("once"),
			h.Strong(g.Text("This is the only time that the key is shown.")),
			g.Text(" Nothing keeps it: after a reload, or back, it is gone. Store it now."),
		),
		h.Div(h.Class("card"),
			h.P(h.Class("label"), h.ID("l-told"), keyName(&p.Key)),
			toldOnce(h.Aria("labelledby", "l-told"), g.Attr("data-once"), g.Text(p.Text)),
			h.P(copyButton("told", "main", "Copy the key")),
			g.If(p.Request != "", g.Group{
				h.P(h.Class("label"), h.ID("l-request"), g.Text("Try it")),
				h.Pre(h.ID("request"), h.TabIndex("0"), h.Aria("labelledby", "l-request"), g.Attr("data-once"), g.Text(p.Request)),
				h.P(copyButton("request", "quiet", "Copy the command")),
			}),
		),
	}
}
