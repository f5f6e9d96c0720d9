package server_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/hostile"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

// hostileToken is the admin token of the program that is attacked, and hostilePassword
// that of its owner.
const hostileToken, hostilePassword = "ADMINTOKENADMINTOKENADMINTOKEN", "seven quiet otters"

// A besieged program is a whole warder whose admin operations are attacked: what they
// are is read from its own document, and what they write from its database.
type besieged struct {
	*program
	document besiegedDocument
	client   *http.Client
	vault    *vault
	cookie   string
	texts    int // how many of the hostile texts were sent
	unseen   int // and of those that are not seen
	requests int
}

// A besiegedDocument is as much of the document as requests are made of.
type besiegedDocument struct {
	Paths      map[string]map[string]*besiegedOperation `json:"paths"`
	Components struct {
		Schemas map[string]*form `json:"schemas"`
	} `json:"components"`
}

// A besiegedOperation is one of the document.
type besiegedOperation struct {
	ID         string `json:"operationId"`
	Parameters []struct {
		Name   string `json:"name"`
		In     string `json:"in"`
		Schema *form  `json:"schema"`
	} `json:"parameters"`
	RequestBody *struct {
		Content map[string]struct {
			Schema  *form `json:"schema"`
			Example any   `json:"example"`
		} `json:"content"`
	} `json:"requestBody"`

	Responses map[string]json.RawMessage `json:"responses"`

	method, path string
}

// takes reports whether the operation has the parameter.
func (o *besiegedOperation) takes(name string) bool {
	for _, p := range o.Parameters {
		if p.Name == name {
			return true
		}
	}
	return false
}

// own reports whether it is one of those that a person does with itself.
func (o *besiegedOperation) own() bool { return strings.HasPrefix(o.path, "/v1/account/") }

// besiege starts the program, with a database that open opens, and lets an owner log in.
func besiege(t *testing.T, open func(t *testing.T) (*vault, func(*server.Options))) *besieged {
	t.Helper()
	rows, options := open(t)
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	// What is too long is refused before it is sent, so that no answer is lost with a
	// connection that ends while it is written to.
	b := &besieged{vault: rows, client: &http.Client{Transport: &http.Transport{ExpectContinueTimeout: patience}}}
	document := filepath.Join(t.TempDir(), "openapi.json")
	writeDocument(t, document, described(`"/documented": {"get": {}}`))
	b.program = start(t, upstream.URL(), settings{
		token: secret.New(hostileToken), options: options,
		yaml: "tokens: {issuer: \"https://api.example.com\"}\nkeys: {legacy_formats: [text]}\nportal: {listen: \"127.0.0.1:0\", url: \"http://127.0.0.1:8083\", return_urls: [\"https://app.example.com/settings\"]}\nlisteners: {internal: {listen: \"127.0.0.1:0\"}}\nroutes:\n  - {match: /, upstream: api}\nrate_limits: {few: {count: 100, per: 1h, by: [key]}}\nopenapi_documents: [{document: '" + document + "', upstream: api}]\n",
	})
	t.Cleanup(b.client.CloseIdleConnections)
	if rows.db == nil {
		rows.open(t, "sqlite", "file:"+filepath.Join(b.folder, "warder.db")+"?mode=ro&_pragma=busy_timeout(60000)")
	}
	if err := json.Unmarshal([]byte(b.send(t, &besiegedOperation{method: http.MethodGet}, "/openapi.json", nil).text), &b.document); err != nil {
		t.Fatal(err)
	}
	b.logIn(t)
	return b
}

// operations are those of the document, in its order.
func (b *besieged) operations(t *testing.T) (all []*besiegedOperation) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(b.document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(b.document.Paths[path])) {
			o := b.document.Paths[path][method]
			o.method, o.path = strings.ToUpper(method), path
			all = append(all, o)
		}
	}
	if len(all) < 40 {
		t.Fatalf("the document has %d operations", len(all))
	}
	return all
}

