package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/golden"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/upstream"
)

// A policyFront is a way in to the one policy.
type policyFront string

// The ways in. Of the proxies, nginx, Caddy and HAProxy run for real with the
// guide's configuration; what Traefik sends, and Caddy by its plain directive, is
// replayed byte by byte; Envoy is a client of its official protocol.
const (
	atLibrary policyFront = "library"
	atGateway policyFront = "gateway"
	atNginx   policyFront = "nginx"
	atCaddy   policyFront = "Caddy"
	atHAProxy policyFront = "HAProxy"
	atPlain   policyFront = "Caddy's directive"
	atTraefik policyFront = "Traefik"
	atEnvoy   policyFront = "Envoy"
	atVerify  policyFront = "verify by key"
	atJudge   policyFront = "verify"
)

// policyFronts are all of them, in the order of the page.
func policyFronts() []policyFront {
	return []policyFront{atLibrary, atGateway, atNginx, atCaddy, atHAProxy, atPlain, atTraefik, atEnvoy, atJudge, atVerify}
}

// askers are those that only decide: a proxy forwards, or there is none.
func askers() []policyFront {
	return []policyFront{atNginx, atCaddy, atHAProxy, atPlain, atTraefik, atEnvoy}
}

// A policyAnswer is what comes of a request at a front.
type policyAnswer struct {
	status  int          // 200 for every pass
	problem problem.Type // "" with a pass and where the answer has no body
	reason  string       // of warder's own log; "" with a pass
	who     string       // whom the upstream is told; "" for nobody
	passed  bool         // it reached the upstream, or may
	silent  bool         // warder was not asked: the proxy answered by itself
}

func (a policyAnswer) String() string {
	parts := []string{fmt.Sprint(a.status)}
	for _, part := range []string{string(a.problem), a.reason, a.who} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if a.silent {
		parts = append(parts, "by the proxy itself")
	}
	return strings.Join(parts, " ")
}

// A policyRow is one rule of the table.
type policyRow struct {
	rule string // what it shows
	id   string // the attack that it is; "" for none
	line string // method and target
	head string // fields, each with its line end; {NAME} is a credential of the cast
	want policyAnswer

	over   string // the client's certificate, for https: one of those of newSecurity; "" for plain HTTP
	from   string // address of the client; "" for that of its area
	body   string
	before int // how many equal requests come first
	first  int // their status; 200 unless it is given

	use    *keyservice.Use             // what verify is shown, with the name of the key; nil where it has no place
	absent map[policyFront]string      // the fronts that the rule is not for, and why
	other  map[policyFront]policyOther // fronts with a rendering of their own
}

// A policyOther is the documented difference of a front.
type policyOther struct {
	answer policyAnswer
	why    string
}

// A policyArea is rows that share why verify has no place where it has none.
type policyArea struct {
	name   string
	client string // address
	verify string // why a row that shows verify nothing has no place there
	rows   []policyRow
}

// A policyChange is more of a row.
type policyChange func(r *policyRow)

func rule(name, line, head string, want policyAnswer, changes ...policyChange) policyRow {
	r := policyRow{rule: name, line: line, head: head, want: want, first: http.StatusOK}
	for _, change := range changes {
		change(&r)
	}
	return r
}

// passes is a request that reaches the upstream, which is told of who.
func passes(who string) policyAnswer {
	return policyAnswer{status: http.StatusOK, who: who, passed: true}
}

// refuses is a problem, and the word of the log for why.
func refuses(kind problem.Type, reason string) policyAnswer {
	return policyAnswer{status: kind.Status(), problem: kind, reason: reason}
}

// answered is what a stage answers by itself.
func answered(status int, reason string) policyAnswer {
	return policyAnswer{status: status, reason: reason}
}

func client(address string) policyChange { return func(r *policyRow) { r.from = address } }

func sends(body string) policyChange { return func(r *policyRow) { r.body = body } }

// repeated has n requests come first, each answered with the status.
func repeated(n, status int) policyChange {
	return func(r *policyRow) { r.before, r.first = n, status }
}

// shows has verify judge the use as well.
func shows(use keyservice.Use) policyChange { return func(r *policyRow) { r.use = &use } }

// shown is the use of a key where an operation wants scopes.
func shown(key string, scopes ...string) policyChange {
	return shows(keyservice.Use{Key: key, Scopes: scopes})
}

// not says that the rule is not for some fronts.
func not(why string, fronts ...policyFront) policyChange {
	return func(r *policyRow) {
		if r.absent == nil {
			r.absent = make(map[policyFront]string)
		}
		for _, front := range fronts {
			r.absent[front] = why
		}
	}
}

// but says how some fronts render the answer.
func but(answer policyAnswer, why string, fronts ...policyFront) policyChange {
	return func(r *policyRow) {
		if r.other == nil {
			r.other = make(map[policyFront]policyOther)
		}
		for _, front := range fronts {
			r.other[front] = policyOther{answer, why}
		}
	}
}

// itself says that a proxy refuses by itself, before it asks.
func itself(status int, why string, fronts ...policyFront) policyChange {
	return but(policyAnswer{status: status, silent: true}, why, fronts...)
}

// at is what the row wants at a front; false where it has no place.
func (r *policyRow) at(front policyFront, area *policyArea) (want policyAnswer, why string, applies bool) {
	if why, absent := r.absent[front]; absent {
		return want, why, false
	}
	if front == atJudge {
		return r.byGateway(area)
	}
	if front == atVerify && r.use == nil {
		return want, area.verify, false
	}
	if other, found := r.other[front]; found {
		return other.answer, other.why, true
	}
	return r.want, "", true
}

