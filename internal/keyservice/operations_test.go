package keyservice_test

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
)

// An operation of the document, with a request for it.
type operation struct {
	ID, method, path string
	right            string // "" for none
	body             any    // the document's own example; nil for none
}

// operations reads the document.
func operations(t *testing.T, w *world) (all []operation) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			ID          string                `json:"operationId"`
			Security    []map[string][]string `json:"security"`
			RequestBody *struct {
				Content map[string]struct {
					Example any `json:"example"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
	}
	must(t, json.Unmarshal(w.service.Document(), &doc))
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		if strings.HasPrefix(path, "/v1/account/") { // which account/login serves, and tests
			continue
		}
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
			o := doc.Paths[path][method]
			one := operation{ID: o.ID, method: strings.ToUpper(method), path: path}
			if scopes := o.Security[0]["adminToken"]; len(scopes) > 0 {
				one.right = scopes[0]
			}
			if o.RequestBody != nil {
				one.body = o.RequestBody.Content["application/json"].Example
			}
			all = append(all, one)
		}
	}
	if len(all) < 20 {
		t.Fatalf("the document has %d operations", len(all))
	}
	return all
}

// about is the id of what an operation is about: the key with the id, or somebody
// who administers, made for it.
func (w *world) about(t *testing.T, o operation, id string) string {
	t.Helper()
	operator := account.Actor{By: "t", Source: "t", Operator: true}
	switch {
	case strings.HasPrefix(o.path, "/v1/people/"):
		a, _, err := w.admins.Create(t.Context(), operator, account.Spec{Name: strings.ToLower(rand.Text()), Role: account.Developer}, account.Link{Anywhere: true})
		must(t, err)
		return string(a.ID)
	case strings.HasPrefix(o.path, "/v1/adminKeys/"):
		k, _, err := w.machines.Issue(t.Context(), operator, login.KeySpec{Role: account.Developer})
		must(t, err)
		return k.ID
	default:
		return id
	}
}

// try sends the example of an operation about the key with the id.
func (w *world) try(t *testing.T, o operation, id string, fields ...string) *reply {
	t.Helper()
	fields = append(fields, "If-Match", "*")
	id = w.about(t, o, id)
	path := strings.NewReplacer("{id}", id, "/v1/limits/{name}", "/v1/limits/per-key", "{name}", "orders").Replace(o.path)
	switch {
	case o.ID == "getCredits":
		path += "?key=" + id
	case o.path == "/v1/owners/record":
		path += "?owner=" + id
	}
	if o.body == nil {
		return w.ask(t, o.method, path, nil, fields...)
	}
	text, err := json.Marshal(o.body)
	must(t, err)
	return w.ask(t, o.method, path, strings.ReplaceAll(string(text), "7HqLk2mVxWcP", id), fields...)
}
