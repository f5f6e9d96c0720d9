package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
)

// An ownDocument is as much of the document as its answers are compared with.
type ownDocument struct {
	Paths map[string]map[string]struct {
		ID          string                       `json:"operationId"`
		RequestBody struct{ Content ownContent } `json:"requestBody"`
		Responses   map[string]struct {
			Content ownContent `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]ownShape `json:"schemas"`
	} `json:"components"`
}

type ownContent map[string]struct{ Schema ownShape }

type ownShape struct {
	Ref        string              `json:"$ref"`
	Properties map[string]ownShape `json:"properties"`
	Required   []string            `json:"required"`
}

// fits reports where members are not what s says.
func (d *ownDocument) fits(t *testing.T, what string, s ownShape, members map[string]any) {
	t.Helper()
	if s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	for name, value := range members {
		property, ok := s.Properties[name]
		if !ok {
			t.Errorf("%s has the member %s, which the document does not", what, name)
		} else if inner, ok := value.(map[string]any); ok {
			d.fits(t, what+"."+name, property, inner)
		}
	}
	for _, name := range s.Required {
		if _, ok := members[name]; !ok {
			t.Errorf("%s lacks %s, which the document requires", what, name)
		}
	}
}

// An ownBrowser is a browser at the admin listener.
type ownBrowser struct {
	p      *program
	doc    *ownDocument
	cookie string
	asked  map[string]bool // paths
}

// ask sends a body, and compares it and the answer with the document.
func (v *ownBrowser) ask(t *testing.T, method, path string, body map[string]any, status int) map[string]any {
	t.Helper()
	v.asked[path] = true
	o := v.doc.Paths["/v1/account/"+path][strings.ToLower(method)]
	var text []byte
	if body != nil {
		v.doc.fits(t, "the body of "+o.ID, o.RequestBody.Content["application/json"].Schema, body)
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+v.p.admin+"/v1/account/"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Cookie", login.Cookie+"="+v.cookie)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		v.cookie = c.Value
	}
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != status {
		t.Fatalf("%s: %d %s, want %d", path, answer.StatusCode, all, status)
	}
	members := map[string]any{}
	if len(all) > 0 {
		if err := json.Unmarshal(all, &members); err != nil {
			t.Fatal(err)
		}
		v.doc.fits(t, "the answer to "+o.ID, o.Responses["200"].Content["application/json"].Schema, members)
	} else if _, ok := o.Responses["204"]; !ok {
		t.Errorf("%s answers with nothing, which the document does not say", path)
	}
	return members
}

// patternsOfOwn are those that account/login serves.
func patternsOfOwn(t *testing.T, p *program) []string {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	memory, err := session.NewMemoryStore(0)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := login.NewSessions(memory, log)
	if err != nil {
		t.Fatal(err)
	}
	people, err := account.New(account.Config{Store: p.accounts, Hash: login.Hash, Sealer: p.peppers})
	if err != nil {
		t.Fatal(err)
	}
	door, err := login.New(login.Config{People: people, Sessions: sessions, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := login.NewKeys(login.KeysConfig{Store: p.accounts, Peppers: p.peppers})
	if err != nil {
		t.Fatal(err)
	}
	routes, err := login.NewRoutes(door, keys, "/v1/account")
	if err = errors.Join(err, keys.Close()); err != nil {
		t.Fatal(err)
	}
	return routes.Patterns()
}

func codeOf(t *testing.T, offer map[string]any) string {
	t.Helper()
	text, _ := offer["secret"].(string)
	code, err := account.Code(secret.New(text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// What the document says of a person's own affairs is what is served: each operation,
// with bodies and answers.
func TestTheDocumentOfOnesOwn(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	const token = "ADMINTOKENADMINTOKENADMINTOKEN"
	p := start(t, upstream.URL(), settings{token: secret.New(token)})
	v := &ownBrowser{p: p, doc: new(ownDocument), asked: map[string]bool{}}
	_, text := p.askAdmin(t, token, http.MethodGet, "/openapi.json", nil)
	if err := json.Unmarshal([]byte(text), v.doc); err != nil {
		t.Fatal(err)
	}
	status, text := p.askAdmin(t, token, http.MethodPost, "/v1/people", map[string]any{"name": "ada", "role": "owner", "anywhere": true})
	if status != http.StatusCreated {
		t.Fatalf("invite: %d %s", status, text)
	}
	var invited struct{ Link string }
	if err := json.Unmarshal([]byte(text), &invited); err != nil {
		t.Fatal(err)
	}
	const first, second = "seven quiet otters", "eight quiet otters"
	offer := v.ask(t, "POST", "setup", map[string]any{"link": invited.Link}, 200)
	set := v.ask(t, "POST", "setup/finish", map[string]any{"link": invited.Link, "password": first, "offer": offer["offer"], "code": codeOf(t, offer)}, 200)
	codes, _ := set["recovery_codes"].([]any)
	ticket := v.ask(t, "POST", "login", map[string]any{"name": "ada", "password": first}, 200)
	v.ask(t, "POST", "login/factor", map[string]any{"ticket": ticket["ticket"], "recovery_code": codes[0]}, 200)
	v.ask(t, "GET", "me", nil, 200)
	v.ask(t, "POST", "login/fresh", map[string]any{"password": first, "recovery_code": codes[1]}, 200)
	v.ask(t, "POST", "recovery-codes", map[string]any{}, 200)
	offer = v.ask(t, "POST", "factor", map[string]any{}, 200)
	v.ask(t, "POST", "factor/enrol", map[string]any{"offer": offer["offer"], "code": codeOf(t, offer)}, 200)
	v.ask(t, "POST", "password", map[string]any{"old": first, "password": second}, 200)
	v.ask(t, "POST", "logout", nil, 204)

	var has, served []string
	for path, operations := range v.doc.Paths {
		if own, ok := strings.CutPrefix(path, "/v1/account/"); ok {
			has = append(has, own)
			for method := range operations {
				served = append(served, strings.ToUpper(method)+" "+path)
			}
		}
	}
	if asked := slices.Sorted(maps.Keys(v.asked)); !slices.Equal(slices.Sorted(slices.Values(has)), asked) {
		t.Errorf("the document has %q, and tried are %q", has, asked)
	}
	if got := patternsOfOwn(t, p); !slices.Equal(slices.Sorted(slices.Values(served)), got) {
		t.Errorf("the document has %q, and served are %q", served, got)
	}
}
