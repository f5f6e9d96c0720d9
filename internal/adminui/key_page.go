package adminui

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/usage/tally"
)

func (p *keyPage) body(l *page) g.Node {
	return g.Group{
		crumbs(linkTo(to("keys"), g.Text("Keys"))),
		p.head(l.Title),
		g.If(len(p.Findings) > 0, h.Ul(h.Class("findings"), g.Map(p.Findings, p.finding))),
		h.Div(h.Class("columns"), h.Section(h.Class("card"), h.H2(g.Text("Details")), p.details()), p.secrets()),
		h.Section(h.Class("card"), h.H2(g.Text("Requests of the last 30 days")), p.requests()),
		g.If(p.Audit, p.audit()),
		g.If(p.Write || p.Delete, p.danger()),
	}
}

func (p *keyPage) head(title string) g.Node {
	return h.Div(h.Class("head"),
		h.Div(
			h.H1(apartText(title), blank(), badge(p.State), g.If(p.State != p.Badge, g.Group{blank(), badge(p.Badge)})),
			h.Code(h.Class("under"), g.Text(p.Masked)),
		),
		h.Div(h.Class("buttons"),
			g.If(p.Roll && p.Usable, buttonTo(keyAddress(p.ID, "roll"), "main", "Roll")),
			g.If(p.Write && p.Revoked == nil, buttonTo(keyAddress(p.ID, "edit"), "", "Change")),
		),
	)
}

func (p *keyPage) finding(f finding) g.Node {
	reduce := g.Group{blank(), linkTo(keyAddress(p.ID, reduceName), g.Text("Take away what it never needed"))}
	return h.Li(illBadge(&f), g.Text(" "+f.Text), g.If(p.Write && f.Ill == tally.OverScoped, reduce))
}

func (p *keyPage) details() g.Node {
	owner, scopes, expires := dim("nobody"), dim("none"), g.Text("never")
	if p.Owner != "" {
		owner = linkTo(to("keys").with(url.Values{"owner": {p.Owner}}), apartText(p.Owner))
	}
	if len(p.Scopes) > 0 {
		scopes = codeTags(p.Scopes)
	}
	if p.Expires != nil {
		expires = g.Group{clock(*p.Expires), blank(), dim(when(*p.Expires))}
	}
	return h.Dl(
		term("Id", h.Code(h.ID("id"), g.Text(p.ID)), blank(), copyButton("id", "quiet", "Copy")),
		term("Owner", owner),
		term("Environment", g.Text(p.Environment)),
		term("Kind", g.Text(p.Kind)),
		term("Scopes", scopes),
		term("Created", clock(p.Created)),
		g.Iff(p.Updated != nil, func() g.Node { return term("Changed", clock(*p.Updated)) }),
		term("Last used", lastUsed(&p.row)),
		term("Expires", expires),
		g.Iff(p.Revoked != nil, func() g.Node { return term("Revoked", clock(*p.Revoked), blank(), dim(p.Reason)) }),
		g.If(p.IdleRevoke != "", term("Revoked when", g.Text("unused for "+span(p.IdleRevoke)))),
		p.bounds(),
		g.Map(slices.Sorted(maps.Keys(p.Metadata)), func(name string) g.Node {
			return g.Group{h.Dt(apartText(name)), h.Dd(apartText(p.Metadata[name]))}
		}),
	)
}

// bounds are what the key is limited to.
func (p *keyPage) bounds() g.Node {
	return g.Group{
		g.If(p.Plan != "", term("Plan", g.Text(p.Plan))),
		g.If(len(p.Limits) > 0, term("Limits", g.Map(p.Limits, limitLine))),
		g.If(len(p.Addresses) > 0, term("Only from", g.Text(strings.Join(p.Addresses, ", ")))),
		g.If(len(p.Methods) > 0, term("Only with", g.Text(strings.Join(p.Methods, ", ")))),
		g.If(len(p.Paths) > 0, term("Only at", codeTags(p.Paths))),
		g.If(len(p.Origins) > 0, term("Only on", codeTags(p.Origins))),
		g.If(p.Certificate != "", term("Certificate", code(p.Certificate))),
	}
}

