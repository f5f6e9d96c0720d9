package portal

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/problem"
)

// Cookie names the cookie of a session.
const Cookie = "__Host-warder_portal"

// showOpen shows the page to which a link leads. It uses nothing up.
func (v *visit) showOpen() error {
	v.render(http.StatusOK, "Your API keys", openPage())
	return nil
}

// open exchanges a link for a session. Whatever is wrong with the link, the answer is
// one and the same: who tries links learns nothing.
func (v *visit) open() error {
	link, id, ok := portallink.ParseLink(v.form.Get("link"))
	if !ok {
		return v.dead()
	}
	ctx, cancel := v.bounded()
	defer cancel()
	p, err := v.site.cfg.Passes.Lookup(ctx, id)
	switch {
	case errors.Is(err, portallink.ErrNotFound):
		return v.dead()
	case err != nil:
		return err
	}
	now := time.Now()
	if !p.Opens(link, now) {
		return v.dead()
	}
	switch vouched, err := v.vouched(ctx, &p); {
	case err != nil:
		return err
	case !vouched:
		return v.dead()
	}
	session, sum := p.NewSession()
	v.pass = p
	switch err := v.site.cfg.Passes.Use(ctx, v.by(), id, sum, now, now.Add(p.Life)); {
	case errors.Is(err, portallink.ErrGone):
		return v.dead()
	case err != nil:
		return err
	}
	v.setCookie(session.Reveal(), int(p.Life/time.Second))
	v.redirect(toList())
	return nil
}

// dead is the answer to every link that does not open anything.
func (v *visit) dead() error {
	v.render(http.StatusGone, "This link does not open anything", deadPage())
	return nil
}

// setCookie sets the cookie of the session, for its life in seconds; less than 0 takes
// it away. In a frame of another site it comes along only as one of its own for each
// such site.
func (v *visit) setCookie(value string, life int) {
	c := &http.Cookie{Name: Cookie, Value: value, Path: "/", MaxAge: life, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if len(v.site.cfg.Parents) > 0 {
		c.SameSite, c.Partitioned = http.SameSiteNoneMode, true
	}
	http.SetCookie(v.w, c)
}

// enter finds the session of the cookie.
func (v *visit) enter() error {
	cookies := v.r.CookiesNamed(Cookie)
	if len(cookies) != 1 { // of two, one is not ours
		return errNoSession
	}
	session, id, ok := portallink.ParseSession(cookies[0].Value)
	if !ok {
		return errNoSession
	}
	ctx, cancel := v.bounded()
	defer cancel()
	p, err := v.site.cfg.Passes.Lookup(ctx, id)
	switch {
	case errors.Is(err, portallink.ErrNotFound) || err == nil && !p.Holds(session, time.Now()):
		return errNoSession
	case err != nil:
		return err
	}
	switch vouched, err := v.vouched(ctx, &p); {
	case err != nil:
		return err
	case !vouched:
		return errNoSession
	}
	v.pass = p
	return nil
}

// vouched reports whether whoever made the link still may.
func (v *visit) vouched(ctx context.Context, p *portallink.Pass) (bool, error) {
	if v.site.cfg.Vouches == nil {
		return true, nil
	}
	return v.site.cfg.Vouches(ctx, p)
}

// errNoSession means that the browser has no session that holds.
var errNoSession = refused(problem.Unauthorized, "This page opens by a link, and yours was used up or has ended. Ask for another one where you got it.")

// end ends the session.
func (v *visit) end() error {
	ctx, cancel := v.bounded()
	defer cancel()
	if err := v.site.cfg.Passes.End(ctx, v.by(), v.pass.ID, time.Now()); err != nil && !errors.Is(err, portallink.ErrNotFound) {
		return err
	}
	v.setCookie("", -1)
	back := v.back()
	v.pass = portallink.Pass{}
	v.render(http.StatusOK, "You have left", endPage(back))
	return nil
}
