package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/warder-dev/warder/apikey"
)

func (l listPage) body(*page) g.Node {
	return g.Group{
		h.Div(h.Class("head"), h.H1(g.Text("Keys")), g.If(l.Write, buttonTo(to("keys", "new"), "main", "New key"))),
		notice(l.Message),
		h.Div(h.Class("tools"), l.filter(), h.Form(h.Class("filter"), h.Method("post"), to("keys", "search").action(),
			filtered("Whose is this key?", h.Name("key"), h.Type("text"), h.Class("paste"), h.AutoComplete("off"), g.Attr("autocapitalize", "off"),
				g.Attr("spellcheck", "false"), h.Required(), h.MaxLength("256"), h.Placeholder("paste it here")),
			h.Button(g.Text("Look up")),
		)),
		l.list(),
		pager(to("keys"), l.Next, l.First),
	}
}

func (l listPage) filter() g.Node {
	value := func(name string) g.Node { return h.Value(l.Filter.Get(name)) }
	within := l.Filter.Get("expires")
	days := func(n, text string) g.Node {
		return h.Option(h.Value(n), g.If(within == n, h.Selected()), g.Text(text))
	}
	return filterForm(to("keys"), h.Role("search"),
		filtered("Find", h.Name("text"), h.Type("search"), value("text"), h.Placeholder("name, owner or id"), h.MaxLength("128")),
		filtered("Owner", h.Name("owner"), value("owner"), h.MaxLength("128")),
		filtered("Env", h.Class("tiny"), h.Name("environment"), value("environment"), h.MaxLength("16")),
		chosen("state", "State", "any", l.Filter.Get("state"), l.States()),
		chosen("kind", "Kind", "any", l.Filter.Get("kind"), l.Kinds()),
		h.Label(g.Text("Expires "), h.Select(h.Name("expires"), h.Option(h.Value(""), g.Text("any time")), days("7", "in 7 days"), days("30", "in 30 days"), days("90", "in 90 days"))),
		h.Button(g.Text("Filter")),
		g.If(l.Filtered(), linkTo(to("keys"), g.Text("Clear"))),
	)
}

func (l listPage) list() g.Node {
	switch {
	case len(l.Rows) > 0:
		return table(listRows(), heads("Key", "Owner", "Env", "Scopes", "State", "Created", "Last used", "Expires"), g.Map(l.Rows, func(r row) g.Node { return r.node() })) //nolint:gocritic // rows are shown once
	case l.Message != "":
		return nil
	case !l.Next.none():
		return h.P(h.Class("empty"), g.Text("No key so far is like this. More are left to look at: go on with the next page."))
	case l.Filtered():
		return h.P(h.Class("empty"), g.Text("No key is like this."))
	default:
		return h.P(h.Class("empty"), g.Text("There are no keys yet."))
	}
}

func (r *row) node() g.Node {
	scopes, expires := dim("none"), dim("never")
	if len(r.Scopes) > 0 {
		scopes = g.Text(short(r.Scopes))
	}
	if r.Expires != nil {
		expires = ago(*r.Expires)
	}
	return h.Tr(
		rowHead(
			linkTo(keyAddress(r.ID), keyName(&r.Key)),
			g.If(r.Kind != string(apikey.KindSecret), g.Group{blank(), h.Span(h.Class("badge kind"), g.Text(r.Kind))}),
			h.Code(h.Class("under"), g.Text(r.Masked)),
		),
		cell("Owner", apartText(r.Owner)), cell("Env", g.Text(r.Environment)), cell("Scopes", h.Class("scopes"), scopes), cell("State", badge(r.Badge)),
		cell("Created", g.Text(day(r.Created))), cell("Last used", lastUsed(r)), cell("Expires", expires),
	)
}
