package session

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// setCookie makes value the browser's cookie, until expires or, when that is
// zero, for as long as the browser runs. A cookie of the same name that the
// response sets already is dropped: a browser would take the last of them, others
// the first.
func (m *Manager) setCookie(w http.ResponseWriter, value string, expires time.Time) {
	c := m.newCookie(value) //nolint:gosec // G124: newCookie sets its attributes
	if !expires.IsZero() {
		c.MaxAge = max(1, int(time.Until(expires)/time.Second)) // never longer than the session
	}
	m.write(w, c)
}

// deleteCookie tells the browser to forget its cookie. A browser knows it by name
// and path, and with the prefix __Host- takes no order without Secure.
func (m *Manager) deleteCookie(w http.ResponseWriter) {
	c := m.newCookie("") //nolint:gosec // G124: newCookie sets its attributes
	c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	m.write(w, c)
}

func (m *Manager) newCookie(value string) *http.Cookie {
	//nolint:gosec // G124: without Secure only where InsecureCookie says so
	return &http.Cookie{Name: m.cookie, Value: value, Path: "/", Secure: m.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// write adds c to the response, which is then nobody's but this browser's.
func (m *Manager) write(w http.ResponseWriter, c *http.Cookie) {
	h := w.Header()
	lines := slices.DeleteFunc(slices.Clone(h["Set-Cookie"]), func(line string) bool { return strings.HasPrefix(line, m.cookie+"=") })
	h["Set-Cookie"] = append(lines, c.String())
	h.Set("Cache-Control", "no-store")
}
