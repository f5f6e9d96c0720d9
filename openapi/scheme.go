package openapi

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
)

// ValidName reports whether name can be that of a component: letters, digits,
// dots, underscores and hyphens, one at least.
func ValidName(name string) bool {
	for i := range len(name) {
		if b := name[i]; !alphanumeric(b) && b != '.' && b != '_' && b != '-' {
			return false
		}
	}
	return name != ""
}

func alphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// token reports whether s is a token (RFC 9110, section 5.6.2).
func token(s string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// AddSecurityScheme adds s to the components under name. Adding the same again
// changes nothing; another scheme under a name that is taken is an error, and so
// is a scheme that lacks what its type requires or has what its type does not.
// All that is wrong is reported at once. Changing s later has no effect.
func (d *Document) AddSecurityScheme(name string, s SecurityScheme) error {
	s = s.clone()
	if err := checkScheme(name, s); err != nil {
		return err
	}
	if old, taken := d.Components.SecuritySchemes[name]; taken {
		if !reflect.DeepEqual(old.clone(), s) {
			return fmt.Errorf("openapi: security scheme %q is there already, and is another", name)
		}
		return nil
	}
	if d.Components.SecuritySchemes == nil {
		d.Components.SecuritySchemes = make(map[string]SecurityScheme)
	}
	d.Components.SecuritySchemes[name] = s
	return nil
}

// clone copies what s points to, and makes the scopes of each flow a map.
func (s SecurityScheme) clone() SecurityScheme {
	if s.Flows == nil {
		return s
	}
	s.Flows = &OAuthFlows{
		Implicit: s.Flows.Implicit.clone(), Password: s.Flows.Password.clone(),
		ClientCredentials: s.Flows.ClientCredentials.clone(), AuthorizationCode: s.Flows.AuthorizationCode.clone(),
	}
	return s
}

func (f *OAuthFlow) clone() *OAuthFlow {
	if f == nil {
		return nil
	}
	c := *f
	if c.Scopes = maps.Clone(f.Scopes); c.Scopes == nil {
		c.Scopes = make(map[string]string)
	}
	return &c
}

// A faults collects what is wrong with one thing.
type faults struct {
	about string
	errs  []error
}

func (f *faults) add(format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf("openapi: %s: %s", f.about, fmt.Sprintf(format, args...)))
}

// checkScheme reports all that is wrong with s under name.
func checkScheme(name string, s SecurityScheme) error {
	f := &faults{about: fmt.Sprintf("security scheme %q", name)}
	if !ValidName(name) {
		f.add("want a name of letters, digits and ._-")
	}
	f.belongs("name", s.Name != "", s.Type == TypeAPIKey, true)
	f.belongs("in", s.In != "", s.Type == TypeAPIKey, true)
	f.belongs("scheme", s.Scheme != "", s.Type == TypeHTTP, true)
	f.belongs("bearerFormat", s.BearerFormat != "", s.Type == TypeHTTP && strings.EqualFold(s.Scheme, "bearer"), false)
	f.belongs("flows", s.Flows != nil, s.Type == TypeOAuth2, true)
	f.belongs("openIdConnectUrl", s.OpenIDConnectURL != "", s.Type == TypeOpenIDConnect, true)
	switch s.Type {
	case TypeAPIKey:
		f.place(s)
	case TypeHTTP:
		if s.Scheme != "" && !token(s.Scheme) {
			f.add("scheme %q is no token", s.Scheme)
		}
	case TypeMutualTLS:
	case TypeOAuth2:
		f.flows(s.Flows)
	case TypeOpenIDConnect:
		f.address("openIdConnectUrl", s.OpenIDConnectURL)
	default:
		f.add("unknown type %q", s.Type)
	}
	return errors.Join(f.errs...)
}

// belongs checks that a field is there when its type requires it, and is not
// when the type has no such field.
func (f *faults) belongs(field string, present, applies, required bool) {
	switch {
	case present && !applies:
		f.add("%s is none of its type", field)
	case !present && applies && required:
		f.add("%s is missing", field)
	}
}

// place checks where an API key is.
func (f *faults) place(s SecurityScheme) {
	switch s.In {
	case InHeader, InCookie:
		if s.Name != "" && !token(s.Name) {
			f.add("name %q is no token", s.Name)
		}
	case InQuery, "": // any name can be encoded; a missing place is reported already
	default:
		f.add("in %q: want query, header or cookie", s.In)
	}
}

// flows checks each flow that is there; at least one must be.
func (f *faults) flows(flows *OAuthFlows) {
	if flows == nil {
		return // reported already
	}
	count := 0
	for _, flow := range []struct {
		name                 string
		flow                 *OAuthFlow
		authorization, token bool
	}{
		{"implicit", flows.Implicit, true, false},
		{"password", flows.Password, false, true},
		{"clientCredentials", flows.ClientCredentials, false, true},
		{"authorizationCode", flows.AuthorizationCode, true, true},
	} {
		if flow.flow == nil {
			continue
		}
		count++
		at := "flows." + flow.name + "."
		f.belongs(at+"authorizationUrl", flow.flow.AuthorizationURL != "", flow.authorization, true)
		f.belongs(at+"tokenUrl", flow.flow.TokenURL != "", flow.token, true)
		f.address(at+"authorizationUrl", flow.flow.AuthorizationURL)
		f.address(at+"tokenUrl", flow.flow.TokenURL)
		f.address(at+"refreshUrl", flow.flow.RefreshURL)
		if flow.flow.Scopes == nil {
			f.add("%sscopes is missing", at)
		}
	}
	if count == 0 {
		f.add("flows has none")
	}
}

// address checks that text is a URL that a secret may be sent to: https, or http
// on this machine alone. The specification takes relative ones too; those of a
// provider never are. The text is not repeated, since it may hold a password.
func (f *faults) address(field, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		f.add("%s: want an absolute URL without user and fragment", field)
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback(u.Hostname()):
	default:
		f.add("%s: want https (http only on loopback)", field)
	}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
