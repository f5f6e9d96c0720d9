package adminui

import (
	"slices"
	"strconv"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/warder-dev/warder/client"
)

// This file holds what several pages are made of.

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func number(n int64) string { return strconv.FormatInt(n, 10) }

// clock is a time as it is.
func clock(t time.Time) g.Node {
	return h.Time(h.DateTime(stamp(t)), h.Title(minute(t)+" UTC"), g.Text(minute(t)))
}

// ago is a time, roughly and from now.
func ago(t time.Time) g.Node {
	return h.Time(h.DateTime(stamp(t)), h.Title(minute(t)+" UTC"), g.Text(when(t)))
}

func blank() g.Node { return g.Text(" ") }

func dim(text string) g.Node { return h.Span(h.Class("dim"), g.Text(text)) }

func code(text string) g.Node { return h.Code(g.Text(text)) }

// apartText is a text of somebody's, which turns nothing around it.
func apartText(text string) g.Node { return g.El("bdi", g.Text(text)) }

func badge(state string) g.Node { return h.Span(h.Class("badge "+state), g.Text(state)) }

func illBadge(f *finding) g.Node { return h.Span(h.Class("badge ill"), g.Text(string(f.Ill))) }

// codeTags are words, each in a box.
func codeTags(all []string) g.Node {
	return g.Map(all, func(one string) g.Node { return g.Group{h.Code(h.Class("tag"), g.Text(one)), blank()} })
}

// keyName is the name of a key, or its id.
func keyName(k *client.Key) g.Node {
	if k.Name == "" {
		return g.Text(k.ID)
	}
	return apartText(k.Name)
}

func lastUsed(r *row) g.Node {
	switch last := r.LastUsed(); {
	case r.Use == nil:
		return dim("not counted")
	case last.IsZero():
		return h.Span(h.Class("use never"), g.Text("never"))
	default:
		return h.Span(h.Class("use "+r.Tone()), ago(last))
	}
}

// notice is a message; "" is none.
func notice(message string) g.Node {
	return g.If(message != "", h.P(h.Class("message"), h.Role("alert"), g.Text(message)))
}

// faultList are faults that no field has.
func faultList(all []client.Fault) g.Node {
	return g.If(len(all) > 0, h.Ul(h.Class("message"), h.Role("alert"), g.Map(all, func(f client.Fault) g.Node {
		return h.Li(code(f.Field), g.Text(": "+f.Message))
	})))
}

func crumbs(above ...g.Node) g.Node { return h.P(h.Class("crumbs"), g.Group(above)) }

func linkTo(a address, text ...g.Node) g.Node { return h.A(a.href(), g.Group(text)) }

// buttonTo is a link that looks like a button; class is more of its classes.
func buttonTo(a address, class, text string) g.Node {
	if class != "" {
		class = " " + class
	}
	return h.A(h.Class("button"+class), a.href(), g.Text(text))
}

// sendTo is a form.
func sendTo(a address, content ...g.Node) g.Node {
	return h.Form(h.Method("post"), a.action(), g.Group(content))
}

func hidden(name, value string) g.Node {
	return h.Input(h.Type("hidden"), h.Name(name), h.Value(value))
}

// decide are the buttons below a form.
func decide(class, text string, cancel address) g.Node {
	return h.Div(h.Class("buttons"), h.Button(h.Class(class), g.Text(text)), blank(), linkTo(cancel, g.Text("Cancel")))
}

// weight is the class of a button.
func weight(danger bool) string {
	if danger {
		return "bad"
	}
	return "main"
}

// copyButton copies an element; the script shows it.
func copyButton(of, class, text string) g.Node {
	return h.Button(h.Type("button"), h.Class(class), h.Data("copy", of), g.Attr("hidden"), g.Text(text))
}

// term is a line of a list of what is known.
func term(name string, what ...g.Node) g.Node {
	return g.Group{h.Dt(g.Text(name)), h.Dd(g.Group(what))}
}

// heads are those of columns.
func heads(names ...string) g.Node {
	return g.Map(names, func(name string) g.Node { return h.Th(h.Scope("col"), g.Text(name)) })
}

// numberHeads are those of columns of numbers.
func numberHeads(names ...string) g.Node {
	return g.Map(names, func(name string) g.Node { return h.Th(h.Scope("col"), h.Class("number"), g.Text(name)) })
}

// cell is one of a row of a list. Where a row stands in lines, on a phone, its label is
// shown with it.
func cell(label string, what ...g.Node) g.Node {
	return h.Td(h.Data("label", label), g.Group(what))
}

