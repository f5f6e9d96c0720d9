package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/upstream"
)

// Why a row has no place where the gateway's policy is asked by verify.
const (
	whyEmpty   = "verify takes an empty key for none"
	whyOneKey  = "verify is shown one key"
	whyPlace   = "verify puts the key where the route looks for it"
	whyCookies = "of cookies, verify is told the key alone"
	whyFields  = "of fields, verify is told the key, the host and Origin alone"
	whyOrigins = "verify is told one Origin"
	whyBodies  = "verify is shown no body: its bound is the asker's, and a route that validates one refuses what it is not shown"
	whyShows   = "verify is told of no certificate"
	whyGuesses = "verify bounds guesses by itself, for all of its callers"
)

// Where keys of the table's routes are.
const (
	inHeader = "header"
	inCookie = "cookie"
	inBearer = "bearer"
	inBasic  = "basic"
)

// placeOf is where the route of a row looks for keys.
func placeOf(line string) string {
	_, path, _ := strings.Cut(line, " ")
	for prefix, place := range map[string]string{"/cookie/": inCookie, "/bearer/": inBearer, "/mixed/": inBearer, "/basic/": inBasic} {
		if strings.HasPrefix(path, prefix) {
			return place
		}
	}
	return inHeader
}

// A shownRequest is what verify can be told of the fields of a row.
type shownRequest struct {
	keys    []string // as rows have them: {NAME}, or a text
	origins []string
	why     string // why it cannot be told
}

// tell notes a field. place is where the route looks for keys.
func (u *shownRequest) tell(place, name, value string) {
	at, text := "", value
	switch strings.ToLower(name) {
	case "host":
		return
	case "origin":
		u.origins = append(u.origins, value)
		return
	case "x-api-key":
		at = inHeader
	case "cookie":
		var found bool
		if text, found = strings.CutPrefix(value, "__Host-api_key="); !found || strings.Contains(text, ";") {
			u.why = whyCookies
			return
		}
		at = inCookie
	case "authorization":
		scheme, credential, _ := strings.Cut(value, " ")
		switch {
		case strings.EqualFold(scheme, "Bearer"):
			at, text = inBearer, credential
		case strings.HasPrefix(credential, "{basic:") && credential != "{basic:no-colon}":
			at, text = inBasic, "{"+strings.TrimPrefix(credential, "{basic:")
		}
	default:
		u.why = whyFields
		return
	}
	u.keys = append(u.keys, text)
	if at != place {
		u.why = whyPlace
	}
}

// toldOf is what verify can be told of r.
func toldOf(r *policyRow) shownRequest {
	var u shownRequest
	for line := range strings.SplitSeq(r.head, "\r\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			u.tell(placeOf(r.line), name, strings.TrimSpace(value))
		}
	}
	_, path, _ := strings.Cut(r.line, " ")
	switch {
	case u.why == whyFields || u.why == whyCookies:
	case len(u.keys) == 1 && u.keys[0] == "":
		u.why = whyEmpty
	case len(u.keys) > 1:
		u.why = whyOneKey
	case len(u.origins) > 1:
		u.why = whyOrigins
	case r.over != "" && r.over != asNobody:
		u.why = whyShows
	case r.body != "" && (strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/small/")):
		u.why = whyBodies
	}
	return u
}

// byGateway is what the row wants of verify by the gateway's policy; false where it
// has no place.
func (r *policyRow) byGateway(area *policyArea) (want policyAnswer, why string, applies bool) {
	if area.name == "Guessing" {
		return want, whyGuesses, false
	}
	if u := toldOf(r); u.why != "" {
		return want, u.why, false
	}
	if why, unnamed := unaskable()[r.line]; unnamed {
		return policyAnswer{status: http.StatusBadRequest, problem: problem.InvalidInput, silent: true}, why, true
	}
	if strings.Contains(r.want.who, "hopper") { // who has a token
		want = r.want
		want.who = "hopper orders:read"
		return want, "the principal of a verdict is a key's: it has neither issuer nor subject", true
	}
	return r.want, "", true
}

// unaskable are lines that the admin API takes for no request at all.
func unaskable() map[string]string {
	const form = "what names no request is refused before it is judged"
	return map[string]string{"GET /any/a%2": form, "GET /any/a%zz": form, "GET /any/a#b": form, "OPTIONS *": form, "get /orders/1": form}
}

// judges is a service that asks about a request, by the policy of the gateway.
type judges struct {
	wires

	admin string // host:port
}

// use is what the service tells of a row.
func (j judges) use(r *policyRow, from string) keyservice.Use {
	method, target, host, _ := j.parts(r)
	u := toldOf(r)
	use := keyservice.Use{
		Gateway: true, Method: method, Target: r.scheme() + "://" + host + target, Address: netip.MustParseAddr(from).String(),
	}
	if len(u.keys) > 0 {
		use.Key = j.cast.say(u.keys[0])
	}
	if len(u.origins) > 0 {
		use.Origin = u.origins[0]
	}
	return use
}

// askVerify asks the admin API.
func askVerify(t *testing.T, admin string, use keyservice.Use) (status int, body []byte) {
	t.Helper()
	text, err := json.Marshal(use)
	if err != nil {
		t.Fatal(err)
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+admin+"/v1/keys:verify", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+policyToken)
	q.Header.Set("Content-Type", "application/json")
	w := do(t, q)
	if body, err = io.ReadAll(w.Body); err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, body
}

func (j judges) ask(t *testing.T, r *policyRow, from string, silent bool) (policyAnswer, http.Header) {
	t.Helper()
	use := j.use(r, from)
	status, body := askVerify(t, j.admin, use)
	if status != http.StatusOK {
		return policyAnswer{status: status, problem: problemOf(string(body)), silent: true}, nil
	}
	var verdict keyservice.Verdict
	if err := json.Unmarshal(body, &verdict); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	got := policyAnswer{status: verdict.Status, reason: verdict.Reason, passed: verdict.Valid}
	if logged := j.logged.reason(t, r.rule); !silent && logged != verdict.Reason { // once, and the same
		t.Errorf("%s: the log says %q, the verdict %q", r.rule, logged, verdict.Reason)
	}
	h := make(http.Header, len(verdict.Header))
	for name, value := range verdict.Header {
		h.Set(name, value)
	}
	if !verdict.Valid {
		if use.Method != http.MethodHead { // whose answers have no body
			got.problem = problem.Type(verdict.Problem)
		}
		return got, h
	}
	if p := verdict.Principal; p != nil {
		identity := make(http.Header)
		upstream.SetIdentity(identity, &exchange.Principal{KeyID: p.ID, Owner: p.Owner, Scopes: exchange.PatternScopes(p.Scopes...)})
		got.who = identityIn(identity, j.cast)
	}
	return got, h
}