// logIn makes an owner, with a second factor, whose login is fresh.
func (b *besieged) logIn(t *testing.T) {
	t.Helper()
	v := &ownBrowser{p: b.program, doc: new(ownDocument), asked: map[string]bool{}}
	if err := json.Unmarshal([]byte(b.send(t, &besiegedOperation{method: http.MethodGet}, "/openapi.json", nil).text), v.doc); err != nil {
		t.Fatal(err)
	}
	status, text := b.askAdmin(t, hostileToken, http.MethodPost, "/v1/people", map[string]any{"name": "ada", "role": "owner", "anywhere": true})
	var invited struct{ Link string }
	if err := json.Unmarshal([]byte(text), &invited); status != http.StatusCreated || err != nil {
		t.Fatalf("invite: %d %s", status, text)
	}
	offer := v.ask(t, "POST", "setup", map[string]any{"link": invited.Link}, 200)
	set := v.ask(t, "POST", "setup/finish", map[string]any{"link": invited.Link, "password": hostilePassword, "offer": offer["offer"], "code": codeOf(t, offer)}, 200)
	codes, _ := set["recovery_codes"].([]any)
	ticket := v.ask(t, "POST", "login", map[string]any{"name": "ada", "password": hostilePassword}, 200)
	v.ask(t, "POST", "login/factor", map[string]any{"ticket": ticket["ticket"], "recovery_code": codes[0]}, 200)
	b.cookie = v.cookie
}

// A reply is what an operation answered.
type reply struct {
	status int
	header http.Header
	text   string
}

// send asks for an operation at a path, which may have a query, with more fields (name,
// value, ...), of which one may be there twice.
func (b *besieged) send(t *testing.T, o *besiegedOperation, path string, body []byte, fields ...string) reply {
	t.Helper()
	var sent io.Reader = http.NoBody
	if body != nil {
		sent = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), o.method, "http://"+b.admin+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	if o.own() {
		r.Header.Set("Cookie", login.Cookie+"="+b.cookie)
	} else {
		r.Header.Set("Authorization", "Bearer "+hostileToken)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if len(body) > 64<<10 {
		r.Header.Set("Expect", "100-continue")
	}
	set := map[string]bool{}
	for i := 0; i < len(fields); i += 2 {
		if !set[fields[i]] {
			r.Header.Del(fields[i])
		}
		set[fields[i]] = true
		r.Header.Add(fields[i], fields[i+1])
	}
	b.requests++
	answer, err := b.client.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", o.ID, err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s: %v", o.ID, err)
	}
	return reply{answer.StatusCode, answer.Header, string(all)}
}

// fields are those that a problem names.
func (a reply) fields(t *testing.T, what string) (names []string) {
	t.Helper()
	var p struct {
		Type   string
		Title  string
		Status int
		Detail string
		Errors []struct{ Field string }
	}
	err := json.Unmarshal([]byte(a.text), &p)
	if err != nil || p.Type == "" || p.Title == "" || p.Status != a.status || a.header.Get("Content-Type") != "application/problem+json" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %d %.300q as %s, Cache-Control %q (%v), want problem details", what, a.status, a.text, a.header.Get("Content-Type"), a.header.Get("Cache-Control"), err)
	}
	for _, e := range p.Errors {
		names = append(names, e.Field)
	}
	for part := range strings.SplitSeq(p.Detail, "; ") { // as account/login has them
		if name, _, ok := strings.Cut(part, ": "); ok {
			names = append(names, name)
		}
	}
	return names
}

// A wanted says how a request is refused: with one of the statuses, naming one of the
// fields, if there are any.
type wanted struct {
	statuses []int
	fields   []string
}

// refused reports an answer that is no refusal as it is wanted.
func (a reply) refused(t *testing.T, what string, w wanted) {
	t.Helper()
	if !slices.Contains(w.statuses, a.status) {
		t.Errorf("%s: %d %.300s, want %d", what, a.status, a.text, w.statuses)
		return
	}
	named := a.fields(t, what)
	if len(w.fields) > 0 && !slices.ContainsFunc(w.fields, func(f string) bool { return slices.Contains(named, f) }) {
		t.Errorf("%s: %d %.300s, want it to name %q", what, a.status, a.text, w.fields)
	}
}

