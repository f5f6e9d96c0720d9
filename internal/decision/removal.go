package decision

import (
	"net/http"
	"slices"
	"strings"

	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/upstream"
)

// RemoveField names the fields of the client that Envoy takes out for the upstream.
const RemoveField = "X-Envoy-Auth-Headers-To-Remove"

// A removal is what a pass takes away from the client's request.
type removal struct {
	fields  []string // lower case
	cookies string   // what is left of Cookie; "" when that is as it was
}

// removal is what must not reach the upstream of what the client sent: credentials,
// and fields like ours that are not those which every pass sets.
func (f *Front) removal(client http.Header) removal {
	r := removal{fields: slices.Clone(f.cfg.RemoveHeaders)}
	ours := upstream.IdentityFields()
	for name := range client {
		if strings.HasPrefix(name, "X-Warder-") && !slices.Contains(ours, name) {
			r.fields = append(r.fields, name)
		}
	}
	if cookies := client["Cookie"]; len(cookies) > 0 && len(f.cfg.RemoveCookies) > 0 {
		left := credential.WithoutCookies(cookies, f.cfg.RemoveCookies...)
		switch {
		case len(left) == 0:
			r.fields = append(r.fields, "Cookie")
		case !slices.Equal(left, cookies):
			r.cookies = strings.Join(left, "; ")
		}
	}
	for i, name := range r.fields {
		r.fields[i] = strings.ToLower(name)
	}
	slices.Sort(r.fields)
	r.fields = slices.Compact(r.fields)
	return r
}

// add tells the proxy.
func (r *removal) add(h http.Header) {
	if len(r.fields) > 0 {
		h[RemoveField] = []string{strings.Join(r.fields, ", ")}
	}
	if r.cookies != "" {
		h["Cookie"] = []string{r.cookies}
	}
}
