package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// An aim is a request for an operation that is taken, about something of its own: what
// is hostile is put into it.
type aim struct {
	o      *besiegedOperation
	path   string         // with the id in it
	body   map[string]any // nil for none
	fields []string
	state  string // the ETag of what it is about; "" for none
}

// A subject is what operations are about.
type subject struct{ id, text, state string }

// made creates a subject.
func (b *besieged) made(t *testing.T, path string, body map[string]any) subject {
	t.Helper()
	o := &besiegedOperation{ID: path, method: http.MethodPost, path: path}
	answer := b.send(t, o, path, jsonOf(t, body))
	var got struct {
		ID     string
		Key    struct{ ID string }
		Person struct{ ID string }
		Text   string
	}
	if err := json.Unmarshal([]byte(answer.text), &got); answer.status != http.StatusCreated || err != nil {
		t.Fatalf("%s: %d %s", path, answer.status, answer.text)
	}
	return subject{got.ID + got.Key.ID + got.Person.ID, got.Text, answer.header.Get("Etag")}
}

func (b *besieged) newKey(t *testing.T) subject {
	t.Helper()
	return b.made(t, "/v1/keys", map[string]any{"name": "subject", "owner": "acme", "scopes": []string{"orders:read"}})
}

// makers make what operations are about, by the beginning of their paths.
func makers() map[string]func(t *testing.T, b *besieged) subject {
	return map[string]func(t *testing.T, b *besieged) subject{
		"/v1/keys/{id}": func(t *testing.T, b *besieged) subject { t.Helper(); return b.newKey(t) },
		"/v1/people/{id}": func(t *testing.T, b *besieged) subject {
			t.Helper()
			return b.made(t, "/v1/people", map[string]any{"name": newWord(), "role": "developer", "anywhere": true})
		},
		"/v1/portalLinks/{id}": func(t *testing.T, b *besieged) subject {
			t.Helper()
			return b.made(t, "/v1/portalLinks", map[string]any{"owner": newWord()})
		},
		"/v1/adminKeys/{id}": func(t *testing.T, b *besieged) subject {
			t.Helper()
			return b.made(t, "/v1/adminKeys", map[string]any{"name": newWord(), "role": "developer"})
		},
		"/v1/limits/{name}":  func(*testing.T, *besieged) subject { return subject{id: "few"} },
		"/v1/openapi/{name}": func(*testing.T, *besieged) subject { return subject{id: "api"} },
	}
}

// known reports whether it is known what o is about.
func (o *besiegedOperation) known() bool {
	rest := o.path
	for path := range makers() {
		rest = strings.TrimPrefix(rest, path)
	}
	return !strings.Contains(rest, "{")
}

// about makes what an operation is about: a key, if its path does not say.
func (b *besieged) about(t *testing.T, o *besiegedOperation) subject {
	t.Helper()
	for path, made := range makers() {
		if strings.HasPrefix(o.path, path) {
			return made(t, b)
		}
	}
	if o.own() || o.RequestBody == nil && !o.takes("key") {
		return subject{}
	}
	return b.newKey(t)
}

