package adminui

import (
	"fmt"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// node is the chart with its legend, and the same as a table.
func (c *chart) node() g.Node {
	legend := func(class string, n int64, text string) g.Node {
		return g.Group{h.Span(h.Class(class), g.Text(number(n)+" "+text)), blank()}
	}
	t := &c.Total
	return g.Group{
		h.P(h.Class("legend"),
			legend("ok", t.OK, "answered"), legend("limited", t.Limited, "over a limit"), legend("no", t.No, "refused"), legend("failed", t.Failed, "failed"),
			g.If(c.Cut, dim("There were more.")),
		),
		g.El("svg", h.Class("chart"), g.Attr("viewBox", fmt.Sprintf("0 0 %d %d", c.Width(), c.Height())), g.Attr("preserveAspectRatio", "none"), h.Role("img"),
			h.Aria("label", "Requests day by day; the table below has the figures"),
			g.Map(c.Days, func(d chartDay) g.Node { return d.drawn() })), //nolint:gocritic // days are drawn once
		h.Details(h.Summary(g.Text("Figures")), table(nil,
			g.Group{heads("Day (UTC)"), numberHeads("Answered", "Over a limit", "Refused", "Failed")},
			g.Map(c.Days, func(d chartDay) g.Node { return d.row() }), //nolint:gocritic // days are shown once
		)),
	}
}

// drawn is the day's bar, with a text for the pointer.
func (d *chartDay) drawn() g.Node {
	text := fmt.Sprintf("%s: %d answered, %d over a limit, %d refused, %d failed", day(d.Day), d.OK, d.Limited, d.No, d.Failed)

	return g.El("g", h.TitleEl(g.Text(text)), g.Map(d.Bars, func(b bar) g.Node {
		return g.El("rect", h.Class(b.Class), g.Attr("x", number(b.X)), g.Attr("y", number(b.Y)), h.Width(number(b.Width)), h.Height(number(b.Height)))
	}))
}

func (d *chartDay) row() g.Node {
	return h.Tr(rowHead(g.Text(day(d.Day))), numberCell(d.OK), numberCell(d.Limited), numberCell(d.No), numberCell(d.Failed))
}
