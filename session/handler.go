package session

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// FromElsewhere reports whether a page of another site or origin sent r, as the
// browser says in Sec-Fetch-Site, or in Origin where it does not send that. A
// client that sends neither is no browser of today. Handlers that begin or end
// sessions refuse such requests by themselves, since no session is there yet for
// csrf to look at.
func FromElsewhere(r *http.Request) bool {
	if sites := r.Header["Sec-Fetch-Site"]; len(sites) > 0 {
		return len(sites) > 1 || sites[0] != "same-origin" && sites[0] != "none"
	}
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return false
	}
	origin, err := url.Parse(origins[0])
	if len(origins) > 1 || err != nil || origin.Host == "" {
		return true // also "null"
	}
	if x := exchange.From(r.Context()); x != nil && x.Host != "" {
		host := x.Host
		if x.Port != "" && (x.Scheme != "https" || x.Port != "443") && (x.Scheme != "http" || x.Port != "80") {
			host += ":" + x.Port // an origin has no default port
		}
		return !strings.EqualFold(origin.Host, host) || origin.Scheme != x.Scheme
	}
	return !strings.EqualFold(origin.Host, r.Host)
}

// LogoutHandler answers POST by ending the session and leading to the path, which
// is "/" unless [LocalPath] takes it. Requests from elsewhere are 403, so that no
// other site logs anybody out.
func (m *Manager) LogoutHandler(path string) http.Handler {
	path = LocalPath(path)
	method := problem.New(problem.MethodNotAllowed, "Use POST.").With("Allow", http.MethodPost)
	foreign := problem.New(problem.CrossSite, "Log out from a page of the site itself.")
	away := problem.New(problem.Unavailable, "Try again later: the session may not have ended.").With("Retry-After", "5")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodPost:
			exchange.Respond(w, r, method, "", nil)
			return
		case FromElsewhere(r):
			exchange.Respond(w, r, foreign, "", nil)
			return
		}
		if err := m.Logout(w, r); err != nil {
			exchange.Respond(w, r, away, "", err)
			return
		}
		w.Header().Set("Location", path)
		w.WriteHeader(http.StatusSeeOther)
	})
}
