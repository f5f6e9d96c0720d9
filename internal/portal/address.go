package portal

import (
	"net/url"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// This file alone makes what a browser follows, sends to or loads.

// An address is where a link leads. It is made here, of constants and escaped parts.
type address struct{ text string }

// to is the address of a page, by the parts of its path.
func to(parts ...string) address {
	escaped := make([]string, len(parts))
	for i, part := range parts {
		if strings.Trim(part, ".") == "" {
			part = "-" // a part of dots would lead up; nothing is called so
		}
		escaped[i] = url.PathEscape(part)
	}
	return address{"/" + strings.Join(escaped, "/")}
}

func toList() address { return address{"/"} }

// further is the next part of the list; none without a place.
func further(place string) address {
	if place == "" {
		return address{}
	}
	return address{"/?" + url.Values{"after": {place}}.Encode()}
}

// elsewhere is an address of the configuration's list: none that runs anything.
func elsewhere(text string) address {
	if !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") {
		return address{}
	}
	return address{text}
}

// none reports whether there is nowhere to lead.
func (a address) none() bool { return a.text == "" }

func (a address) href() g.Node   { return h.Href(a.text) }
func (a address) action() g.Node { return h.Action(a.text) }
func (a address) src() g.Node    { return h.Src(a.text) }
