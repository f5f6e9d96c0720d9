package adminui

import (
	"bytes"
	"crypto/rand"
	"errors"
	"html"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	g "maragu.dev/gomponents"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/session"
)

// A me is who has logged in, as the API tells it.
type me struct {
	Account    *account.View    `json:"account"`
	Role       account.Role     `json:"role"`
	May        []account.Action `json:"may"`
	FreshUntil time.Time        `json:"fresh_until"`
}

// A visit is one request of a browser.
type visit struct {
	*asker

	site *Site
	w    http.ResponseWriter
	r    *http.Request
	form url.Values // of a POST
	me   *me        // nil on pages that need no login
}

func (s *Site) visit(w http.ResponseWriter, r *http.Request) *visit {
	return &visit{asker: &asker{api: s.cfg.API, r: r, cookie: r.Header["Cookie"]}, site: s, w: w, r: r}
}

// errNotFound means that there is no such page.
var errNotFound = errors.New("adminui: there is no such page")

// read reads the form.
func (v *visit) read() error {
	if v.r.Method != http.MethodPost {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return told(problem.UnsupportedMedia, "Send the form of the page.")
	}
	text, err := io.ReadAll(http.MaxBytesReader(v.w, v.r.Body, maxForm))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return told(problem.BodyTooLarge, "The form is too long.")
	}
	if err == nil {
		v.form, err = url.ParseQuery(string(text))
	}
	if err != nil {
		return told(problem.InvalidBody, "The form cannot be read.")
	}
	return nil
}

// told is a refusal of a page's own.
func told(kind problem.Type, detail string) error {
	return &refusal{Problem: &client.Problem{Type: kind.URI(), Title: kind.Title(), Status: int64(kind.Status()), Detail: detail}}
}

// field is a field of the form, without blanks around it.
func (v *visit) field(name string) string { return strings.TrimSpace(v.form.Get(name)) }

// who asks the API who has logged in.
func (v *visit) who() error {
	v.me = new(me)
	if _, err := v.get("/v1/account/me", nil, v.me); err != nil {
		return err
	}
	if v.me.Account == nil {
		return told(problem.Unauthorized, "")
	}
	return nil
}

// may reports whether the role allows an action, so that no page offers what would
// be refused. What counts is what the API says.
func (v *visit) may(a account.Action) bool { return v.me != nil && slices.Contains(v.me.May, a) }

// must refuses a page that could offer nothing but what the role does not allow.
func (v *visit) must(a account.Action) error {
	if !v.may(a) {
		return told(problem.Forbidden, "Your role does not allow this.")
	}
	return nil
}

// fresh reports whether a has no need of another proof.
func (v *visit) fresh(a account.Action) bool { return !a.NeedsFresh() || v.freshOwn() }

// freshOwn reports whether the login is fresh, and will be for as long as a form takes.
func (v *visit) freshOwn() bool {
	const soon = 20 * time.Second
	return time.Until(v.me.FreshUntil) > soon
}

// query returns the parameters of the address. One that the page does not have, or
// that is there twice, makes it no address of this site; one that holds a key is refused.
func (v *visit) query(known ...string) (url.Values, error) {
	q, err := url.ParseQuery(v.r.URL.RawQuery)
	if err != nil {
		return nil, errNotFound
	}
	for name, values := range q {
		if len(values) > 1 || !slices.Contains(known, name) {
			return nil, errNotFound
		}
		if apikey.HoldsKey(values[0]) {
			return nil, errPasted()
		}
	}
	return q, nil
}

// errPasted refuses a key where names are looked for: it would stay in an address.
func errPasted() error {
	return told(problem.InvalidInput, "This holds the text of a key, which is looked up in a form of its own: on the page Keys.")
}

// filter leads from the form of a list to the list, and leaves no key in an address.
func (v *visit) filter() error {
	asked := make(url.Values)
	for name, values := range v.form {
		if len(values) > 1 {
			return errNotFound
		}
		text := strings.TrimSpace(values[0])
		if info, err := apikey.Parse(text); err == nil {
			v.redirect(keyAddress(string(info.ID)).text)
			return nil
		}
		if apikey.HoldsKey(text) || apikey.HoldsKey(name) {
			return errPasted()
		}
		if text != "" {
			asked.Set(name, text)
		}
	}
	v.redirect(to(strings.TrimPrefix(v.r.URL.Path, Base)).with(asked).text)
	return nil
}

