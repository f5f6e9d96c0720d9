package adminui

import (
	"errors"
	"net/http"
	"strings"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/problem"
)

// A formPage is the form of a key.
type formPage struct {
	Form    *form
	Key     *client.Key // nil for a new one
	ETag    string
	Base    string // see form.base
	Once    string
	Message string
	Faults  []client.Fault // which no field has
}

func (v *visit) showCreate() error {
	if err := errors.Join(v.plain(), v.must(account.WriteKeys)); err != nil {
		return err
	}
	v.render(http.StatusOK, page{Title: "New key", Active: "keys"}, formPage{Form: newForm(true), Once: once()})
	return nil
}

// create makes the key, and tells its text in this answer alone.
func (v *visit) create() error {
	p := formPage{Form: newForm(true), Once: v.field("once")}
	p.Form.take(v)
	spec := p.Form.spec()
	if p.Form.wrong() {
		return v.unmade(nil, p)
	}
	var made client.KeyMade
	out, err := v.post("/v1/keys", spec, &made, "Idempotency-Key", p.Once)
	if err != nil {
		return v.unmade(err, p)
	}
	return v.reveal(out, &made, "Key made")
}

// unmade shows the form again, with what is wrong at its fields.
func (v *visit) unmade(err error, p formPage) error {
	status := http.StatusBadRequest
	if err != nil {
		r, ok := errors.AsType[*refusal](err)
		if !ok || !formFault(kind(err)) {
			return err
		}
		status, p.Message, p.Faults = int(r.Status), detail(err), p.Form.blame(r.Errors)
	}
	if p.Message == "" || len(p.Faults) == 0 && p.Form.wrong() {
		p.Message = "Nothing was changed: see what is marked below."
	}
	title := "New key"
	if p.Key != nil {
		title = "Change " + titleOf(p.Key)
	}
	v.render(status, page{Title: title, Active: "keys"}, p)
	return nil
}

func titleOf(k *client.Key) string { return title(k) }

// formFault reports whether a form is shown again for it.
func formFault(k problem.Type) bool {
	switch k {
	case problem.InvalidInput, problem.ReusedKey, problem.Conflict, problem.NotJSON:
		return true
	default:
		return false
	}
}

// A revealPage tells the text of a key, once.
type revealPage struct {
	Key     client.Key
	Text    string // "" when it was told before
	Request string
}

// reveal answers with the text of a key. A replay has none.
func (v *visit) reveal(_ *answer, made *client.KeyMade, title string) error {
	p := revealPage{Key: made.Key}
	if !made.Text.IsZero() {
		p.Text = made.Text.Reveal()
		p.Request = strings.ReplaceAll(v.site.cfg.Request, "{key}", p.Text)
	}
	v.render(http.StatusOK, page{Title: title, Active: "keys"}, p)
	return nil
}

func (v *visit) showEdit() error {
	if err := errors.Join(v.plain(), v.must(account.WriteKeys)); err != nil {
		return err
	}
	k, etag, err := v.key()
	if err != nil {
		return err
	}
	v.render(http.StatusOK, page{Title: "Change " + title(&k), Active: "keys"}, formPage{Form: filled(&k), Key: &k, ETag: etag, Base: filled(&k).base(), Once: once()})
	return nil
}

// edit changes what differs from the key as it was when the form was made. When
// somebody else has changed it meanwhile, nothing is written: the form comes back
// with what was typed, and with what is stored now beside it.
func (v *visit) edit() error {
	k, etag, err := v.key()
	if err != nil {
		return err
	}
	p := formPage{Form: newForm(false), Key: &k, ETag: v.field("etag"), Base: v.field("base"), Once: v.field("once")}
	p.Form.take(v)
	if p.ETag != etag {
		return v.conflict(p)
	}
	patch, changed := p.Form.patch(&k)
	if p.Form.wrong() {
		return v.unmade(nil, p)
	}
	if changed {
		_, err = v.ask(question{method: http.MethodPatch, path: "/v1/keys/" + k.ID, header: fields("If-Match", p.ETag, "Idempotency-Key", p.Once), body: patch}, nil)
	}
	switch {
	case err == nil:
		v.redirect(keyAddress(k.ID).text)
		return nil
	case kind(err) == problem.ChangedMeanwhile:
		return v.conflict(p)
	default:
		return v.unmade(err, p)
	}
}

// conflict shows what was typed beside what somebody else has stored.
func (v *visit) conflict(p formPage) error {
	k, etag, err := v.key()
	if err != nil {
		return err
	}
	p.Form.merge(p.Base, &k)
	p.Key, p.ETag, p.Base, p.Once = &k, etag, filled(&k).base(), once()
	p.Message = "Somebody else has changed this key since you opened the form. Nothing of yours is saved yet, and nothing is lost: what you left alone is now as it is stored, and where you both changed something, what is stored stands below what you typed. Save again to keep what you see."
	v.render(http.StatusPreconditionFailed, page{Title: "Change " + title(&k), Active: "keys"}, p)
	return nil
}
