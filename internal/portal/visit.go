package portal

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"html"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	g "maragu.dev/gomponents"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/problem"
)

// A visit is one request of a browser.
type visit struct {
	site *Site
	w    http.ResponseWriter
	r    *http.Request
	form url.Values      // of a POST
	pass portallink.Pass // zero on pages that need no session
}

// A refusal is what the visitor is told.
type refusal struct {
	kind   problem.Type
	detail string
}

func (r *refusal) Error() string { return "portal: " + r.detail }

func refused(kind problem.Type, detail string) error { return &refusal{kind, detail} }

// errNotFound means that there is no such page, or none for this holder: both are one.
var errNotFound = refused(problem.NotFound, "There is no such page.")

// bounded is the request's context for one question to a store.
func (v *visit) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(v.r.Context(), v.site.cfg.Timeout)
}

// by is the holder in the audit.
func (v *visit) by() audit.By {
	by := audit.By{Actor: v.pass.Actor(), Source: "portal"}
	if x := exchange.From(v.r.Context()); x != nil && x.Client.IsValid() {
		by.Source = x.Client.String()
	}
	return by
}

func (v *visit) keyBy() apikey.By { return apikey.By(v.by()) }

// read reads the form, and refuses an address with parameters: no page has any but the
// list, and there is nothing that they could grant. Mail programs add some to a link.
func (v *visit) read() error {
	if q := v.r.URL.RawQuery; q != "" && v.r.Pattern != "GET /{$}" && v.r.Pattern != "GET "+OpenPath {
		return errNotFound
	}
	if v.r.Method != http.MethodPost {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return refused(problem.UnsupportedMedia, "Send the form of the page.")
	}
	text, err := io.ReadAll(http.MaxBytesReader(v.w, v.r.Body, maxForm))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return refused(problem.BodyTooLarge, "The form is too long.")
	}
	if err == nil {
		v.form, err = url.ParseQuery(string(text))
	}
	if err != nil {
		return refused(problem.InvalidBody, "The form cannot be read.")
	}
	return nil
}

// field is a field of the form, without blanks around it.
func (v *visit) field(name string) string { return strings.TrimSpace(v.form.Get(name)) }

// refuse answers with err. What has no name of its own is a store without an answer.
func (v *visit) refuse(err error) {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		v.site.cfg.Log.LogAttrs(v.r.Context(), slog.LevelError, "a page of the portal failed", slog.String("id", v.id()), slog.String("pattern", v.r.Pattern), slog.Any("error", err))
		r = &refusal{problem.Unavailable, "This cannot be answered now. What you asked for may have been done: look before you ask again."}
		v.w.Header().Set("Retry-After", "1")
	}
	v.render(r.kind.Status(), r.kind.Title(), problemPage(r.kind.Title(), r.detail, v.id(), v.pass.ID != ""))
}

func (v *visit) id() string {
	if x := exchange.From(v.r.Context()); x != nil {
		return x.ID
	}
	return ""
}

// back is where the holder goes afterwards: none unless the configuration still has it.
func (v *visit) back() address {
	if v.pass.Return == "" || v.site.cfg.Returns == nil || !v.site.cfg.Returns(v.pass.Return) {
		return address{}
	}
	return elsewhere(v.pass.Return)
}

// redirect leads to a page of ours, by GET.
func (v *visit) redirect(to address) {
	v.w.Header().Set("Cache-Control", "no-store")
	v.w.Header().Set("Location", to.text)
	v.w.WriteHeader(http.StatusSeeOther)
}

// render writes a page, which nothing keeps.
func (v *visit) render(status int, title string, main g.Node) {
	var out bytes.Buffer
	if err := v.layout(title, main).Render(&out); err != nil {
		v.site.cfg.Log.LogAttrs(v.r.Context(), slog.LevelError, "a page of the portal cannot be written", slog.String("id", v.id()), slog.String("pattern", v.r.Pattern), slog.Any("error", err))
		status = http.StatusInternalServerError
		out.Reset()
		out.WriteString("<!doctype html><title>Keys</title><p>" + html.EscapeString(problem.Internal.Title()))
	}
	h := v.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = out.WriteTo(v.w) // the browser may be gone
}

// attemptLife is for how long a form is known that was sent: longer than any session.
const attemptLife = 24 * time.Hour

// newOnce marks a form, so that a reload does not do again what was done.
func newOnce() string { return "portal-" + rand.Text() }

// begin begins what a form asks for. again reports that it was asked for before.
func (v *visit) begin(ctx context.Context) (a idempotency.Attempt, again bool, err error) {
	once := v.form.Get("once")
	if len(once) < len("portal-")+20 || len(once) > 64 || strings.ContainsFunc(once, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return a, false, refused(problem.InvalidBody, "Open the page again: its form is not whole.")
	}
	a = idempotency.Attempt{Caller: "portal " + string(v.pass.ID), Key: once, Request: sha256.Sum256([]byte(v.r.URL.Path + "\n" + v.form.Encode()))}
	_, err = v.site.cfg.Attempts.Begin(ctx, a, time.Now(), attemptLife)
	if errors.Is(err, idempotency.ErrKnown) {
		return a, true, nil
	}
	return a, false, err
}

// undone forgets an attempt that had no effect, so that the form can be sent again.
func (v *visit) undone(ctx context.Context, a idempotency.Attempt) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.site.cfg.Timeout)
	defer cancel()
	if err := v.site.cfg.Attempts.Forget(ctx, a); err != nil {
		v.site.cfg.Log.LogAttrs(ctx, slog.LevelError, "an attempt of the portal could not be forgotten", slog.Any("error", err))
	}
}
