package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// body is the form of a new key, or of one that is changed.
func (p formPage) body(*page) g.Node {
	if p.Key == nil {
		return h.Section(h.Class("narrow"),
			crumbs(linkTo(to("keys"), g.Text("Keys"))),
			h.H1(g.Text("New key")),
			notice(p.Message), faultList(p.Faults),
			sendTo(to("keys", "new"), hidden("once", p.Once), p.Form.nodes(), decide("main", "Make the key", to("keys"))),
		)
	}
	id := p.Key.ID
	return h.Section(h.Class("narrow"),
		crumbs(linkTo(to("keys"), g.Text("Keys")), g.Text(" / "), linkTo(keyAddress(id), apartText(title(p.Key)))),
		h.H1(g.Text("Change the key")),
		h.Code(h.Class("under"), g.Text(p.Key.Masked)),
		notice(p.Message), faultList(p.Faults),
		sendTo(
			keyAddress(id, "edit"), hidden("once", p.Once), hidden("base", p.Base), hidden("etag", p.ETag), p.Form.nodes(),
			decide("main", "Save", keyAddress(id)),
		),
	)
}
