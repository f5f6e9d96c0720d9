package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/warder-dev/warder/account"
)

// A linkPage tells the link of an account, once.
type linkPage struct {
	Person account.View `json:"person"`
	Link   string       `json:"link"` // "" when it was told before
}

func (p *linkPage) body(l *page) g.Node {
	link := g.Group{h.P(g.Text("It was shown before. When it is lost, make another one."))}
	if p.Link != "" {
		link = g.Group{toldOnce(g.Attr("data-once"), g.Text(p.Link)), h.P(copyButton("told", "main", "Copy the link"))}
	}
	return h.Section(h.Class("narrow"),
		h.H1(g.Text(l.Title)),
		h.P(h.Class("once"),
			h.Strong(g.Text("This is the only time that the link is shown.")),
			g.Text(" Whoever has it sets up the account: give it to nobody but "), apartText(p.Person.Name), g.Text(". It is good once, for an hour."),
		),
		h.Div(h.Class("card"), link, h.P(h.Class("hint"), g.Text("It is pasted at "), code("/ui/setup"), g.Text(" of this page, or given to "), code("warder admins accept"), g.Text("."))),
		h.P(buttonTo(personAddress(p.Person.ID), "", "To the account")),
	)
}
