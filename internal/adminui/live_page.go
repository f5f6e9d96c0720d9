package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

func (p livePage) body(*page) g.Node {
	value := func(name string) g.Node { return g.Group{h.Name(name), h.Value(p.Filter.Get(name))} }
	return g.Group{
		h.Div(h.Class("head"), h.H1(g.Text("Live")), h.Button(h.Type("button"), h.ID("pause"), g.Attr("hidden"), g.Text("Pause"))),
		h.P(h.Class("hint"), g.Text("What becomes of requests at this gateway, while they come, as its access log has it. Of several gateways, each shows its own.")),
		h.Div(h.Class("tools"), filterForm(to("live"), h.Role("search"),
			filtered("Route", value("route"), h.MaxLength("1024"), h.Placeholder("/orders/")),
			filtered("Key", h.Class("tiny"), value("key"), h.MaxLength("12"), h.Placeholder("id, or none")),
			filtered("Status or reason", h.Class("tiny"), value("code"), h.MaxLength("64"), h.Placeholder("revoked")),
			chosen("outcome", "Outcome", "any", p.Filter.Get("outcome"), []string{"refused", "passed"}),
			h.Button(g.Text("Filter")),
			g.If(len(p.Filter) > 0, linkTo(to("live"), g.Text("Clear"))),
		)),
		h.P(h.ID("live"), h.Role("status"), p.Events.feed(), g.Text("Watching needs JavaScript. Without it, warder tail shows the same.")),
		h.Div(h.Class("scroll"), h.Table(listRows(),
			h.THead(h.Tr(heads("When (UTC)", "Status", "Method", "Path", "Refused by", "Key", "From", "Took"))), h.TBody(h.ID("decisions")),
		)),
	}
}
