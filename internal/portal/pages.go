package portal

import (
	"slices"
	"strconv"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/portallink"
)

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }

// clock is a time as it is; the script adds what it is at the reader's.
func clock(t time.Time) g.Node {
	return h.Time(h.DateTime(t.UTC().Format(time.RFC3339)), h.Title(minute(t)), g.Text(minute(t)))
}

// apart is a text of somebody's, which turns nothing around it.
func apart(text string) g.Node { return g.El("bdi", g.Text(text)) }

func name(r *apikey.Record) g.Node { return apart(title(r)) }

func linkTo(a address, class, text string) g.Node {
	return h.A(g.If(class != "", h.Class(class)), a.href(), g.Text(text))
}

func send(a address, content ...g.Node) g.Node {
	return h.Form(h.Method("post"), a.action(), g.Group(content))
}

func hidden(name, value string) g.Node {
	return h.Input(h.Type("hidden"), h.Name(name), h.Value(value))
}

func notice(message string) g.Node {
	return g.If(message != "", h.P(h.Class("message"), h.Role("alert"), g.Text(message)))
}

func choice(name, label string, all []option, chosen string) g.Node {
	return h.Label(g.Text(label+" "), h.Select(h.Name(name), g.Map(all, func(o option) g.Node {
		return h.Option(h.Value(o.value), g.If(o.value == chosen, h.Selected()), g.Text(o.label))
	})))
}

func buttons(class, text string, cancel address) g.Node {
	return h.P(h.Class("buttons"), h.Button(h.Class(class), g.Text(text)), g.Text(" "), linkTo(cancel, "", "Cancel"))
}

// layout is what stands around the main part of all pages.
func (v *visit) layout(title string, main g.Node) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.Meta(h.Name("robots"), h.Content("noindex")),
			h.TitleEl(g.Text(title)),
			h.Link(h.Rel("icon"), to("icon.svg").href(), h.Type("image/svg+xml")),
			h.Link(h.Rel("stylesheet"), to("portal.css").href()),
			h.Script(to("portal.js").src(), h.Defer()),
		),
		h.Body(
			g.Iff(v.pass.ID != "" && !v.pass.Used.IsZero(), v.top),
			h.Main(h.H1(apart(title)), main),
		),
	))
}

// top says whose keys they are, and leads away.
func (v *visit) top() g.Node {
	back := v.back()
	return h.Header(
		linkTo(toList(), "brand", "API keys"),
		h.Span(h.Class("dim"), g.Text("of "), apart(v.pass.Owner)),
		h.Form(h.Method("post"), to("end").action(),
			g.If(!back.none(), h.A(back.href(), h.Target("_top"), h.Rel("noreferrer"), g.Text("Back"))),
			h.Button(h.Class("quiet"), g.Text("Leave")),
		),
	)
}

func problemPage(title, detail, id string, inside bool) g.Node {
	return h.Section(
		h.P(g.Text(detail)),
		g.If(id != "", h.P(h.Class("dim"), g.Text(title+", request "), h.Code(g.Text(id)))),
		g.If(inside, h.P(linkTo(toList(), "", "To the keys"))),
	)
}

func deadPage() g.Node {
	return h.Section(h.P(g.Text("It was used already, it has ended, or it is not whole. A link is good once and for a short time: ask for another one where you got it.")))
}

func endPage(back address) g.Node {
	return h.Section(
		h.P(g.Text("This page has forgotten you. To come back, ask for another link.")),
		g.If(!back.none(), h.P(h.A(h.Class("button"), back.href(), h.Target("_top"), h.Rel("noreferrer"), g.Text("Back")))),
	)
}

// openPage takes the text of a link: the script puts it there, or a person does.
func openPage() g.Node {
	return h.Section(
		h.P(g.Text("Here you see your API keys. The link that brought you is good once: open them when you are ready.")),
		h.Form(h.ID("open"), h.Method("post"), to("open").action(),
			h.Label(h.ID("paste"), g.Text("Paste the link here: "), h.Input(h.ID("link"), h.Type("password"), h.Name("link"), h.Required(), h.AutoComplete("off"), g.Attr("spellcheck", "false"), h.MaxLength("2048"))),
			h.P(h.Button(h.Class("main"), g.Text("Open my keys"))),
		),
	)
}