// aim returns a request for o that is taken.
func (b *besieged) aim(t *testing.T, o *besiegedOperation) *aim {
	t.Helper()
	s := b.about(t, o)
	a := &aim{o: o, path: strings.NewReplacer("{id}", s.id, "{name}", s.id).Replace(o.path), state: s.state}
	if o.takes("If-Match") {
		a.fields = append(a.fields, "If-Match", "*")
	}
	if o.RequestBody != nil {
		a.body = map[string]any{}
		if example, ok := o.RequestBody.Content["application/json"].Example.(map[string]any); ok {
			if err := json.Unmarshal([]byte(strings.NewReplacer(`wrd_live_7HqLk2mVxWcP...`, s.text, `7HqLk2mVxWcP`, s.id).Replace(string(jsonOf(t, example)))), &a.body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if prepare := preparations()[o.ID]; prepare != nil {
		prepare(t, b, a, s)
	}
	return a
}

// preparations are what an operation wants beside the document's own example.
func preparations() map[string]func(t *testing.T, b *besieged, a *aim, s subject) {
	post := func(t *testing.T, b *besieged, s subject, path string, body map[string]any) {
		t.Helper()
		if answer := b.send(t, &besiegedOperation{ID: path, method: http.MethodPost, path: path}, strings.Replace(path, "{id}", s.id, 1), jsonOf(t, body)); answer.status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, answer.status, answer.text)
		}
	}
	recorded := func(t *testing.T, b *besieged, a *aim, _ subject) {
		t.Helper()
		a.path += "?owner=" + url.QueryEscape(newWord())
		put := &besiegedOperation{ID: "putOwner", method: http.MethodPut, path: "/v1/owners/record"}
		answer := b.send(t, put, a.path, []byte("{}"))
		if answer.status != http.StatusCreated {
			t.Fatalf("%s: %d %s", a.path, answer.status, answer.text)
		}
		a.state = answer.header.Get("Etag")
	}
	return map[string]func(t *testing.T, b *besieged, a *aim, s subject){
		"getOwner": recorded, "putOwner": recorded, "deleteOwner": recorded,
		"createPortalLink": func(_ *testing.T, _ *besieged, a *aim, _ subject) { a.body["owner"] = newWord() }, // who has only so many at once
		"createPerson":     func(_ *testing.T, _ *besieged, a *aim, _ subject) { a.body["name"] = newWord() },
		"getCredits": func(t *testing.T, b *besieged, a *aim, s subject) {
			t.Helper()
			post(t, b, s, "/v1/credits:set", map[string]any{"key": s.id, "credits": 5})
			a.path += "?key=" + s.id
		},
		"grantCredits": func(t *testing.T, b *besieged, _ *aim, s subject) {
			t.Helper()
			post(t, b, s, "/v1/credits:set", map[string]any{"key": s.id, "credits": 5})
		},
		"setRefill": func(t *testing.T, b *besieged, _ *aim, s subject) {
			t.Helper()
			post(t, b, s, "/v1/credits:set", map[string]any{"key": s.id, "credits": 5})
		},
		"endOverlap": func(t *testing.T, b *besieged, a *aim, s subject) {
			t.Helper()
			post(t, b, s, "/v1/keys/{id}:roll", map[string]any{"overlap": "1h"})
			a.state = ""
		},
		"importKeys": func(_ *testing.T, _ *besieged, a *aim, _ subject) {
			a.body["entries"] = []any{map[string]any{"number": len(a.path) + int(numberOf(newWord())), "key": "imported-" + newWord()}}
		},
		"login":      func(_ *testing.T, _ *besieged, a *aim, _ subject) { a.body["password"] = hostilePassword },
		"loginFresh": func(_ *testing.T, _ *besieged, a *aim, _ subject) { a.body["password"] = hostilePassword },
		"enrolFactor": func(t *testing.T, b *besieged, a *aim, _ subject) {
			t.Helper()
			var offered struct{ Offer string }
			answer := b.send(t, &besiegedOperation{ID: "offerFactor", method: http.MethodPost, path: "/v1/account/factor"}, "/v1/account/factor", []byte("{}"))
			if err := json.Unmarshal([]byte(answer.text), &offered); err != nil || offered.Offer == "" {
				t.Fatalf("offerFactor: %d %s", answer.status, answer.text)
			}
			a.body["offer"] = offered.Offer
		},
		"watchDecisions": func(_ *testing.T, _ *besieged, a *aim, _ subject) { a.path += "?for=1ms" }, // else it has no end
		"changePassword": func(_ *testing.T, _ *besieged, a *aim, _ subject) { a.body["old"] = "another password" },
	}
}

// numberOf is a number that a word stands for.
func numberOf(w string) (n int64) {
	for _, r := range w[:6] {
		n = n*30 + int64(r)%30
	}
	return n
}

// reached are the operations whose own request is refused, with how: none of them can be
// asked for with success more than once.
func reached() map[string][]int {
	return map[string][]int{
		"loginFactor":     {http.StatusUnauthorized}, // the ticket is none
		"loginFresh":      {http.StatusUnauthorized}, // the code is none
		"changePassword":  {http.StatusUnauthorized}, // the old one is wrong
		"enrolFactor":     {http.StatusUnauthorized}, // the code is none
		"reduceKey":       {http.StatusConflict},     // nobody has used the key yet
		"confirmDocument": {http.StatusConflict},     // no document waits
		"shadowReport":    {http.StatusConflict},     // there is none
		"lookAtLink":      {http.StatusGone},
		"setUp":           {http.StatusGone},
		"logout":          {http.StatusForbidden}, // it is asked for from elsewhere, so that the session stays
	}
}

// reach asks for o as it is meant to be, and says what is missing when that is not
// taken: what is not taken at all shows nothing by being refused.
func (b *besieged) reach(t *testing.T, o *besiegedOperation) string {
	t.Helper()
	if !o.known() {
		return "nobody knows what " + o.path + " is about: tell it in makers()"
	}
	a := b.aim(t, o)
	var fields []string
	if o.ID == "logout" {
		fields = []string{"Sec-Fetch-Site", "cross-site"}
	}
	answer := b.send(t, o, a.path, a.text(t), append(fields, a.fields...)...)
	if want := reached()[o.ID]; slices.Contains(want, answer.status) || want == nil && answer.status/100 == 2 {
		return ""
	}
	return fmt.Sprintf("it is answered %d %.300s: tell what it wants in preparations()", answer.status, answer.text)
}

// text is the body; nil for none.
func (a *aim) text(t *testing.T) []byte {
	t.Helper()
	if a.body == nil {
		return nil
	}
	return jsonOf(t, a.body)
}

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
