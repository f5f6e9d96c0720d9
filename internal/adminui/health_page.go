package adminui

import (
	"fmt"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

func (p healthPage) body(*page) g.Node {
	list := h.P(h.Class("empty"), g.Text(fmt.Sprintf("Nothing is wrong with the %d keys of this page that work.", p.Looked)))
	if len(p.Rows) > 0 {
		list = table(listRows(), heads("Key", "Owner", "Last used", "What is wrong"), g.Map(p.Rows, func(r illRow) g.Node { return r.node() }))
	}
	return g.Group{
		h.Div(h.Class("head"), h.H1(g.Text("Health"))),
		g.If(!p.Counted, notice("Nothing counts usage here, so that nothing is known of how keys are used.")),
		h.Div(h.Class("tools"), filterForm(to("health"), chosen("ill", "What is wrong", "anything", p.Ill, p.Ills()), h.Button(g.Text("Filter")))),
		list,
		pager(to("health"), p.Next, p.First),
	}
}

func (r *illRow) node() g.Node {
	return h.Tr(
		rowHead(linkTo(keyAddress(r.ID), keyName(&r.Key)), h.Code(h.Class("under"), g.Text(r.Masked))), h.Td(apartText(r.Owner)), h.Td(lastUsed(&r.row)),
		h.Td(g.Map(r.Findings, func(f finding) g.Node { return h.Div(illBadge(&f), g.Text(" "+f.Text)) })),
	)
}
