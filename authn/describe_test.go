package authn_test

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/golden"
	"github.com/warder-dev/warder/openapi"
)

func TestDescribe(t *testing.T) {
	c := says(good, good)
	r := authn.Requirement{
		{{Scheme: c[0], Scopes: []string{"orders:read", "orders:write"}}},
		{{Scheme: c[1]}, {Scheme: c[0], Scopes: []string{"orders:read"}}},
		{},
	}
	doc := &openapi.Document{OpenAPI: openapi.Version, Info: openapi.Info{Title: "Orders", Version: "1"}}
	for range 2 { // two routes with the same schemes
		got, err := r.Describe(doc)
		want := openapi.Security{{"a": {"orders:read", "orders:write"}}, {"a": {"orders:read"}, "b": {}}, {}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %#v, %v, want %#v", got, err, want)
		}
	}
	security, err := r.Describe(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.AddOperation(http.MethodGet, "/orders", openapi.Operation{Security: security, Responses: r.Responses()}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := doc.Write(&b); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/describe.json", b.Bytes())
}

var errFull = errors.New("the document is full")

// describer is a scheme whose description goes wrong.
type describer struct {
	*credential
	describe func(doc *openapi.Document) error
}

func (d *describer) Describe(doc *openapi.Document) error { return d.describe(doc) }

func TestDescribeNamesWhatItCannotDescribe(t *testing.T) {
	c := says(good, good, good)
	undescribed := &struct{ authn.Scheme }{c[0]} // hides Describe
	failing := &describer{c[1], func(*openapi.Document) error { return errFull }}
	misnamed := &describer{c[2], func(doc *openapi.Document) error {
		return doc.AddSecurityScheme("other", openapi.SecurityScheme{Type: openapi.TypeMutualTLS})
	}}
	security, err := authn.Requirement{{{Scheme: undescribed}}, {{Scheme: failing}, {Scheme: misnamed}}}.Describe(new(openapi.Document))
	if err == nil || security != nil || !errors.Is(err, errFull) {
		t.Fatalf("got %v, %v", security, err)
	}
	for _, want := range []string{`"a": it does not describe itself`, `"b": the document is full`, `"c": its description is not there`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %s", err, want)
		}
	}
	if _, err := (authn.Requirement{nil}).Describe(new(openapi.Document)); err == nil {
		t.Error("a requirement that New refuses was described")
	}
}

// What the answers of a requirement are said to be is what a Stage answers.
func TestResponsesAreThoseOfCheck(t *testing.T) {
	for _, scopes := range [][]string{nil, {"orders:read"}} {
		given := make(map[string]bool)
		described := authn.Require(&credential{name: "a"}, scopes...).Responses()
		for _, answer := range []string{absent, good, bad, unreadable, away} {
			s := newStage(t, authn.Require(&credential{name: "a", says: answer}, scopes...))
			p := s.Check(exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))).Problem()
			if p == nil {
				continue
			}
			status := strconv.Itoa(p.Type.Status())
			given[status] = true
			got, want := slices.Sorted(maps.Keys(p.Header)), []string(nil)
			for _, name := range slices.Sorted(maps.Keys(described[status].Headers)) {
				want = append(want, http.CanonicalHeaderKey(name))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: headers %q, described %q", status, got, want)
			}
		}
		if got, want := slices.Sorted(maps.Keys(given)), slices.Sorted(maps.Keys(described)); !slices.Equal(got, want) {
			t.Errorf("scopes %q: answers %q, described %q", scopes, got, want)
		}
	}
}
