package authz

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/warder-dev/warder/exchange"
)

// methods holds for one of several request methods.
type methods struct {
	names []string
	fold  bool // in any case: in a Deny rule, where missing one lets it pass
}

func newMethods(names []string, fold bool) (Condition, error) {
	m := methods{names: slices.Clone(names), fold: fold}
	for _, name := range names {
		if !token(name) || name != strings.ToUpper(name) {
			return nil, fmt.Errorf("%q: want a method in upper case", name)
		}
	}
	if slices.Contains(names, http.MethodGet) {
		m.names = append(m.names, http.MethodHead) // what GET would say of itself
	}
	return &m, nil
}

// token reports whether name is a token (RFC 9110, section 5.6.2).
func token(name string) bool {
	for i := range len(name) {
		b := name[i]
		if (b|0x20 < 'a' || b|0x20 > 'z') && (b < '0' || b > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return false
		}
	}
	return name != ""
}

func (m *methods) Holds(x *exchange.Exchange) (bool, error) {
	for _, name := range m.names {
		if x.Request.Method == name || m.fold && strings.EqualFold(x.Request.Method, name) {
			return true, nil
		}
	}
	return false, nil
}