func badge(s apikey.State) g.Node {
	return h.Span(h.Class("badge "+string(s)), g.Text(string(s)))
}

func last(r *row) g.Node {
	switch {
	case !r.Known:
		return h.Span(h.Class("dim"), g.Text("not counted"))
	case r.Last.IsZero():
		return h.Span(h.Class("dim"), g.Text("never"))
	default:
		return clock(r.Last)
	}
}

func ends(r *apikey.Record) g.Node {
	if r.Expires.IsZero() {
		return g.Text("never")
	}
	return clock(r.Expires)
}

func codes(all []string) g.Node {
	return g.Map(all, func(one string) g.Node { return g.Group{h.Code(g.Text(one)), g.Text(" ")} })
}

func listPage(v *visit, rows []row, next string, later bool) g.Node {
	create := v.pass.Grant.Create
	return h.Section(
		g.Iff(create != nil, func() g.Node {
			left := v.pass.Left()
			if left == 0 {
				return h.P(h.Class("dim"), g.Text("All keys that your link allows are made."))
			}
			return h.P(linkTo(to("new"), "button", "New key"), g.Text(" "), h.Span(h.Class("dim"), g.Text(strconv.Itoa(left)+" left with this link")))
		}),
		g.If(len(rows) == 0, h.P(g.Text("There are no keys."))),
		g.If(len(rows) > 0, h.Table(h.Class("rows"),
			h.THead(h.Tr(g.Map([]string{"Key", "State", "Last used", "Expires", "May"}, func(one string) g.Node { return h.Th(h.Scope("col"), g.Text(one)) }))),
			h.TBody(g.Map(rows, func(r row) g.Node {
				return h.Tr(
					h.Th(h.Scope("row"), h.A(to("keys", string(r.ID)).href(), name(&r.Record)), h.Div(h.Class("dim"), g.Text(r.Prefix+"_"+string(r.Environment)+"_"+string(r.ID)+"..."))),
					h.Td(h.Data("label", "State"), badge(r.State)),
					h.Td(h.Data("label", "Last used"), last(&r)),
					h.Td(h.Data("label", "Expires"), ends(&r.Record)),
					h.Td(h.Data("label", "May"), codes(r.Scopes)),
				)
			})),
		)),
		g.If(next != "" || later, h.Nav(h.Class("buttons"),
			g.If(later, linkTo(toList(), "", "First page")), g.Text(" "),
			g.Iff(next != "", func() g.Node { return linkTo(further(next), "", "Next page") }),
		)),
	)
}

func term(name string, what ...g.Node) g.Node {
	return g.Group{h.Dt(g.Text(name)), h.Dd(g.Group(what))}
}

func keyPage(v *visit, r *row, days []day) g.Node {
	grant := &v.pass.Grant
	works := works(&r.Record, time.Now())
	return h.Section(
		h.Dl(
			term("State", badge(r.State)),
			term("Id", h.Code(g.Text(string(r.ID)))),
			term("Environment", g.Text(string(r.Environment))),
			term("May", codes(r.Scopes)),
			term("Made", clock(r.Created)),
			term("Expires", ends(&r.Record)),
			term("Last used", last(r)),
			g.Map(r.Secrets, func(s apikey.Secret) g.Node {
				return g.If(!s.Retires.IsZero() && time.Now().Before(s.Retires), term("Former text", g.Text("works until "), clock(s.Retires)))
			}),
		),
		h.P(h.Class("buttons"),
			g.If(works && grant.Roll, linkTo(to("keys", string(r.ID), "roll"), "button", "New text")), g.Text(" "),
			g.If(works && grant.Revoke, linkTo(to("keys", string(r.ID), "revoke"), "button bad", "Revoke")),
		),
		g.If(grant.Usage, usageTable(v.site.cfg.Uses != nil, days)),
		h.P(linkTo(toList(), "", "All keys")),
	)
}

