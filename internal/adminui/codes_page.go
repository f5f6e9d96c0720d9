package adminui

import (
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

func (c codesMade) body(*page) g.Node {
	return h.Section(h.Class("narrow"),
		h.H1(g.Text("Recovery codes")),
		h.P(h.Class("once"), h.Strong(g.Text("They are shown this once: store them now.")), g.Text(" Each stands in for the authenticator once.")),
		h.Div(h.Class("card"), toldOnce(g.Attr("data-once"), g.Text(lines(c.Codes))), h.P(copyButton("told", "main", "Copy"))),
		h.P(buttonTo(to("me"), "", "I have stored them")),
	)
}

// lines are texts one below the other.
func lines(all []string) string {
	var out strings.Builder
	for _, one := range all {
		out.WriteString(one + "\n")
	}
	return out.String()
}
