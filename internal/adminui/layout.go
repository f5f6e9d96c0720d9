package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// layout is what stands around the main part of all pages.
func (p *page) layout(look *look, main g.Node) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.Meta(h.Name("robots"), h.Content("noindex")),
			h.TitleEl(g.Text(p.Title+" · warder")),
			h.Link(h.Rel("icon"), look.address("icon.svg").href(), h.Type("image/svg+xml")),
			h.Link(h.Rel("stylesheet"), look.address("style.css").href()),
			h.Script(look.address("page.js").src(), h.Defer()),
		),
		h.Body(g.If(p.Me == nil, h.Class("alone")),
			h.A(h.Class("skip"), within("main").href(), g.Text("Skip to the content")),
			g.Iff(p.Me != nil, p.top),
			h.Main(h.ID("main"), h.TabIndex("-1"), main),
		),
	))
}

// top is the navigation.
func (p *page) top() g.Node {
	current := func(name string) g.Node { return g.If(p.Active == name, h.Aria("current", "page")) }
	return h.Header(h.Class("top"),
		h.A(h.Class("brand"), to("keys").href(), shield(), g.Text("warder")),
		h.Nav(h.Aria("label", "Pages"),
			h.A(to("keys").href(), current("keys"), g.Text("Keys")),
			h.A(to("health").href(), current("health"), g.Text("Health")),
			h.A(to("live").href(), current("live"), g.Text("Live")),
			g.If(p.Audit, h.A(to("audit").href(), current("audit"), g.Text("Audit"))),
			g.If(p.People, h.A(to("people").href(), current("people"), g.Text("People"))),
		),
		h.Form(h.Class("me"), h.Method("post"), to("logout").action(),
			h.A(to("me").href(), current("own"), g.Text(p.Me.Account.Name+" "), h.Small(g.Text(string(p.Me.Role)))),
			h.Button(h.Class("quiet"), g.Text("Log out")),
		),
	)
}

// shield is the mark of the brand.
func shield() g.Node {
	return g.El("svg", g.Attr("viewBox", "0 0 16 16"), h.Aria("hidden", "true"),
		g.El("path", g.Attr("d", "M8 1 2.5 3v4.5C2.5 11 4.8 13.8 8 15c3.2-1.2 5.5-4 5.5-7.5V3z")))
}