func usageTable(counted bool, days []day) g.Node {
	switch {
	case !counted:
		return h.P(h.Class("dim"), g.Text("What keys are used for is not counted here."))
	case len(days) == 0:
		return g.Group{h.H2(g.Text("Use")), h.P(h.Class("dim"), g.Text("Not used in the last 30 days."))}
	}
	number := func(n int64) g.Node { return h.Td(h.Class("number"), g.Text(strconv.FormatInt(n, 10))) }
	return g.Group{h.H2(g.Text("Use")), h.Table(
		h.THead(h.Tr(g.Map([]string{"Day", "Requests", "Passed"}, func(one string) g.Node { return h.Th(h.Scope("col"), g.Text(one)) }))),
		h.TBody(g.Map(days, func(d day) g.Node {
			return h.Tr(h.Th(h.Scope("row"), g.Text(d.At.UTC().Format(time.DateOnly))), number(d.Requests), number(d.Passed))
		})),
	)}
}

func createPage(c *portallink.Create, once, name string, chosen []string, wrong string) g.Node {
	return h.Section(notice(wrong), send(to("new"),
		hidden("once", once),
		h.P(h.Label(g.Text("Name "), h.Input(h.Type("text"), h.Name("name"), h.Value(name), h.MaxLength("128"), h.AutoComplete("off"), g.Attr("spellcheck", "false")))),
		g.If(len(c.Scopes) > 0, h.FieldSet(h.Legend(g.Text("It may")), g.Map(c.Scopes, func(scope string) g.Node {
			return h.Label(h.Class("check"), h.Input(h.Type("checkbox"), h.Name("scope"), h.Value(scope), g.If(slices.Contains(chosen, scope), h.Checked())), g.Text(" "), h.Code(g.Text(scope)))
		}))),
		h.P(choice("expires", "It expires", lifetimes(c), "2160h")),
		buttons("main", "Make the key", toList()),
	))
}

func rollPage(r *apikey.Record, wrong string) g.Node {
	return h.Section(notice(wrong),
		h.P(g.Text("The key gets a new text, with the same rights and the same id. Give the new one to whatever uses the key, while the former one still works.")),
		send(to("keys", string(r.ID), "roll"),
			hidden("once", newOnce()),
			h.P(choice("overlap", "The former text works", overlaps(), "24h")),
			buttons("main", "Make a new text", to("keys", string(r.ID))),
		),
	)
}

func revokePage(r *apikey.Record, wrong string) g.Node {
	return h.Section(notice(wrong),
		h.P(g.Text("A revoked key does not work any more, and never again.")),
		send(to("keys", string(r.ID), "revoke"),
			h.P(choice("reason", "Because", reasons(), "")),
			h.P(h.Label(h.Class("check"), h.Input(h.Type("checkbox"), h.Name("sure"), h.Value("yes"), h.Required()), g.Text(" I am sure: nothing that I need uses "), name(r))),
			buttons("bad", "Revoke for good", to("keys", string(r.ID))),
		),
	)
}

func revokedPage(r *apikey.Record, everywhere bool) g.Node {
	text := "The key is revoked, and no node takes it any more."
	if !everywhere {
		text = "The key is revoked. A node that did not answer yet takes it for some seconds at most."
	}
	return h.Section(h.P(g.Text(text)), h.Dl(term("Key", name(r)), term("Revoked", clock(r.Revoked))), h.P(linkTo(toList(), "button", "To the keys")))
}

// goneBefore is for a form that was sent before: the text was shown then.
func goneBefore(r *apikey.Record) g.Node {
	onward := toList()
	if r != nil {
		onward = to("keys", string(r.ID))
	}
	return h.Section(
		h.P(h.Class("message"), g.Text("This was done before, and the text was shown then. It is shown once: here it is gone. If nobody has stored it, make another one.")),
		h.P(linkTo(onward, "button", "Go on")),
	)
}

func revealPage(r *apikey.Record, text string) g.Node {
	return h.Section(
		h.P(h.Class("message"), h.Strong(g.Text("This is the only time that the key is shown.")), g.Text(" Nothing keeps it: after a reload, or back, it is gone. Store it now.")),
		h.Pre(h.Class("secret"), h.ID("told"), h.TabIndex("0"), h.Aria("label", "The key"), g.Attr("data-once"), g.Text(text)),
		h.P(h.Class("buttons"),
			h.Button(h.Type("button"), h.Class("main"), h.Data("copy", "told"), g.Attr("hidden"), g.Text("Copy the key")), g.Text(" "),
			linkTo(to("keys", string(r.ID)), "button", "I have stored it"),
		),
	)
}
