package login

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
)

// This file holds what the handlers read and answer, and so every place where they
// reveal what was made for the one who asks.

// revealHash is the hash that a password is compared with.
func revealHash(a *account.Account) string { return a.PasswordHash.Reveal() }

// answers are the problems, made once.
type answers struct {
	foreign, long, body, wrong, code, ended, stale, gone, elsewhere, forbidden, factor, away *problem.Problem
}

func newAnswers(challenge string) answers {
	unauthorized := func(detail string) *problem.Problem {
		return problem.New(problem.Unauthorized, detail).With("WWW-Authenticate", challenge)
	}
	return answers{
		foreign:   problem.New(problem.CrossSite, "Send this from a page of the site itself."),
		long:      problem.New(problem.BodyTooLarge, "Send a shorter body."),
		body:      problem.New(problem.InvalidBody, "Send one JSON object with the members that are documented, and no others."),
		wrong:     unauthorized("The name or the password is wrong."),
		code:      unauthorized("The code is wrong, has expired, or was used. Wait for the next one."),
		ended:     unauthorized("Begin again with name and password."),
		stale:     problem.New(problem.FreshLogin, "Prove password and second factor again, then repeat the request within 10 minutes."),
		gone:      problem.New(problem.LinkGone, "The link was used, has expired, or is none. Ask for another."),
		elsewhere: problem.New(problem.Forbidden, "The link was made for another address. Ask for another."),
		forbidden: problem.New(problem.Forbidden, "The role does not allow it."),
		factor:    problem.New(problem.Forbidden, "There is no second factor: enrol one first."),
		away:      problem.New(problem.Unavailable, "Try again later. Nothing is wrong with the request.").With("Retry-After", "5"),
	}
}

// throttled says when to try again (RFC 9110, section 10.2.3).
func throttled(after time.Duration) *problem.Problem {
	seconds := int64((after + time.Second - 1) / time.Second)
	return problem.New(problem.LoginThrottled, "Wait, then try again.").With("Retry-After", strconv.FormatInt(seconds, 10))
}

// refusedValues names each field that cannot be taken.
func refusedValues(all []*account.FieldError) *problem.Problem {
	var parts []string
	for _, one := range all {
		parts = append(parts, one.Field+": "+one.Reason)
	}
	return problem.New(problem.InvalidBody, strings.Join(parts, "; ")+".")
}

// A typed is a secret as it is sent: it is hidden from then on.
type typed struct{ secret.Text }

// UnmarshalJSON reads a string.
func (t *typed) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	t.Text = secret.New(text)
	return nil
}

// A ticketView is the answer to a right password.
type ticketView struct {
	Factor  bool   `json:"factor"` // a code is wanted, with the ticket
	Ticket  string `json:"ticket"`
	Expires int    `json:"expires_in"` // seconds
}

func viewTicket(t secret.Text) ticketView {
	return ticketView{Factor: true, Ticket: t.Reveal(), Expires: int(account.TicketFor / time.Second)}
}

// An offerView is what a link sets.
type offerView struct {
	Name   string       `json:"name"`
	Role   account.Role `json:"role"`
	Sets   bool         `json:"password"`         // a password is to be set
	Factor bool         `json:"factor"`           // an authenticator is to be enrolled
	Secret string       `json:"secret,omitempty"` // to be typed into one
	URI    string       `json:"uri,omitempty"`    // to be shown as a QR code
	Offer  string       `json:"offer,omitempty"`  // to be sent back with a code
}

func viewOffer(o account.Offer) offerView {
	return offerView{o.Account.Name, o.Account.Role, o.Password, o.Factor, o.Secret.Reveal(), o.URI.Reveal(), o.Sealed.Reveal()}
}

// A codesView are recovery codes, told this once.
type codesView struct {
	Codes []string `json:"recovery_codes"`
}

func viewCodes(codes []secret.Text) codesView {
	v := codesView{Codes: []string{}}
	for _, one := range codes {
		v.Codes = append(v.Codes, one.Reveal())
	}
	return v
}

// A meView is who asks.
type meView struct {
	Account    *account.View    `json:"account,omitempty"`
	Key        string           `json:"key,omitempty"`   // id of the admin key
	Owner      string           `json:"owner,omitempty"` // that the admin key is bound to
	Role       account.Role     `json:"role"`
	May        []account.Action `json:"may"`
	FreshUntil time.Time        `json:"fresh_until,omitzero"`
}
