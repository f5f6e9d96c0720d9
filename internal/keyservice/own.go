package keyservice

import (
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// This file describes what a person does with itself: package account/login serves
// it, with cookies and in steps, so that nothing here runs. A test of internal/server
// compares both.

// ownTag is that of these operations. The generated client has none of them: it
// keeps no cookies.
const ownTag = "own"

// OwnLogin is the first step of a login.
type OwnLogin struct {
	Name     string `json:"name" example:"ada"`
	Password string `json:"password" format:"password" example:"seven quiet otters"`
}

// OwnFactor is the second step of a login.
type OwnFactor struct {
	Ticket   string `json:"ticket" format:"password" doc:"of the first step" example:"k5qzn7w2t4m6c3xd...."`
	Code     string `json:"code,omitempty" doc:"of the authenticator" example:"123456"`
	Recovery string `json:"recovery_code,omitempty" format:"password" doc:"in place of code"`
}

// OwnFresh proves both once more.
type OwnFresh struct {
	Password string `json:"password" format:"password" example:"seven quiet otters"`
	Code     string `json:"code,omitempty" doc:"where there is a second factor" example:"123456"`
	Recovery string `json:"recovery_code,omitempty" format:"password" doc:"in place of code"`
}

// OwnMe is who asks; in the answer to the first step of a login the ticket instead,
// where a second one is needed.
type OwnMe struct {
	Account    *OwnAccount `json:"account,omitempty" doc:"of a person"`
	Key        string      `json:"key,omitempty" doc:"the id of an admin key"`
	Owner      string      `json:"owner,omitempty" doc:"that the admin key is bound to"`
	Role       string      `json:"role,omitempty" example:"owner"`
	May        []string    `json:"may,omitempty" nullable:"false" doc:"rights" example:"[\"keys:read\"]"`
	FreshUntil *time.Time  `json:"fresh_until,omitempty" doc:"until then nothing wants a login"`
	Factor     bool        `json:"factor,omitempty" doc:"a code is wanted, with the ticket"`
	Ticket     string      `json:"ticket,omitempty" format:"password" doc:"for the second step"`
	ExpiresIn  int         `json:"expires_in,omitempty" doc:"of the ticket, in seconds"`
}

// OwnAccount is a person as it sees itself.
type OwnAccount struct {
	Person

	Epoch int64 `json:"epoch" doc:"sessions of another one have ended" example:"3"`
}

// OwnLink is the link by which somebody sets itself up.
type OwnLink struct {
	Link string `json:"link" format:"password" example:"wset_k5qzn7w2t4m6c3xd_..."`
}

// OwnOffer is what a link sets, or another authenticator.
type OwnOffer struct {
	Name     string `json:"name" example:"ada"`
	Role     string `json:"role" example:"owner"`
	Password bool   `json:"password" doc:"one is to be set" example:"true"`
	Factor   bool   `json:"factor" doc:"an authenticator is to be enrolled" example:"true"`
	Secret   string `json:"secret,omitempty" format:"password" doc:"to be typed into an authenticator"`
	URI      string `json:"uri,omitempty" format:"password" doc:"the same as otpauth://, for a QR code"`
	Offer    string `json:"offer,omitempty" format:"password" doc:"to be sent back with a code, within the hour"`
}

// OwnSetUp sets what a link is for.
type OwnSetUp struct {
	Link     string `json:"link" format:"password" example:"wset_k5qzn7w2t4m6c3xd_..."`
	Password string `json:"password,omitempty" format:"password" doc:"where one is to be set: 12 characters at least, and none that others know"`
	Offer    string `json:"offer,omitempty" format:"password" doc:"where an authenticator is to be enrolled"`
	Code     string `json:"code,omitempty" doc:"the authenticator's" example:"123456"`
}

// OwnCodes are recovery codes, told this once.
type OwnCodes struct {
	Codes []string `json:"recovery_codes" nullable:"false" doc:"each stands in for the authenticator once; none without one"`
}

// OwnPassword is another password.
type OwnPassword struct {
	Old      string `json:"old" format:"password" example:"seven quiet otters"`
	Password string `json:"password" format:"password" doc:"12 characters at least, and none that others know" example:"eight quiet otters"`
}

// OwnEnrol puts the authenticator that was offered in the place of the one before.
type OwnEnrol struct {
	Offer string `json:"offer" format:"password" example:"5e6f7a8b...."`
	Code  string `json:"code" example:"123456"`
}

// OwnNothing is a body without members.
type OwnNothing struct{}

// An ownOperation is one that account/login serves below /v1/account.
type ownOperation struct {
	id, method, path, summary string
	open                      bool // to everybody who can prove something in the body
	fresh                     bool // it wants a fresh login
	body, answer              reflect.Type
	also                      []int
}

func ownOperations() []ownOperation {
	of := reflect.TypeFor[OwnMe]
	return []ownOperation{
		{"login", "POST", "login", "Prove a password; with a second factor the answer is a ticket for the next step", true, false, reflect.TypeFor[OwnLogin](), of(), []int{429}},
		{"loginFactor", "POST", "login/factor", "Prove the second factor", true, false, reflect.TypeFor[OwnFactor](), of(), []int{429}},
		{"loginFresh", "POST", "login/fresh", "Prove both once more, for what wants a fresh login", false, false, reflect.TypeFor[OwnFresh](), of(), []int{429}},
		{"logout", "POST", "logout", "End the session", true, false, nil, nil, nil},
		{"whoAmI", "GET", "me", "Show who asks: a person, or an admin key", false, false, nil, of(), nil},
		{"lookAtLink", "POST", "setup", "Show what a link sets, with an authenticator to enrol", true, false, reflect.TypeFor[OwnLink](), reflect.TypeFor[OwnOffer](), []int{410}},
		{"setUp", "POST", "setup/finish", "Set what a link is for; it is used up", true, false, reflect.TypeFor[OwnSetUp](), reflect.TypeFor[OwnCodes](), []int{410}},
		{"changePassword", "POST", "password", "Set another password; other sessions end", false, true, reflect.TypeFor[OwnPassword](), of(), []int{429}},
		{"offerFactor", "POST", "factor", "Get another authenticator to enrol", false, true, reflect.TypeFor[OwnNothing](), reflect.TypeFor[OwnOffer](), nil},
		{"enrolFactor", "POST", "factor/enrol", "Enrol the authenticator that was offered; other sessions end", false, true, reflect.TypeFor[OwnEnrol](), reflect.TypeFor[OwnCodes](), nil},
		{"renewRecoveryCodes", "POST", "recovery-codes", "Make new recovery codes; those of before are worth nothing then", false, true, reflect.TypeFor[OwnNothing](), reflect.TypeFor[OwnCodes](), nil},
	}
}

// describeOwn adds them to the document.
func (s *Service) describeOwn() {
	doc := s.api.OpenAPI()
	schema := func(t reflect.Type) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: doc.Components.Schemas.Schema(t, true, "")}}
	}
	for _, o := range ownOperations() {
		op := &huma.Operation{
			OperationID: o.id, Method: o.method, Path: "/v1/account/" + o.path, Tags: []string{ownTag}, Summary: o.summary,
			Security: []map[string][]string{{}}, Responses: map[string]*huma.Response{},
		}
		switch {
		case o.fresh:
			op.Description = "It wants the cookie of a fresh login: of the last 10 minutes."
		case !o.open:
			op.Description = "It wants the cookie of a login."
		}
		if o.id == "whoAmI" {
			op.Description = "It wants the cookie of a login, or an admin key."
		}
		statuses := append([]int{400, 401, 403, 421, 500, 503}, o.also...)
		if o.body != nil {
			op.RequestBody = &huma.RequestBody{Required: true, Content: schema(o.body)}
			statuses = append(statuses, http.StatusRequestEntityTooLarge)
		}
		for _, status := range statuses {
			op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + responseName(status)}
		}
		if o.answer == nil {
			op.Responses["204"] = &huma.Response{Description: "Done."}
		} else {
			op.Responses["200"] = &huma.Response{Description: "OK", Content: schema(o.answer)}
		}
		item := new(huma.PathItem)
		if doc.Paths[op.Path] = item; o.method == http.MethodGet {
			item.Get = op
		} else {
			item.Post = op
		}
	}
}
