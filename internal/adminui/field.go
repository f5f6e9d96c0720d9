package adminui

import (
	"strconv"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// node is the field with its label and its hint.
func (f *field) node() g.Node {
	class := []string{"field"}
	for _, one := range []struct {
		name string
		is   bool
	}{{"wide", f.Kind == "area"}, {"wrong", f.Error != ""}, {"changed", f.Changed || f.Adopted}} {
		if one.is {
			class = append(class, one.name)
		}
	}
	return h.Div(h.Class(strings.Join(class, " ")), h.Label(h.For("f-"+f.Name), g.Text(f.Label)), f.control(), g.If(f.described(), f.hint()))
}

// described reports whether a hint stands below.
func (f *field) described() bool { return f.Hint != "" || f.Error != "" || f.Changed || f.Adopted }

func (f *field) control() g.Node {
	names := g.Group{h.ID("f-" + f.Name), h.Name(f.Name)}
	described := g.If(f.described(), h.Aria("describedby", "h-"+f.Name))
	invalid := g.If(f.Error != "", h.Aria("invalid", "true"))
	switch f.Kind {
	case "area":
		return h.Textarea(names, h.Rows("3"), g.Attr("spellcheck", "false"), described, invalid, g.Text(f.Value))
	case "select":
		return h.Select(names, described, g.Map(f.Options, func(o option) g.Node {
			return h.Option(h.Value(o.Value), g.If(o.Value == f.Value, h.Selected()), g.Text(o.Label))
		}))
	default:
		return h.Input(names, f.input(), g.Attr("spellcheck", "false"), described, invalid)
	}
}

// input are attributes of a field of one line. A password is not sent back.
func (f *field) input() g.Node {
	kind, complete := "text", f.Complete
	switch f.Kind {
	case "when":
		kind = "datetime-local"
	case "password":
		kind = "password"
	}
	if complete == "" {
		complete = "off"
	}
	return g.Group{
		h.Type(kind),
		g.If(kind != "password", h.Value(f.Value)),
		g.If(f.Kind == "when", h.Step("1")),
		g.If(f.Max > 0, h.MaxLength(strconv.Itoa(f.Max))),
		g.If(f.Required, h.Required()),
		h.AutoComplete(complete),
	}
}

func (f *field) hint() g.Node {
	stored := g.Text("nothing")
	if f.Stored != "" {
		stored = h.Code(h.Class("stored"), g.Text(f.Stored))
	}
	strong := func(text string) g.Node { return h.Strong(g.Text(text)) }
	return h.P(h.Class("hint"), h.ID("h-"+f.Name),
		g.If(f.Error != "", g.Group{strong(f.Error), blank()}),
		g.If(f.Changed, g.Group{strong("Stored now:"), blank(), stored, blank()}),
		g.If(f.Adopted, g.Group{strong("Changed by somebody else meanwhile."), blank()}),
		g.Text(f.Hint),
	)
}

// nodes are the groups of a form.
func (f *form) nodes() g.Node {
	return g.Map(f.Groups, func(one group) g.Node {
		if one.Folded {
			return h.Details(h.Class("card"), g.If(one.Open(), g.Attr("open")), h.Summary(g.Text(one.Title)), fieldNodes(one.Fields))
		}
		return h.FieldSet(h.Class("card"), h.Legend(g.Text(one.Title)), fieldNodes(one.Fields))
	})
}
