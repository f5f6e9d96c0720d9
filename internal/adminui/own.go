package adminui

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/warder-dev/warder/problem"
)

// An ownPage is one's own account, or one step of a change of it.
type ownPage struct {
	Step    string // "", "password", "recovery-codes", "factor" or "enrol"
	Fields  []*field
	Proof   []*field
	Secret  string // of an authenticator that is offered
	Address string
	Offer   string
	Message string
}

func (v *visit) showOwn() error {
	if err := v.plain(); err != nil {
		return err
	}
	v.renderOwn(http.StatusOK, &ownPage{})
	return nil
}

func (v *visit) renderOwn(status int, p *ownPage) {
	v.render(status, page{Title: "Your account", Active: "own"}, p)
}

// ownStep is the page of a step. Whoever has to prove the password again is not asked
// for it twice.
func (v *visit) ownStep(step string) *ownPage {
	p := &ownPage{Step: step}
	if !v.freshOwn() {
		p.Proof = v.proofFields()
	}
	if step != "password" {
		return p
	}
	if len(p.Proof) == 0 {
		p.Fields = append(p.Fields, &field{Name: "old", Label: "The password of now", Kind: "password", Complete: "current-password", Required: true})
	}
	p.Fields = append(p.Fields,
		&field{Name: "password", Label: "Another password", Hint: "12 characters or more.", Kind: "password", Complete: "new-password", Required: true},
		&field{Name: "again", Label: "That once more", Kind: "password", Complete: "new-password", Required: true})
	return p
}

func (v *visit) showOwnStep() error {
	step := v.r.PathValue("step")
	if !slices.Contains(ownSteps(), step) {
		return errNotFound
	}
	if err := v.plain(); err != nil {
		return err
	}
	v.renderOwn(http.StatusOK, v.ownStep(step))
	return nil
}

// ownSteps are those that one begins with.
func ownSteps() []string { return []string{"password", "recovery-codes", "factor"} }

// codesMade are recovery codes, as the API tells them once.
type codesMade struct {
	Codes []string `json:"recovery_codes"`
}

// actOnOwn does a step.
func (v *visit) actOnOwn() error {
	step := v.r.PathValue("step")
	if step != "enrol" && !slices.Contains(ownSteps(), step) {
		return errNotFound
	}
	p := v.ownStep(step)
	if step == "enrol" {
		p.Secret, p.Address, p.Offer = v.field("secret"), v.field("address"), v.field("offer")
	}
	if step == "password" && v.form.Get("password") != v.form.Get("again") {
		return v.refusedOwn(p, told(problem.InvalidBody, "The two passwords differ."))
	}
	if len(p.Proof) > 0 {
		if v.form.Get("fresh_password") == "" {
			return v.refusedOwn(p, told(problem.FreshLogin, "Prove that it is you: this wants a login of the last 10 minutes."))
		}
		if err := v.prove(); err != nil {
			return v.refusedOwn(p, err)
		}
	}
	switch step {
	case "password":
		return v.newPassword(len(p.Proof) > 0)
	case "factor":
		return v.offerFactor()
	case "recovery-codes", "enrol":
		return v.newCodes(p)
	default:
		return errNotFound
	}
}

// newPassword sets another password; proved says that the one of now was just given.
func (v *visit) newPassword(proved bool) error {
	old := v.form.Get("old")
	if proved {
		old = v.form.Get("fresh_password")
	}
	if _, err := v.post("/v1/account/password", map[string]string{"old": old, "password": v.form.Get("password")}, nil); err != nil {
		return v.refusedOwn(v.ownStep("password"), err)
	}
	v.redirect(Base + "me")
	return nil
}

// offerFactor shows the secret of another authenticator.
func (v *visit) offerFactor() error {
	var offer struct {
		Secret string `json:"secret"`
		URI    string `json:"uri"`
		Offer  string `json:"offer"`
	}
	if _, err := v.post("/v1/account/factor", struct{}{}, &offer); err != nil {
		return v.refusedOwn(v.ownStep("factor"), err)
	}
	next := v.ownStep("enrol")
	next.Secret, next.Address, next.Offer = offer.Secret, offer.URI, offer.Offer
	v.renderOwn(http.StatusOK, next)
	return nil
}

// newCodes makes recovery codes, by themselves or with an authenticator.
func (v *visit) newCodes(p *ownPage) error {
	var made codesMade
	var err error
	if p.Step == "enrol" {
		code := strings.Join(strings.Fields(v.form.Get("code")), "")
		_, err = v.post("/v1/account/factor/enrol", map[string]string{"offer": p.Offer, "code": code}, &made)
	} else {
		_, err = v.post("/v1/account/recovery-codes", struct{}{}, &made)
	}
	if err != nil {
		again := v.ownStep(p.Step)
		again.Secret, again.Address, again.Offer = p.Secret, p.Address, p.Offer
		return v.refusedOwn(again, err)
	}
	v.render(http.StatusOK, page{Title: "Recovery codes", Active: "own"}, made)
	return nil
}

// refusedOwn shows the step again with what the API said.
func (v *visit) refusedOwn(p *ownPage, err error) error {
	if _, ok := errors.AsType[*refusal](err); !ok {
		return err
	}
	switch kind(err) {
	case problem.FreshLogin:
		if len(p.Proof) == 0 {
			p.Proof = v.proofFields()
		}
	case problem.InvalidBody, problem.LoginThrottled, problem.Forbidden, problem.Conflict:
	case problem.Unauthorized:
		if v.who() != nil { // the session has ended, and not only a proof was wrong
			return err
		}
	default:
		return err
	}
	p.Message = "Nothing was changed. " + detail(err)
	v.later(err)
	v.renderOwn(statusOf(err), p)
	return nil
}