// A policyDriver asks through one front.
type policyDriver interface {
	// ask sends the request of a row once, for the client at the address, and returns
	// what comes of it, with the fields that the client reads. silent: warder is not
	// asked, so that there is no record to wait for.
	ask(t *testing.T, r *policyRow, from string, silent bool) (policyAnswer, http.Header)
	// idle fails the test when something was judged, or reached the upstream, that no
	// row asked for.
	idle(t *testing.T)
}

// TestOnePolicyThroughEveryFront asks the same questions through every way in, and
// writes the page of the answers.
func TestOnePolicyThroughEveryFront(t *testing.T) {
	areas := policyAreas()
	seen, n := map[string]bool{}, 0
	for _, area := range areas {
		for i := range area.rows {
			if name := area.name + ": " + area.rows[i].rule; seen[name] {
				t.Errorf("two rows are called %q", name)
			} else {
				seen[name] = true
			}
			n++
		}
	}
	if n < 200 {
		t.Errorf("the table has %d rows, want 200 at least", n)
	}
	told := newToldFields()
	for _, front := range policyFronts() {
		t.Run(string(front), func(t *testing.T) {
			d := policyDriverOf(t, front)
			for i := range areas {
				askArea(t, d, front, told, &areas[i])
			}
			d.idle(t)
		})
	}
	if !t.Failed() {
		told.compare(t)
	}
	if t.Failed() {
		return // the page says what held
	}
	t.Run("page", func(t *testing.T) {
		golden.Compare(t, "../../docs/fronts.md", policyPage(append(areas, secureAreas()...)))
	})
}

// askRow asks about a row at a front.
func askRow(t *testing.T, d policyDriver, front policyFront, told *toldFields, area *policyArea, r *policyRow) {
	t.Helper()
	want, _, applies := r.at(front, area)
	if !applies {
		return
	}
	from := r.from
	if from == "" {
		from = area.client
	}
	for i := range r.before {
		if got, _ := d.ask(t, r, from, false); got.status != r.first {
			t.Errorf("%s: %s: request %d of those before: %s, want %d", area.name, r.rule, i+1, got, r.first)
		}
	}
	got, h := d.ask(t, r, from, want.silent)
	if got != want {
		t.Errorf("%s: %s:\n\tgot  %s\n\twant %s", area.name, r.rule, got, want)
	}
	if !got.silent {
		told.note(front, area.name+": "+r.rule, got, h)
	}
}

// records are lines of an access log, whole ones as they come.
type records chan string

func newRecords() records { return make(records, 1<<10) }

func (r records) Write(p []byte) (int, error) {
	r <- string(p)
	return len(p), nil
}

// reason waits for the record of one request, and returns its word; "" for a pass.
func (r records) reason(t *testing.T, rule string) string {
	t.Helper()
	select {
	case line := <-r:
		var record struct {
			Reason string `json:"reason"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		return record.Reason
	case <-time.After(patience):
		t.Errorf("%s: warder judged nothing", rule)
		return ""
	}
}

// none fails the test when there is a record that nobody waited for.
func (r records) none(t *testing.T) {
	t.Helper()
	for {
		select {
		case line := <-r:
			t.Errorf("judged and not expected: %s", line)
		default:
			return
		}
	}
}

// problemOf reads the type of a problem; "" for any other body.
func problemOf(body string) problem.Type {
	var told struct {
		Type string `json:"type"`
	}
	if json.Unmarshal([]byte(body), &told) != nil {
		return ""
	}
	_, kind, _ := strings.Cut(told.Type, "#")
	return problem.Type(kind)
}

// identityIn names whom fields tell of, as rows have it: keys by their names in the
// cast. It looks at X-Warder- fields by whatever spelling.
func identityIn(h http.Header, cast *cast) string {
	var parts []string
	for _, name := range []string{"Key-Id", "Issuer", "Subject", "Owner", "Scopes"} {
		values := h["X-Warder-"+name]
		if len(values) == 0 || len(values) == 1 && values[0] == "" {
			continue
		}
		text := strings.Join(values, "|")
		if name == "Key-Id" {
			text = cast.nameOf(text)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// settled makes one sort of a pass of every answer whose request arrived, and fails
// on what an upstream must not see.
func settled(t *testing.T, a policyAnswer, arrived []arrival, r *policyRow, cast *cast) policyAnswer {
	t.Helper()
	switch {
	case len(arrived) > 1:
		t.Errorf("%s: %d requests reached the upstream", r.rule, len(arrived))
	case len(arrived) == 1 && (a.status == http.StatusOK || a.status == http.StatusSwitchingProtocols):
		a = policyAnswer{status: http.StatusOK, who: identityIn(arrived[0].header, cast), passed: true, silent: a.silent}
		method, target, _ := strings.Cut(r.line, " ")
		if arrived[0].method != method || !sameTarget(arrived[0].target, target) {
			t.Errorf("%s: the upstream was asked for %s %s", r.rule, arrived[0].method, arrived[0].target)
		}
		for _, text := range arrived[0].secrets(cast) {
			t.Errorf("%s: the upstream read the credential %s", r.rule, text)
		}
	case len(arrived) == 1:
		t.Errorf("%s: %d, and the upstream was asked", r.rule, a.status)
	}
	return a
}

// An arrival is a request that an upstream read.
type arrival struct {
	method, target string
	header         http.Header
}

// secrets are the names of the cast's credentials that arrived outside of a cookie,
// which a proxy passes on as the guide says. A token against forgery is none.
func (a arrival) secrets(c *cast) (names []string) {
	for field, values := range a.header {
		if strings.Contains(strings.ToLower(field), "warder") && !slices.Contains(upstream.IdentityFields(), field) {
			names = append(names, field)
		}
		for _, value := range values {
			for name, text := range c.texts {
				if field != "Cookie" && name != "csrf" && len(text) > 20 && strings.Contains(value, text) {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}
