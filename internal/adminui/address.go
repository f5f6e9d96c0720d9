package adminui

import (
	"maps"
	"net/url"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/warder-dev/warder/account"
)

// This file alone makes what a browser follows, sends to or loads: a test reads the
// other files for it. Texts of people are in no address but escaped.

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
	return address{Base + strings.Join(escaped, "/")}
}

// with is the address with parameters.
func (a address) with(q url.Values) address {
	if len(q) == 0 {
		return a
	}
	return address{a.text + "?" + q.Encode()}
}

// none reports whether there is nowhere to lead.
func (a address) none() bool { return a.text == "" }

func (a address) href() g.Node   { return h.Href(a.text) }
func (a address) action() g.Node { return h.Action(a.text) }
func (a address) src() g.Node    { return h.Src(a.text) }

// feed is from where the script of a page reads events.
func (a address) feed() g.Node { return h.Data("feed", a.text) }

// within is the address of an element of the same page.
func within(id string) address { return address{"#" + url.PathEscape(id)} }

// keyAddress is that of a key's page, or of one below it.
func keyAddress(id string, more ...string) address {
	return to(append([]string{"keys", id}, more...)...)
}

// personAddress is that of an account's page, or of one below it.
func personAddress(id account.ID, more ...string) address {
	return to(append([]string{"people", string(id)}, more...)...)
}

// authenticatorAddress opens an authenticator with a secret: none unless text is of
// that scheme, which runs nothing.
func authenticatorAddress(text string) address {
	if !strings.HasPrefix(text, "otpauth://totp/") {
		return address{}
	}
	return address{text}
}

// loginAddress leads to the login, and back to next.
func loginAddress(next string) string { return to("login").with(url.Values{"next": {next}}).text }

// next is the address of the next page of a list; none without a cursor.
func next(list string, filter url.Values, cursor string) address {
	if cursor == "" {
		return address{}
	}
	q := url.Values{"cursor": {cursor}}
	maps.Copy(q, filter)
	return to(list).with(q)
}