func numberCell(n int64) g.Node { return h.Td(h.Class("number"), g.Text(number(n))) }

func rowHead(what ...g.Node) g.Node { return h.Th(h.Scope("row"), g.Group(what)) }

// table is one that scrolls by itself.
func table(class, head, rows g.Node) g.Node {
	return h.Div(h.Class("scroll"), h.Table(class, h.THead(h.Tr(head)), h.TBody(rows)))
}

// listRows is the class of a table that is a list.
func listRows() g.Node { return h.Class("rows") }

// chosen is a choice whose values are what is shown; "" is the first.
func chosen[T ~string](name, label, first, value string, all []T) g.Node {
	return h.Label(g.Text(label+" "), h.Select(h.Name(name),
		h.Option(h.Value(""), g.Text(first)),
		g.Map(all, func(one T) g.Node { return h.Option(g.If(string(one) == value, h.Selected()), g.Text(string(one))) }),
	))
}

// filterForm is a form that asks for another part of a list. It is sent in a body:
// people paste keys where names are looked for, and one of them is to be in no address.
func filterForm(a address, content ...g.Node) g.Node {
	return h.Form(h.Class("filter"), h.Method("post"), a.action(), g.Group(content))
}

// filtered is a field of a filter.
func filtered(label string, attributes ...g.Node) g.Node {
	return h.Label(g.Text(label+" "), h.Input(attributes...))
}

func actorText(e *event) g.Node {
	if e.Name == "" {
		return apartText(e.Actor)
	}
	return h.Span(h.Title(e.Actor), apartText(e.Name))
}

func changeList(all []change) g.Node {
	return g.Map(all, func(c change) g.Node {
		return h.Div(h.Span(h.Class("name"), g.Text(c.Name)), blank(), g.If(c.Before != "", h.Del(g.Text(c.Before))), blank(), g.If(c.After != "", h.Ins(g.Text(c.After))))
	})
}

// pager leads through a list.
func pager(begin, next address, first bool) g.Node {
	return g.If(!first || !next.none(), h.Nav(h.Class("pages"), h.Aria("label", "Parts of the list"),
		g.If(!first, linkTo(begin, g.Text("First page"))),
		g.If(!next.none(), h.A(h.Rel("next"), next.href(), g.Text("Next page"))),
	))
}

// proofSet asks who it is.
func proofSet(all []*field, name string) g.Node {
	return g.If(len(all) > 0, h.FieldSet(h.Class("card"), h.Legend(g.Text("Is it you?")),
		h.P(h.Class("hint"), g.Text("This wants a login of the last 10 minutes.")),
		userName(name),
		fieldNodes(all),
	))
}

// userName tells password managers whose password is asked for.
func userName(name string) g.Node {
	return h.Input(h.Type("text"), h.Name("username"), h.Value(name), h.AutoComplete("username"), h.ReadOnly(), g.Attr("hidden"))
}

// fieldCard are fields in a box; none without fields.
func fieldCard(all ...*field) g.Node {
	return g.If(len(all) > 0, h.Div(h.Class("card"), fieldNodes(all)))
}

func fieldNodes(all []*field) g.Node {
	return g.Map(all, func(f *field) g.Node { return f.node() })
}

// withTyped adds the field that takes a name, where there is one.
func withTyped(all []*field, typed *field) []*field {
	if typed == nil {
		return all
	}
	return append(slices.Clip(all), typed)
}

// toldOnce is a text that is shown once; with data-once, the script forgets it when the
// page is left.
func toldOnce(more ...g.Node) g.Node {
	return h.Pre(h.Class("secret"), h.ID("told"), h.TabIndex("0"), g.Group(more))
}

// authenticator shows a secret that an authenticator takes, and asks for its code.
func authenticator(secret string, opens address) g.Node {
	return g.Group{
		h.P(
			g.Text("Scan this by an authenticator, such as an app on a phone, or add the secret to it"),
			g.If(!opens.none(), g.Group{g.Text(", or "), linkTo(opens, g.Text("open it in one on this device"))}),
			g.Text(":"),
		),
		g.Iff(!opens.none(), func() g.Node { return qrCode(opens.text, "The secret as a QR code") }),
		h.Pre(h.Class("secret"), g.Text(secret)),
		(&field{Name: "code", Label: "Its code", Hint: "6 digits.", Kind: "text", Required: true, Complete: "one-time-code", Max: 16}).node(),
	}
}
