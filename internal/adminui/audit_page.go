package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

func (a auditPage) body(*page) g.Node {
	list := h.P(h.Class("empty"), g.Text("Nothing was changed yet."))
	switch {
	case len(a.Events) > 0:
		list = table(listRows(), heads("No.", "When (UTC)", "What", "Of", "Who", "From", "Before and after"), g.Map(a.Events, func(e event) g.Node { return e.row() }))
	case a.Filtered():
		list = h.P(h.Class("empty"), g.Text("Nothing is like this."))
	}
	return g.Group{
		h.Div(h.Class("head"), h.H1(g.Text("Audit")), buttonTo(a.Export, "", "Export as CSV")),
		h.Div(h.Class("tools"), a.filter()),
		list,
		pager(to("audit"), a.Next, a.First),
	}
}

func (a auditPage) filter() g.Node {
	value := func(name string) g.Node { return g.Group{h.Name(name), h.Value(a.Filter.Get(name))} }
	return filterForm(to("audit"), h.Role("search"),
		filtered("Who", value("actor"), h.MaxLength("200")),
		filtered("What", h.Class("tiny"), value("op"), h.MaxLength("64"), h.Placeholder("revoke")),
		filtered("Of", h.Class("tiny"), value("kind"), h.MaxLength("64"), h.Placeholder("key")),
		filtered("Which", value("subject"), h.MaxLength("200"), h.Placeholder("id")),
		filtered("Since (UTC)", value("since"), h.Type("datetime-local")),
		filtered("Until (UTC)", value("until"), h.Type("datetime-local")),
		h.Button(g.Text("Filter")),
		g.If(a.Filtered(), linkTo(to("audit"), g.Text("Clear"))),
	)
}

// row is an entry in the whole audit.
func (e *event) row() g.Node {
	subject := apartText(e.Subject)
	if e.Key {
		subject = linkTo(keyAddress(e.Subject), code(e.Subject))
	}
	return h.Tr(
		cell("No.", h.Class("number dim"), g.Text(number(e.Seq))), cell("When", clock(e.At)), rowHead(g.Text(e.Op)), cell("Of", g.Text(e.Kind+" "), subject),
		cell("Who", actorText(e)), cell("From", g.Text(e.Source)), cell("", h.Class("diff"), changeList(e.Changes)),
	)
}

// ofKey is an entry on the page of its key.
func (e *event) ofKey() g.Node {
	return h.Tr(cell("When", clock(e.At)), rowHead(g.Text(e.Op)), cell("Who", actorText(e)), cell("From", g.Text(e.Source)), cell("", h.Class("diff"), changeList(e.Changes)))
}