func limitLine(l client.Limit) g.Node {
	text := l.Name + ": " + number(l.Count) + " per " + span(l.Per)
	if l.Burst != nil {
		text += ", " + number(*l.Burst) + " at once"
	}
	return h.Div(g.Text(text))
}

func (p *keyPage) secrets() g.Node {
	return h.Section(h.Class("card"), h.H2(g.Text("Secrets")),
		table(nil, heads("No.", "Since", "Ends", "Last used"), g.Map(p.Secrets, p.secret)),
		g.If(p.Retiring && p.Roll, h.P(linkTo(keyAddress(p.ID, "end-overlap"), g.Text("End the overlap now")))),
		g.Iff(p.Use != nil && len(p.Use.Addresses) > 0, p.addresses),
	)
}

func (p *keyPage) secret(s secretRow) g.Node { //nolint:gocritic // secrets are shown once
	ends, used := dim("current"), dim("not counted")
	if s.Retires != nil {
		ends = ago(*s.Retires)
		if s.IdleRetire != "" {
			ends = g.Group{ends, g.Text(" or when unused for " + span(s.IdleRetire))}
		}
	}
	switch {
	case !s.Used.IsZero():
		used = ago(s.Used)
	case p.Use != nil:
		used = dim("never")
	}
	return h.Tr(rowHead(g.Text(number(s.Number))), h.Td(clock(s.Created)), h.Td(ends), h.Td(used))
}

// addresses are those that used the key.
func (p *keyPage) addresses() g.Node {
	return g.Group{
		h.H3(g.Text("Addresses")),
		table(nil, g.Group{heads("From"), numberHeads("Requests"), heads("Last")}, g.Map(p.Use.Addresses, func(a tally.AddressUse) g.Node {
			return h.Tr(rowHead(code(a.Prefix.String())), numberCell(a.N), h.Td(ago(a.At)))
		})),
	}
}

func (p *keyPage) requests() g.Node {
	switch {
	case p.Chart == nil:
		return h.P(h.Class("dim"), g.Text("Nothing counts usage here."))
	case p.Chart.Total.All() == 0:
		return h.P(h.Class("dim"), g.Text("There were none."))
	default:
		return p.Chart.node()
	}
}

// audit are the last events of the key.
func (p *keyPage) audit() g.Node {
	if len(p.Events) == 0 {
		return h.Section(h.Class("card"), h.H2(g.Text("Events")), h.P(h.Class("dim"), g.Text("None.")))
	}
	return h.Section(h.Class("card"), h.H2(g.Text("Events")),
		table(listRows(), heads("When", "What", "Who", "From", "Change"), g.Map(p.Events, func(e event) g.Node { return e.ofKey() })),
		h.P(linkTo(to("audit").with(url.Values{"kind": {"key"}, "subject": {p.ID}}), g.Text("All events of this key"))),
	)
}

func (p *keyPage) danger() g.Node {
	state := dangerLine("Disable", "The key is refused until it is enabled again.", buttonTo(keyAddress(p.ID, "disable"), "", "Disable"))
	if p.State == string(apikey.Disabled) {
		state = dangerLine("Enable", "The key works again.", buttonTo(keyAddress(p.ID, "enable"), "", "Enable"))
	}
	return h.Section(h.Class("card danger"), h.H2(g.Text("Danger zone")), h.Ul(
		g.If(p.Write && p.Revoked == nil, g.Group{state, dangerLine("Revoke", "For good, on every node.", buttonTo(keyAddress(p.ID, "revoke"), "bad", "Revoke"))}),
		g.If(p.Delete, dangerLine("Delete", "What is left is the audit.", buttonTo(keyAddress(p.ID, "delete"), "bad", "Delete"))),
	))
}

// dangerLine is one of the changes that a page ends with.
func dangerLine(name, text string, button g.Node) g.Node {
	return h.Li(h.Div(h.Strong(g.Text(name)), g.If(text != "", g.Text(" "+text))), button)
}
