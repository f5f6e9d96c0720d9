package adminui

import (
	"fmt"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/warder-dev/warder/client"
)

func (p donePage) body(*page) g.Node {
	if p.Changed == nil {
		return h.Section(h.Class("narrow"), h.H1(g.Text(p.Text)), h.P(buttonTo(to("keys"), "", "To the keys")))
	}
	k := &p.Changed.Key
	return h.Section(h.Class("narrow"),
		h.H1(g.Text(p.Text)),
		h.P(apartText(title(k)), blank(), badge(k.State)),
		receiptCard(&p.Changed.Receipt),
		h.P(buttonTo(keyAddress(k.ID), "", "To the key")),
	)
}

// receiptCard says where a change holds.
func receiptCard(r *client.Receipt) g.Node {
	text := fmt.Sprintf("It holds on %d of %d nodes so far. The others stop to trust what they remember after the freshness bound. ", r.Applied, r.Nodes)
	if r.Complete {
		text = fmt.Sprintf("It holds on %d of %d nodes, after %d ms. ", r.Applied, r.Nodes, r.TookMS)
	}
	return h.Div(h.Class("card"), h.H2(g.Text("Receipt")),
		h.P(h.ID("receipt"), g.Text(text), dim("Revision "+number(r.Revision))),
		g.If(len(r.Missing) > 0, h.Ul(g.Map(r.Missing, func(n client.Node) g.Node {
			return h.Li(code(n.Host), g.Text(fmt.Sprintf(", process %d, node ", n.PID)), code(n.ID))
		}))),
	)
}
