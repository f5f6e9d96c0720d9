package adminui

import (
	"net/http"
	"strings"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/problem"
)

// A loginPage asks for name and password, or for a code with the ticket that those
// have earned.
type loginPage struct {
	Next    string
	Name    string
	Ticket  string
	Message string
}

// showLogin asks for name and password.
func (v *visit) showLogin() error {
	q, err := v.query("next")
	if err != nil {
		return err
	}
	v.render(http.StatusOK, page{Title: "Log in"}, loginPage{Next: own(q.Get("next"))})
	return nil
}

// entered is the answer to a right password: a session, or that a code is wanted.
type entered struct {
	Factor bool   `json:"factor"`
	Ticket string `json:"ticket"`
}

func (v *visit) login() error {
	p := loginPage{Next: own(v.field("next")), Name: v.field("name")}
	var got entered
	_, err := v.post("/v1/account/login", map[string]string{"name": p.Name, "password": v.form.Get("password")}, &got)
	switch {
	case err != nil:
		return v.again(err, p, "Name or password is wrong.")
	case got.Factor:
		p.Ticket = got.Ticket
		v.render(http.StatusOK, page{Title: "Log in"}, p)
	default:
		v.redirect(p.Next)
	}
	return nil
}

func (v *visit) loginCode() error {
	p := loginPage{Next: own(v.field("next")), Name: v.field("name"), Ticket: v.field("ticket")}
	body := proof(v.form.Get("code"))
	body["ticket"] = p.Ticket
	if _, err := v.post("/v1/account/login/factor", body, nil); err != nil {
		return v.again(err, p, "")
	}
	v.redirect(p.Next)
	return nil
}

// proof is a code of an authenticator, or else a recovery code, as the API takes it.
func proof(text string) map[string]string {
	const digits = 6
	text = strings.Join(strings.Fields(text), "")
	if len(text) <= digits {
		return map[string]string{"code": text}
	}
	return map[string]string{"recovery_code": text}
}

// again shows the login with what was wrong; wrong is the text for a 401, "" for the
// API's own.
func (v *visit) again(err error, p loginPage, wrong string) error {
	status := http.StatusBadRequest
	switch kind(err) {
	case problem.Unauthorized:
		status, p.Message = http.StatusUnauthorized, wrong
	case problem.LoginThrottled:
		status, p.Message = http.StatusTooManyRequests, "Too many wrong attempts. Wait a little, then try again."
	case problem.InvalidBody:
	default:
		return err
	}
	if p.Message == "" {
		p.Message = detail(err)
	}
	v.later(err)
	v.render(status, page{Title: "Log in"}, p)
	return nil
}

func (v *visit) logout() error {
	if _, err := v.post("/v1/account/logout", nil, nil); err != nil {
		return err
	}
	v.redirect(Base + "login")
	return nil
}

// prove proves password and second factor again, by what the form has of them. The
// session gets another id.
func (v *visit) prove() error {
	body := map[string]string{}
	if code := v.form.Get("fresh_code"); code != "" {
		body = proof(code)
	}
	body["password"] = v.form.Get("fresh_password")
	_, err := v.post("/v1/account/login/fresh", body, v.me)
	return err
}

// A setUpPage takes a link, and then what it sets.
type setUpPage struct {
	Link    string
	Name    string
	Role    account.Role
	Sets    bool // a password
	Factor  bool
	Secret  string
	Address string // of the authenticator's secret
	Offer   string
	Message string
	Codes   []string
	Done    bool
}

// spaced is a secret as people type it.
func spaced(secret string) string {
	var parts []string
	for rest := secret; rest != ""; {
		n := min(4, len(rest))
		parts, rest = append(parts, rest[:n]), rest[n:]
	}
	return strings.Join(parts, " ")
}

func (v *visit) showSetUp() error {
	if err := v.plain(); err != nil {
		return err
	}
	v.render(http.StatusOK, page{Title: "Set up an account"}, setUpPage{})
	return nil
}

// setUp shows what a link sets. The link is in a body: never in an address.
func (v *visit) setUp() error {
	p := setUpPage{Link: v.field("link")}
	var offer struct {
		Name   string       `json:"name"`
		Role   account.Role `json:"role"`
		Sets   bool         `json:"password"`
		Factor bool         `json:"factor"`
		Secret string       `json:"secret"`
		URI    string       `json:"uri"`
		Offer  string       `json:"offer"`
	}
	if _, err := v.post("/v1/account/setup", map[string]string{"link": p.Link}, &offer); err != nil {
		return v.notSetUp(err, setUpPage{})
	}
	p.Name, p.Role, p.Sets, p.Factor, p.Secret, p.Address, p.Offer = offer.Name, offer.Role, offer.Sets, offer.Factor, offer.Secret, offer.URI, offer.Offer
	v.render(http.StatusOK, page{Title: "Set up an account"}, p)
	return nil
}

func (v *visit) finishSetUp() error {
	p := setUpPage{
		Link: v.field("link"), Name: v.field("name"), Role: account.Role(v.field("role")), Sets: v.field("sets") != "", Factor: v.field("offer") != "",
		Secret: v.field("secret"), Address: v.field("address"), Offer: v.field("offer"),
	}
	if p.Sets && v.form.Get("password") != v.form.Get("again") {
		p.Message = "The two passwords differ."
		v.render(http.StatusBadRequest, page{Title: "Set up an account"}, p)
		return nil
	}
	body := map[string]string{"link": p.Link}
	for name, text := range map[string]string{"password": v.form.Get("password"), "offer": p.Offer, "code": strings.Join(strings.Fields(v.form.Get("code")), "")} {
		if text != "" {
			body[name] = text
		}
	}
	var got struct {
		Codes []string `json:"recovery_codes"`
	}
	if _, err := v.post("/v1/account/setup/finish", body, &got); err != nil {
		return v.notSetUp(err, p)
	}
	v.render(http.StatusOK, page{Title: "The account is set up"}, setUpPage{Name: p.Name, Codes: got.Codes, Done: true})
	return nil
}

// notSetUp shows the page with what was wrong.
func (v *visit) notSetUp(err error, p setUpPage) error {
	status := http.StatusBadRequest
	switch kind(err) {
	case problem.LinkGone, problem.Forbidden:
		status, p = http.StatusGone, setUpPage{}
		if kind(err) == problem.Forbidden {
			status = http.StatusForbidden
		}
	case problem.Unauthorized:
		status = http.StatusUnauthorized
	case problem.InvalidBody, problem.InvalidInput:
	default:
		return err
	}
	p.Message = detail(err)
	v.render(status, page{Title: "Set up an account"}, p)
	return nil
}
