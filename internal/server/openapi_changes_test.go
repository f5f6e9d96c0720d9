package server_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
)

// TestADocumentThatJudgesLess: what a schema took on waits to be confirmed, a member
// that is new does not, and both are told with their place.
func TestADocumentThatJudgesLess(t *testing.T) {
	t.Parallel() // it waits for documents to be read again
	body := func(schema string) string {
		return described(`"/a": {"post": {"requestBody": {"required": true, "content": {"application/json": {"schema": ` + schema + `}}}}},
			"/shadowed": {"get": {"x-warder-mode": "shadow", "parameters": [{"in": "query", "name": "n", "schema": {"type": "integer"` + map[bool]string{true: `, "maximum": 9`}[strings.Contains(schema, "100")] + `}}]}}`)
	}
	const before = `{"type": "object", "properties": {"count": {"type": "integer", "maximum": 100}}, "additionalProperties": false}`
	p, file, _ := withDocument(t, body(before), "", settings{})
	send := func(when, text string, want int) {
		t.Helper()
		if status, said := p.call(t, http.MethodPost, "/a", p.key, text); status != want {
			t.Errorf("%s: %s is %d %s, want %d", when, text, status, said, want)
		}
	}
	wait := func(want ...keyservice.DocumentChange) {
		t.Helper()
		eventually(t, func() (bool, bool) { return true, slices.Equal(p.drift(t).Changed, want) })
	}
	attack.Case(t, "OAS-02", attack.Gateway, func(t *testing.T) {
		send("at first", `{"count": 101}`, 422)
		writeDocument(t, file, body(strings.Replace(before, `"count"`, `"note": {"type": "string"}, "count"`, 1)))
		wait(keyservice.DocumentChange{Operation: "POST /a", Where: "body application/json #/note", What: "is new"})
		if held := p.drift(t).Held; len(held) > 0 {
			t.Errorf("a member that is new waits: %q", held)
		}
		send("a member that is new", `{"note": "x"}`, 200)

		writeDocument(t, file, body(`{"type": "object", "properties": {"count": {"type": "integer"}, "note": {"type": "string"}}}`))
		maximum := keyservice.DocumentChange{Operation: "POST /a", Where: "body application/json #/count", What: "maximum is gone, it was 100", Less: true}
		others := keyservice.DocumentChange{Operation: "POST /a", Where: "body application/json", What: "takes members that are not declared", Less: true}
		watched := keyservice.DocumentChange{Operation: "GET /shadowed", Where: "query n", What: "maximum is gone, it was 9", Less: true}
		wait(maximum, others, watched)
		want := []string{"POST /a judges less: body application/json #/count maximum is gone, it was 100", "POST /a judges less: body application/json takes members that are not declared"}
		if held := p.drift(t).Held; !slices.Equal(held, want) { // what only watches refuses nothing, and waits for nobody
			t.Errorf("held: %q, want %q", held, want)
		}
		send("before it is confirmed", `{"count": 101}`, 422)
		send("before it is confirmed", `{"role": "admin"}`, 422)
	})
	var confirmed keyservice.DocumentConfirmed
	if status := p.documents(t, http.MethodPost, "/v1/openapi/api:confirm", &confirmed); status != http.StatusOK || len(confirmed.Less) != 2 {
		t.Errorf("confirm: %d %v", status, confirmed)
	}
	send("confirmed", `{"count": 101}`, 200)
	if d := p.drift(t); len(d.Held) > 0 || len(d.Changed) != 3 {
		t.Errorf("held %q, changed %v after it was confirmed", d.Held, d.Changed)
	}
	var lines []string
	for line := range strings.Lines(p.log(t)) {
		var said struct{ Msg, Operation, Where, What, Level string }
		if err := json.Unmarshal([]byte(line), &said); err == nil && strings.HasPrefix(said.Msg, "an operation takes") {
			lines = append(lines, said.Level+" "+said.Operation+" "+said.Where+" "+said.What)
		}
	}
	if told := strings.Join(lines, "\n"); !strings.Contains(told, "WARN POST /a body application/json #/count maximum is gone, it was 100") || !strings.Contains(told, "INFO POST /a body application/json #/note is new") {
		t.Errorf("the log has:\n%s", told)
	}
}