// unwritten runs attacks, one after the other, and reports what they have written, and
// during which.
func (b *besieged) unwritten(t *testing.T, attacks map[string]func()) {
	t.Helper()
	before, _ := b.vault.stored(t)
	var suspects []string // the program itself writes now and then
	for _, name := range slices.Sorted(maps.Keys(attacks)) {
		version := b.vault.version(t)
		attacks[name]()
		if b.vault.version(t) != version {
			suspects = append(suspects, name)
		}
	}
	after, _ := b.vault.stored(t)
	for name, digest := range after {
		if digest != before[name] {
			t.Errorf("what was refused has changed %s; something was written during %q", name, suspects)
		}
	}
	if len(before) != len(after) {
		t.Errorf("there were %d tables, and are %d", len(before), len(after))
	}
}

// next are n of the hostile texts, other ones each time.
func (b *besieged) next(n int) (some []string) {
	all := slices.Concat(hostile.Statements(), hostile.Templates())
	for range n {
		some = append(some, all[b.texts%len(all)])
		b.texts++
	}
	return some
}

// nextUnseen are n of the texts that are not seen as what they are, others each time.
func (b *besieged) nextUnseen(n int) (some []string) {
	all := hostile.Unseen()
	for range n {
		some = append(some, all[b.unseen%len(all)])
		b.unseen++
	}
	return some
}

// TestHostileInput sends to every operation of the admin API's document, to each
// parameter, field and member, what is not to be taken: it is refused as a problem that
// names it, and no row of the database is another one afterwards. What is a text like
// any other is kept as one.
func TestHostileInput(t *testing.T) {
	b := besiege(t, onSQLite)
	operations := b.operations(t)
	t.Run("every operation is reached", func(t *testing.T) {
		for _, o := range operations {
			if missing := b.reach(t, o); missing != "" {
				t.Errorf("the table of hostile inputs does not reach %s: %s", o.ID, missing)
			}
		}
		for _, planted := range []*besiegedOperation{
			{ID: "a path that is not served", method: http.MethodPost, path: "/v1/planted"},
			{ID: "a subject that nobody knows", method: http.MethodGet, path: "/v1/planted/{id}"},
			{ID: "a body that is missing", method: http.MethodPost, path: "/v1/people"},
		} {
			if b.reach(t, planted) == "" {
				t.Errorf("%s: nobody notices that the table does not reach it", planted.ID)
			}
		}
	})
	for _, family := range []struct {
		id  string
		run func(t *testing.T, o *besiegedOperation, a *aim)
	}{
		{"SQL-06", b.unreadable},
		{"ADMIN-05", b.foreignMembers},
		{"ADMIN-09", b.wrongBodies},
		{"ADMIN-15", b.wrongParameters},
		{"ADMIN-07", b.staleStates},
	} {
		attack.Case(t, family.id, attack.Admin, func(t *testing.T) {
			attacks := map[string]func(){}
			for _, o := range operations {
				a := b.aim(t, o)
				attacks[o.ID] = func() { family.run(t, o, a) }
			}
			b.unwritten(t, attacks)
		})
	}
	attack.Case(t, "SQL-06", attack.Admin, b.tooLongHead)
	attack.Case(t, "ADMIN-06", attack.Admin, func(t *testing.T) {
		attacks := map[string]func(){}
		for _, o := range operations {
			if o.takes("Idempotency-Key") && reached()[o.ID] == nil { // what was refused may be asked for again with the same mark
				attacks[o.ID] = b.otherBodies(t, o)
			}
		}
		b.unwritten(t, attacks)
	})
	attack.Case(t, "SQL-01", attack.Admin, func(t *testing.T) { b.injected(t, operations) })
	attack.Case(t, "ADMIN-16", attack.Admin, func(t *testing.T) { b.keysInAddresses(t, operations) }) // the last one: to read the log stops the program
	t.Logf("%d operations, %d requests", len(operations), b.requests)
}

// newWord is a name that nobody has.
func newWord() string { return strings.ToLower(rand.Text()[:12]) }
