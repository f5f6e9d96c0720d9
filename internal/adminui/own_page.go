package adminui

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/warder-dev/warder/account"
)

func (p *ownPage) body(l *page) g.Node {
	if p.Step == "" {
		return h.Section(h.Class("narrow"), h.H1(g.Text("Your account")), notice(p.Message), ownCard(l.Me))
	}
	title, button := p.words()
	return h.Section(h.Class("narrow"),
		crumbs(linkTo(to("me"), g.Text("Your account"))),
		h.H1(g.Text(title)),
		notice(p.Message),
		sendTo(to("me", p.Step), p.about(), proofSet(p.Proof, l.Me.Account.Name), fieldCard(p.Fields...), decide("main", button, to("me"))),
	)
}

// words are those of a step.
func (p *ownPage) words() (title, button string) {
	switch p.Step {
	case "password":
		return "Another password", "Change the password"
	case "recovery-codes":
		return "New recovery codes", "Make new codes"
	case "factor":
		return "Another authenticator", "Go on"
	default:
		return "Another authenticator", "Enrol it"
	}
}

// about says what a step does.
func (p *ownPage) about() g.Node {
	switch p.Step {
	case "password":
		return h.P(g.Text("Your other sessions end."))
	case "recovery-codes":
		return h.P(g.Text("Those of before are worth nothing then."))
	case "factor":
		return h.P(g.Text("You get a secret to add to an authenticator. The one of before works until its code is entered here; then your other sessions end."))
	default:
		return g.Group{
			hidden("offer", p.Offer), hidden("secret", p.Secret), hidden("address", p.Address),
			authenticator(spaced(p.Secret), authenticatorAddress(p.Address)),
		}
	}
}

// ownCard is one's own account.
func ownCard(who *me) g.Node {
	another := "Enrol an authenticator"
	if who.Account.Factor {
		another = "Another authenticator"
	}
	return h.Section(h.Class("card"), h.H2(g.Text(who.Account.Name)),
		h.Dl(term("Role", g.Text(string(who.Role))), emailTerm(who.Account), factorTerm(who.Account)),
		h.P(h.Class("buttons"),
			buttonTo(to("me", "password"), "", "Another password"), blank(), buttonTo(to("me", "factor"), "", another), blank(),
			g.If(who.Account.Factor, buttonTo(to("me", "recovery-codes"), "", "New recovery codes")),
		),
	)
}

func emailTerm(a *account.View) g.Node {
	if a.Email == "" {
		return term("E-mail", dim("none"))
	}
	return term("E-mail", apartText(a.Email))
}

func factorTerm(a *account.View) g.Node {
	if !a.Factor {
		return term("Second factor", dim("none"))
	}
	return term("Second factor", g.Textf("enrolled, %d recovery codes left", a.RecoveryCodes))
}
