package server_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// toldNames are the fields of answers that clients act by, and whether their value
// is another one each time.
func toldNames() map[string]bool {
	return map[string]bool{
		"Www-Authenticate": false, "Retry-After": true, "Allow": false, "Location": false, "Content-Type": false, "Cache-Control": false, "Ratelimit": true, "Ratelimit-Policy": false,
		"X-Credits-Remaining": true, "X-Request-Id": true,
		"Access-Control-Allow-Origin": false, "Access-Control-Allow-Credentials": false, "Access-Control-Allow-Methods": false, "Access-Control-Allow-Headers": false,
		"Access-Control-Expose-Headers": false, "Access-Control-Max-Age": false, "Vary": false,
	}
}

// toldFields are the fields of every answer at every front.
type toldFields struct {
	mu  sync.Mutex
	all map[policyFront]map[string]map[string]string
	was map[policyFront]map[string]policyAnswer
}

func newToldFields() *toldFields {
	return &toldFields{all: make(map[policyFront]map[string]map[string]string), was: make(map[policyFront]map[string]policyAnswer)}
}

// note keeps the fields of one answer.
func (f *toldFields) note(front policyFront, row string, a policyAnswer, h http.Header) {
	if h == nil {
		return
	}
	fields := make(map[string]string)
	for name, varies := range toldNames() {
		values := h[name]
		switch {
		case len(values) == 0:
		case varies:
			fields[name] = "…"
		default:
			var parts []string
			for _, value := range values {
				parts = append(parts, strings.Split(value, ", ")...)
			}
			slices.Sort(parts)
			fields[name] = strings.Join(slices.Compact(parts), ", ")
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[front] == nil {
		f.all[front], f.was[front] = make(map[string]map[string]string), make(map[string]policyAnswer)
	}
	f.all[front][row], f.was[front][row] = fields, a
}

// A fieldDifference is where answers that are the same differ from the gateway's in
// a field.
type fieldDifference struct {
	fronts []policyFront
	passed bool // of passes; else of refusals
	field  string
	why    string
}

// fieldDifferences are all that there may be.
func fieldDifferences() []fieldDifference {
	forwarders := []policyFront{atNginx, atCaddy, atHAProxy, atEnvoy}
	return []fieldDifference{
		{append(forwarders, atLibrary, atJudge), true, "Cache-Control", "only the gateway says private of what an API sent for a credential and said nothing of"},
		{append(forwarders, atLibrary, atJudge), true, "Vary", "only the gateway names the fields of credentials as well"},
		{[]policyFront{atNginx, atCaddy}, true, "X-Request-Id", "the id of a pass is in warder's log alone"},
		{[]policyFront{atLibrary}, true, "X-Request-Id", "the handler that takes over the connection of a handshake answers by itself"},
		{[]policyFront{atJudge}, false, "Content-Type", "the body of a refusal is the asker's own"},
		{[]policyFront{atNginx, atCaddy, atHAProxy}, false, "Cache-Control", "the answer to a preflight is not to be stored either: browsers keep to Access-Control-Max-Age"},
	}
}

// sameAs reports whether a is the gateway's answer, in the words that the front has.
func sameAs(front policyFront, a, gateway policyAnswer) bool {
	if front == atJudge { // its principals are keys'
		a.who = gateway.who
	}
	return a == gateway
}

// compare holds the fields of every front to the gateway's, where the answers are
// the same.
func (f *toldFields) compare(t *testing.T) {
	t.Helper()
	if len(f.all) < len(policyFronts())-1 { // all but verify by key; some were left out by -run
		return
	}
	allowed, seen := fieldDifferences(), map[string]bool{}
	for front, rows := range f.all {
		for row, fields := range rows {
			a, want := f.was[front][row], f.all[atGateway][row]
			if want == nil || !sameAs(front, a, f.was[atGateway][row]) {
				continue
			}
			for name := range toldNames() {
				if fields[name] == want[name] || a.passed && name == "Content-Type" { // that of a pass is the upstream's
					continue
				}
				i := slices.IndexFunc(allowed, func(d fieldDifference) bool {
					return d.field == name && d.passed == a.passed && slices.Contains(d.fronts, front)
				})
				if i < 0 {
					t.Errorf("%s: %s: %s is %q, and by the gateway %q", front, row, name, fields[name], want[name])
					continue
				}
				seen[fmt.Sprint(i, front)] = true
			}
		}
	}
	for i, d := range allowed {
		for _, front := range d.fronts {
			if !seen[fmt.Sprint(i, front)] {
				t.Errorf("%s has the gateway's %s: the table of differences says that it has not", front, d.field)
			}
		}
	}
}

// writeFields writes the part of the page about fields.
func writeFields(b *bytes.Buffer) {
	names := slices.Sorted(maps.Keys(toldNames()))
	fmt.Fprintf(b, "\n## Fields of answers\n\nWhere an answer is the same, so are these of its fields for the client: %s. They are compared through the library, the gateway, nginx, Caddy, HAProxy, Envoy and verify, for "+
		"passes and refusals, but for\n\n| field | of | where | why |\n|---|---|---|---|\n", strings.Join(names, ", "))
	for _, d := range fieldDifferences() {
		kind := "refusals"
		if d.passed {
			kind = "passes"
		}
		var fronts []string
		for _, front := range d.fronts {
			fronts = append(fronts, string(front))
		}
		slices.Sort(fronts)
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", d.field, kind, strings.Join(fronts, ", "), d.why)
	}
}