// plain refuses an address with parameters.
func (v *visit) plain() error {
	_, err := v.query()
	return err
}

// once is a fresh Idempotency-Key for a form.
func once() string { return "ui-" + rand.Text() }

// kind is the word for what the API refused; "" when it is none of its refusals.
func kind(err error) problem.Type {
	if r, ok := errors.AsType[*refusal](err); ok {
		return problem.Type(r.Kind())
	}
	return ""
}

// refuse answers with err.
func (v *visit) refuse(err error) {
	r, ok := errors.AsType[*refusal](err)
	switch {
	case errors.Is(err, errNotFound):
		r = &refusal{Problem: &client.Problem{Status: http.StatusNotFound, Title: problem.NotFound.Title(), Detail: "There is no such page."}}
	case !ok:
		v.site.cfg.Log.LogAttrs(v.r.Context(), slog.LevelError, "a page failed", slog.String("id", v.id()), slog.String("pattern", v.r.Pattern), slog.Any("error", err))
		r = &refusal{Problem: &client.Problem{Status: http.StatusInternalServerError, Title: problem.Internal.Title(), RequestID: v.id()}}
	case r.Status == http.StatusUnauthorized:
		v.redirect(loginAddress(v.here()))
		return
	}
	v.later(r)
	v.render(int(r.Status), page{Title: r.Title}, r)
}

// later says when to try again, where the API does.
func (v *visit) later(err error) {
	if r, ok := errors.AsType[*refusal](err); ok && r.after != "" {
		v.w.Header().Set("Retry-After", r.after)
	}
}

// here is the address to come back to: that of the page whose form was sent. The text
// of a key, which somebody pasted where names are looked for, is left out of it.
func (v *visit) here() string {
	if v.r.Method == http.MethodGet && !slices.ContainsFunc(slices.Concat(slices.Collect(maps.Values(v.r.URL.Query()))...), apikey.HoldsKey) {
		return v.r.URL.RequestURI()
	}
	return v.r.URL.Path
}

func (v *visit) id() string {
	if x := exchange.From(v.r.Context()); x != nil {
		return x.ID
	}
	return ""
}

// own is next when it is a page of ours, and the first page otherwise.
func own(next string) string {
	const first = Base + "keys"
	if path := session.LocalPath(next); Serves(path) && !apikey.HoldsKey(path) && !strings.HasPrefix(path, Base+"log") && !strings.HasPrefix(path, Base+"keys/search") {
		return path
	}
	return first
}

// redirect leads to a page of ours, by GET.
func (v *visit) redirect(to string) {
	v.head()
	v.w.Header().Set("Location", to)
	v.w.WriteHeader(http.StatusSeeOther)
}

// head writes what every answer has.
func (v *visit) head() {
	h := v.w.Header()
	h.Set("Cache-Control", "no-store")
	for _, field := range v.set {
		h.Add("Set-Cookie", field)
	}
	v.set = nil
}

// A page is what all pages have.
type page struct {
	Title  string
	Active string // of the navigation

	Me     *me
	Audit  bool // may be read
	People bool // may be read
}

// A body is the main part of a page.
type body interface{ body(p *page) g.Node }

// render writes a page.
func (v *visit) render(status int, p page, main body) {
	p.Me, p.Audit, p.People = v.me, v.may(account.ReadAudit), v.may(account.ReadAccounts)
	if p.Me != nil && p.Me.Account == nil {
		p.Me = nil
	}
	var out bytes.Buffer
	if err := p.layout(v.site.look, main.body(&p)).Render(&out); err != nil {
		v.site.cfg.Log.LogAttrs(v.r.Context(), slog.LevelError, "a page cannot be written", slog.String("id", v.id()), slog.String("pattern", v.r.Pattern), slog.Any("error", err))
		status = http.StatusInternalServerError
		out.Reset()
		out.WriteString("<!doctype html><title>warder</title><p>" + html.EscapeString(problem.Internal.Title()))
	}
	v.head()
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = out.WriteTo(v.w) // the browser may be gone
}

// home leads to the first page.
func (v *visit) home() error {
	v.redirect(Base + "keys")
	return nil
}

// detail is what the API says of err, for people.
func detail(err error) string {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return ""
	}
	if r.Detail == "" {
		return r.Title + "."
	}
	return r.Detail
}
