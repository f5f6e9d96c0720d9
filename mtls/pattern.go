package mtls

import (
	"fmt"
	"strings"
)

// A pattern is a name, or the form of several.
type pattern struct {
	text string // the name; what comes before or after the star
	form form
}

type form uint8

const (
	exact form = iota
	everybody
	label  // text is ".example.com": one label before it
	local  // text is "@example.com": any mailbox of it
	folder // text is "spiffe://example.org/": whatever is below it
)

// newPattern reads a pattern for names of the kind s; see [Config.Names].
func newPattern(s Source, given string) (pattern, error) {
	text := given
	if text == "*" {
		return pattern{form: everybody}, nil
	}
	p := pattern{text: text}
	ok := wellFormed(text)
	switch s {
	case DNS:
		if rest, wild := strings.CutPrefix(text, "*."); wild {
			p, ok = pattern{"." + rest, label}, hostName(rest)
		} else {
			ok = hostName(text)
		}
	case Email:
		if domain, wild := strings.CutPrefix(text, "*@"); wild {
			p, ok = pattern{"@" + domain, local}, hostName(domain)
		} else {
			ok = mailbox(text) == text
		}
	case SPIFFE, URI:
		if above, wild := strings.CutSuffix(text, "/**"); wild {
			p, ok = pattern{above + "/", folder}, ok && !strings.Contains(above, "*") && strings.Contains(above, "://")
			text = above + "/x" // as one below it
		}
		if s == SPIFFE {
			ok = ok && validID(text)
		}
	case CommonName, DistinguishedName:
	}
	if !ok {
		return pattern{}, fmt.Errorf("%q is no name of the kind %s, nor a form of several", given, s)
	}
	return p, nil
}

// matches reports whether name is one of p.
func (p pattern) matches(name string) bool {
	switch p.form {
	case exact:
		return name == p.text
	case everybody:
		return true
	case label:
		before, ok := strings.CutSuffix(name, p.text)
		return ok && before != "" && !strings.Contains(before, ".")
	case local:
		before, ok := strings.CutSuffix(name, p.text)
		return ok && before != ""
	case folder:
		below, ok := strings.CutPrefix(name, p.text)
		return ok && below != ""
	default:
		return false
	}
}
