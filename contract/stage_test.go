package contract_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
)

// A told is what a client is told.
type told struct {
	Type   string          `json:"type"`
	Errors []problem.Fault `json:"errors"`
}

// front is a stage behind something that makes the canonical target, and counts
// what reaches the API.
type front struct {
	http.Handler
	reached int
	body    string // what it read last
}

func newFront(tb testing.TB, text string, cfg contract.Config) *front {
	tb.Helper()
	d, err := contract.Read([]byte(text), contract.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	if len(d.Operations) != 1 {
		tb.Fatalf("%d operations, want one", len(d.Operations))
	}
	cfg.Operation = d.Operations[0]
	return frontOf(tb, cfg)
}

func frontOf(tb testing.TB, cfg contract.Config) *front {
	tb.Helper()
	s, err := contract.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	f := new(front)
	f.Handler = exchange.Wrap(canonical{}, s.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		f.reached++
		text, err := io.ReadAll(r.Body)
		if err != nil {
			tb.Errorf("the API could not read the body: %v", err)
		}
		f.body = string(text)
	})))
	return f
}

// canonical stands for the edge.
type canonical struct{}

func (canonical) Check(x *exchange.Exchange) exchange.Verdict {
	x.Path, x.RawQuery = x.Request.URL.EscapedPath(), x.Request.URL.RawQuery
	return exchange.Pass()
}

// send sends a request and returns the status, and the faults a line each.
func (f *front) send(tb testing.TB, r *http.Request) (status int, faults string) {
	tb.Helper()
	before := f.reached
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	var p told
	if w.Code != http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			tb.Fatalf("%d without a problem: %q", w.Code, w.Body)
		}
	}
	if (f.reached > before) != (w.Code == http.StatusOK) {
		tb.Errorf("status %d, and the API was reached: %v", w.Code, f.reached > before)
	}
	var all []string
	for _, e := range p.Errors {
		all = append(all, strings.Join(strings.Fields(e.In+" "+e.Name+" "+e.Pointer), " ")+": "+e.Detail)
	}
	return w.Code, strings.Join(all, "\n")
}

func request(method, target, contentType, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// query is a document of one query parameter called q.
func query(members string) string {
	return document(get("/a", `"parameters": [{"in": "query", "name": "q", `+members+`}]`))
}

func TestParameters(t *testing.T) {
	for _, tt := range []struct {
		name, parameter string
		right, wrong    []string // queries
		fault           string   // what all of wrong are told
	}{
		{"an integer", `"schema": {"type": "integer", "minimum": 1, "maximum": 9}`, []string{"", "q=1", "q=9"}, []string{"q=1+OR+1%3D1", "q=", "q=1.0", "q=1e0", "q=0x1", "q=+1", "q=01", "q=%201", "q=one", "q=null"}, "query q: want integer"},
		{"bounds", `"schema": {"type": "integer", "maximum": 9}`, []string{"q=9", "q=-1"}, []string{"q=10", "q=99999999999999999999999999999999"}, "query q: is above 9"},
		{"an int32", `"schema": {"type": "integer", "format": "int32"}`, []string{"q=2147483647", "q=-2147483648"}, []string{"q=2147483648", "q=9223372036854775808"}, "query q: does not fit in int32"},
		{"a number", `"schema": {"type": "number", "exclusiveMinimum": 0}`, []string{"q=0.5", "q=1e-3", "q=7"}, []string{"q=0", "q=-1"}, "query q: is not above 0"},
		{"a boolean", `"schema": {"type": "boolean"}`, []string{"q=true", "q=false"}, []string{"q=1", "q=True", "q="}, "query q: want boolean"},
		{"an enum", `"schema": {"type": "string", "enum": ["a", "b"]}`, []string{"q=a"}, []string{"q=c", "q=A", "q=", "q=a%00"}, "query q: is none of the values that are allowed"},
		{"a length in characters", `"schema": {"type": "string", "maxLength": 2}`, []string{"q=%C3%BC%C3%BC"}, []string{"q=abc"}, "query q: is longer than 2 characters"},
		{"a pattern", `"schema": {"type": "string", "pattern": "^[a-z]+$"}`, []string{"q=abc"}, []string{"q=ab1", "q=ab%0A"}, "query q: does not match the pattern"},
		{"a uuid", `"schema": {"type": "string", "format": "uuid"}`, []string{"q=123e4567-e89b-12d3-a456-426614174000"}, []string{"q=123e4567", "q=123e4567-e89b-12d3-a456-42661417400'"}, "query q: is no uuid"},
		{"a date", `"schema": {"type": "string", "format": "date"}`, []string{"q=2024-02-29"}, []string{"q=2023-02-29", "q=24-1-1"}, "query q: is no date"},
		{"a time with and without offset", `"schema": {"type": "string", "format": "date-time"}`, []string{"q=2024-02-29T10:00:00Z", "q=2024-02-29T10:00:00.5%2B01:00", "q=2024-02-29T10:00:00"}, []string{"q=2024-02-29"}, "query q: is no date-time"},
		{"an address", `"schema": {"type": "string", "format": "ipv4"}`, []string{"q=192.0.2.1"}, []string{"q=::1", "q=192.0.2.01"}, "query q: is no ipv4"},
		{"required", `"required": true, "schema": {"type": "string"}`, []string{"q=", "q=a"}, []string{""}, "query q: is missing"},
		{"once", `"schema": {"type": "string"}`, []string{"q=a"}, []string{"q=a&q=b", "q=a&q=a"}, "query q: is there more than once"},
		{"either", `"schema": {"anyOf": [{"type": "integer"}, {"type": "null"}]}`, []string{"q=1"}, []string{"q=", "q=x"}, "query q: matches none of the alternatives"},
		{"text that looks like a number", `"schema": {"type": ["integer", "string"], "maxLength": 3}`, []string{"q=1", "q=12345", "q=ab"}, []string{"q=abcd"}, "query q: is longer than 3 characters"},
		{"a list, each by itself", `"schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 2}`, []string{"q=1", "q=1&q=2"}, []string{"q=1&q=2&q=3"}, "query q: has more than 2 items"},
		{"an item of a list", `"schema": {"type": "array", "items": {"type": "integer"}}`, []string{"q=1"}, []string{"q=1&q=b", "q=0&q=1,2"}, "query q #/1: want integer"},
		{"a list with commas", `"explode": false, "schema": {"type": "array", "items": {"type": "string", "maxLength": 3}, "uniqueItems": true}`, []string{"q=a,b", "q=a%2Cb,c"}, []string{"q=a,a"}, "query q: has an item twice"},
		{"a list with bars", `"style": "pipeDelimited", "explode": false, "schema": {"type": "array", "items": {"type": "integer"}}`, []string{"q=1|2", "q=1%7C2"}, []string{"q=1|a"}, "query q #/1: want integer"},
		{"a list with blanks", `"style": "spaceDelimited", "explode": false, "schema": {"type": "array", "items": {"type": "integer"}}`, []string{"q=1%202", "q=1+2"}, []string{"q=1%20a"}, "query q #/1: want integer"},
		{"an object, member by member", `"schema": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {}}, "required": ["x"]}`, []string{"", "x=1", "x=1&y=b"}, []string{"x=a"}, "query q #/x: want integer"},
		{"a deep object", `"style": "deepObject", "schema": {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": false}`, []string{"q[x]=1", "q%5Bx%5D=1"}, []string{"q[x]=1&q[y]=2"}, "query q: has a member that is not declared"},
		{"a deep object with two readings", `"style": "deepObject", "schema": {"type": "object"}`, []string{"q[x]=1"}, []string{"q[x=1", "q[x][y]=1"}, "query q: has two readings: it is there twice, or its name is not written as it should be"},
		{"JSON", `"content": {"application/json": {"schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false}}}`, []string{"q=%7B%22a%22:1%7D"}, []string{"q=%7B%22a%22:%221%22%7D"}, "query q #/a: want integer"},
		{"JSON that is none", `"content": {"application/json": {"schema": {}}}`, []string{"q=1"}, []string{"q=%7B", "q="}, "query q: is not JSON (RFC 8259), in UTF-8"},
		{"a name that is not declared", `"schema": {}`, []string{"q=1"}, []string{"q=1&r=2", "Q=1", "q%20=1"}, "query: has a parameter that is not declared"},
		{"an encoding that is broken", `"schema": {}`, []string{"q=%25"}, []string{"q=%2", "q=%zz", "%=1"}, "query: is not percent-encoded as a query is, or has too many pairs"},
		{"too many pairs", `"schema": {"type": "array"}`, []string{strings.Repeat("q=1&", 1000)}, []string{strings.Repeat("q=1&", 1001)}, "query: is not percent-encoded as a query is, or has too many pairs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFront(t, query(tt.parameter), contract.Config{})
			for _, q := range tt.right {
				if status, faults := f.send(t, request(http.MethodGet, "/a?"+q, "", "")); status != http.StatusOK {
					t.Errorf("%.60s: %d %s, want 200", q, status, faults)
				}
			}
			for _, q := range tt.wrong {
				if status, faults := f.send(t, request(http.MethodGet, "/a?"+q, "", "")); status != http.StatusBadRequest || faults != tt.fault {
					t.Errorf("%.60s: %d %q, want 400 %q", q, status, faults, tt.fault)
				}
			}
		})
	}
}

func TestParametersElsewhere(t *testing.T) {
	f := newFront(t, document(get("/u/{id}/x/{list}", `"parameters": [
		{"in": "path", "name": "id", "required": true, "schema": {"type": "integer"}},
		{"in": "path", "name": "list", "required": true, "schema": {"type": "array", "items": {"type": "string", "maxLength": 2}}},
		{"in": "header", "name": "x-count", "schema": {"type": "integer"}},
		{"in": "header", "name": "X-List", "schema": {"type": "array", "items": {"type": "integer"}}},
		{"in": "header", "name": "accept", "required": true, "schema": {"enum": ["never"]}},
		{"in": "header", "name": "x-api-key", "required": true, "schema": {"enum": ["never"]}},
		{"in": "cookie", "name": "theme", "schema": {"enum": ["dark"]}}]`),
		`, "components": {"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}}`), contract.Config{})
	for _, tt := range []struct {
		path   string
		header http.Header
		fault  string
	}{
		{"/u/7/x/a,b", nil, ""},
		{"/u/7/x/a%2Cb", nil, "path list #/0: is longer than 2 characters"},
		{"/u/%37/x/a", nil, ""},
		{"/u/seven/x/a", nil, "path id: want integer"},
		{"/u/7/x/abc,d", nil, "path list #/0: is longer than 2 characters"},
		{"/u/7/x/a", http.Header{"X-Count": {"1"}, "X-List": {"1, 2", "3"}, "Cookie": {"a=b; theme=dark"}}, ""},
		{"/u/7/x/a", http.Header{"X-Count": {"1", "2"}}, "header X-Count: is there more than once"},
		{"/u/7/x/a", http.Header{"X-Count": {"1, 2"}}, "header X-Count: want integer"},
		{"/u/7/x/a", http.Header{"X-List": {"1, b"}}, "header X-List #/1: want integer"},
		{"/u/7/x/a", http.Header{"Cookie": {"theme=light"}}, "cookie theme: is none of the values that are allowed"},
		{"/u/7/x/a", http.Header{"Cookie": {"theme=dark; theme=dark"}}, "cookie theme: has two readings: it is there twice, or its name is not written as it should be"},
	} {
		r := request(http.MethodGet, tt.path, "", "")
		maps.Copy(r.Header, tt.header)
		status, faults := f.send(t, r)
		if want := map[bool]int{true: 200, false: 400}[tt.fault == ""]; status != want || faults != tt.fault {
			t.Errorf("%s %v: %d %q, want %d %q", tt.path, tt.header, status, faults, want, tt.fault)
		}
	}
}

// TestPartsWithTwoReadings: what parsers of forms disagree about never gets to one
// that takes it for something else than what was judged.
func TestPartsWithTwoReadings(t *testing.T) {
	f := newFront(t, post(`"multipart/form-data": {"schema": {"type": "object", "properties": {
		"a": {"type": "string", "pattern": "^[a-z]*$"}, "n": {"type": "integer"}, "o": {"type": "object", "properties": {"x": {"type": "integer"}}}, "l": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}}, "file": {"type": "string"}}}}`), contract.Config{})
	const parts, charset, text = "body: is no multipart body with one reading, or has too many parts", "body: has a part in another character set than UTF-8", "body: has a part in JSON where the document has a text"
	one := func(header, content string) string {
		return "--b\r\n" + header + "\r\n\r\n" + content + "\r\n--b--\r\n"
	}
	const name = `Content-Disposition: form-data; name="a"`
	for _, tt := range []struct{ what, body, fault string }{
		{"right", one(name, "abc"), ""},
		{"no line behind the end", strings.TrimSuffix(one(name, "abc"), "\r\n"), ""},
		{"text before", "x\r\n" + one(name, "abc"), parts},
		{"a part before, for who looks for the delimiter alone", "\r\n--b\r\n" + one(name, "abc"), parts},
		{"text behind", one(name, "abc") + "--b\r\n" + name + "\r\n\r\n1\r\n--b--", parts},
		{"no end", strings.TrimSuffix(one(name, "abc"), "--\r\n"), parts},
		{"blanks behind the delimiter", strings.Replace(one(name, "abc"), "--b\r\n", "--b  \r\n", 1), parts},
		{"lines that end in LF", strings.ReplaceAll(one(name, "abc"), "\r\n", "\n"), parts},
		{"a delimiter behind LF", one(name, "abc\n--b\r\n"+name+"\r\n\r\n1"), parts},
		{"a longer delimiter", one(name, "abc\r\n--bb\r\n"), parts},
		{"a header with LF", one(name+"\nContent-Type: text/plain", "abc"), parts},
		{"a folded header", one("Content-Disposition: form-data;\r\n name=\"a\"", "abc"), parts},
		{"a header without a colon", one(name+"\r\nx", "abc"), parts},
		{"a blank before the colon", one(strings.Replace(name, ":", " :", 1), "abc"), parts},
		{"a header twice", one(name+"\r\n"+strings.Replace(name, `"a"`, `"n"`, 1), "abc"), parts},
		{"another type twice", one(name+"\r\nContent-Type: text/plain\r\ncontent-type: application/json", "abc"), parts},
		{"an encoding twice", one(name+"\r\nContent-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64", "abc"), parts},
		{"an encoding", one(name+"\r\nContent-Transfer-Encoding: quoted-printable", "=31"), parts},
		{"no header", "--b\r\n\r\nabc\r\n--b--", parts},
		{"another disposition", one(`Content-Disposition: attachment; name="a"`, "abc"), parts},
		{"a backslash in the name", one(`Content-Disposition: form-data; name="a\"; x=\"b"`, "abc"), parts},
		{"a name in the name of the file", one(`Content-Disposition: form-data; filename="; name=n; "; name="a"`, "abc"), parts},
		{"an encoded word", one(`Content-Disposition: form-data; name="=?utf-8?B?bg==?="`, "abc"), parts},
		{"a name that is no UTF-8", one("Content-Disposition: form-data; name=\"\xff\"", "abc"), parts},
		{"UTF-16", one(name+"\r\nContent-Type: text/plain; charset=utf-16", "abc"), charset},
		{"UTF-7", one(name+"\r\nContent-Type: text/plain; charset=utf-7", "+ACc-"), charset},
		{"UTF-8", one(name+"\r\nContent-Type: text/plain; charset=UTF-8", "abc"), ""},
		{"JSON in UTF-16", one(strings.Replace(name, `"a"`, `"o"`, 1)+"\r\nContent-Type: application/json; charset=utf-16", `{"x": 1}`), charset},
		{"a field that sets the character set", one(strings.Replace(name, `"a"`, `"_charset_"`, 1), "utf-7"), charset},
		{"a JSON text where a text is declared", one(name+"\r\nContent-Type: application/json", `"abc"`), text},
		{"null where a text is declared", one(name+"\r\nContent-Type: application/json", `null`), text},
		{"a JSON list where a list of texts is declared", one(strings.Replace(name, `"a"`, `"l"`, 1)+"\r\nContent-Type: application/json", `["abc"]`), text},
		{"a JSON text of an undeclared field", one(strings.Replace(name, `"a"`, `"z"`, 1)+"\r\nContent-Type: application/json", `"abc"`), text},
		{"a JSON number is the same as text", one(strings.Replace(name, `"a"`, `"n"`, 1)+"\r\nContent-Type: application/json", `7`), ""},
		{"a JSON number with blanks is not", one(strings.Replace(name, `"a"`, `"n"`, 1)+"\r\nContent-Type: application/json", " 7"), text},
		{"a JSON object where one is declared", one(strings.Replace(name, `"a"`, `"o"`, 1)+"\r\nContent-Type: application/json", `{"x": 1}`), ""},
		{"an empty name of a file is one of a file", one(`Content-Disposition: form-data; name="n"; filename=""`, "7"), "body #/n: want integer"},
		{"a file", one(`Content-Disposition: form-data; name="file"; filename="a;b c.txt"`+"\r\nContent-Type: text/plain; charset=utf-8", "abc"), ""},
	} {
		t.Run(tt.what, func(t *testing.T) {
			status, faults := f.send(t, request(http.MethodPost, "/a", "multipart/form-data; boundary=b", tt.body))
			if faults != tt.fault || (status == http.StatusOK) != (tt.fault == "") {
				t.Errorf("%d %q, want %q", status, faults, tt.fault)
			}
		})
	}
	for contentType, want := range map[string]int{
		"multipart/form-data; boundary=\"b\"": 200, "multipart/form-data; boundary*=utf-8''b": 415, "multipart/form-data; boundary*0=b": 415, "multipart/form-data; boundary=\"\\b\"": 415,
		"multipart/form-data; boundary=b; boundary=c": 415, "multipart/form-data; boundary=\"b \"": 400,
	} {
		if status, faults := f.send(t, request(http.MethodPost, "/a", contentType, one(name, "abc"))); status != want {
			t.Errorf("%s: %d %s, want %d", contentType, status, faults, want)
		}
	}
}

// TestParametersWithinASegment: each way to divide the segment must be right, since
// frameworks take different ones.
func TestParametersWithinASegment(t *testing.T) {
	f := newFront(t, document(get("/v{version}/{from}-{to}.json", `"parameters": [
		{"in": "path", "name": "version", "required": true, "schema": {"type": "integer"}},
		{"in": "path", "name": "from", "required": true, "schema": {"type": "string", "pattern": "^[a-z-]+$", "maxLength": 5}},
		{"in": "path", "name": "to", "required": true, "schema": {"type": "string", "pattern": "^[0-9-]+$"}}]`)), contract.Config{})
	for _, tt := range []struct{ path, fault string }{
		{"/v1/a-1.json", ""},
		{"/v%31/%61%2D1%2Ejson", ""},
		{"/vx/a-1.json", "path version: want integer"},
		{"/v1/1-1.json", "path from: does not match the pattern"},
		{"/v1/a-b.json", "path to: does not match the pattern"},
		{"/v1/a--1.json", ""},                                       // a and -1, or a- and 1
		{"/v1/a-b-1.json", "path to: does not match the pattern"},   // a and b-1, or a-b and 1
		{"/v1/a-1-2.json", "path from: does not match the pattern"}, // a and 1-2, or a-1 and 2
		{"/v1/abcdef-1.json", "path from: is longer than 5 characters"},
		{"/v1/" + strings.Repeat("-", 103) + ".json", "path from: can be read in too many ways\npath to: can be read in too many ways"},
		{"/v1/-1.json", "path from: is missing\npath to: is missing"}, // no route takes it
	} {
		status, faults := f.send(t, request(http.MethodGet, tt.path, "", ""))
		if want := map[bool]int{true: 200, false: 400}[tt.fault == ""]; status != want || faults != tt.fault {
			t.Errorf("%.40s: %d %q, want %d %q", tt.path, status, faults, want, tt.fault)
		}
	}
}

// post is a document of one operation with a body of these media types.
func post(content string, more ...string) string {
	return document(`"/a": {"post": {"requestBody": {"required": true, "content": {`+content+`}}}}`, more...)
}

func jsonBody(schema string, more ...string) string {
	return post(`"application/json": {"schema": `+schema+`}`, more...)
}

func TestJSONBodies(t *testing.T) {
	const user = `{"type": "object", "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": ["integer", "null"]}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}}, "required": ["name"], "additionalProperties": false}`
	const tree = `, "components": {"schemas": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/tree"}, "right": {"$ref": "#/components/schemas/tree"}}, "additionalProperties": false}}}`
	for _, tt := range []struct{ name, document, body, fault string }{
		{"right", jsonBody(user), `{"name": "x", "age": null, "tags": ["a"]}`, ""},
		{"a member too many", jsonBody(user), `{"name": "x", "admin": true}`, "body #: has a member that is not declared"},
		{"a type", jsonBody(user), `{"name": 1}`, "body #/name: want string"},
		{"a number that is an integer", jsonBody(user), `{"name": "x", "age": 1.0}`, ""},
		{"an enum, in an item", jsonBody(user), `{"name": "x", "tags": ["a", "c"]}`, "body #/tags/1: is none of the values that are allowed"},
		{"missing", jsonBody(user), `{}`, "body #/name: is missing"},
		{"several", jsonBody(user), `{"name": "", "age": "1"}`, "body #/age: want null or integer\nbody #/name: is shorter than 1 characters"},
		{"recursive", jsonBody(`{"$ref": "#/components/schemas/tree"}`, tree), `{"left": {"left": {}, "right": {}}}`, ""},
		{"recursive, deep within", jsonBody(`{"$ref": "#/components/schemas/tree"}`, tree), `{"left": {"left": {"x": 1}}}`, "body #/left/left: has a member that is not declared"},
		{"all of", jsonBody(`{"allOf": [{"required": ["a"]}, {"required": ["b"]}]}`), `{"a": 1}`, "body #/b: is missing"},
		{"one of", jsonBody(`{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}`), `{"a": 1, "b": 1}`, "body #: matches more than one of the alternatives"},
		{"not", jsonBody(`{"not": {"required": ["a"]}}`), `{"a": 1}`, "body #: is what it must not be"},
		{"if and then", jsonBody(`{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}`), `{"a": 1}`, "body #/b: is missing"},
		{"names", jsonBody(`{"propertyNames": {"pattern": "^[a-z]+$"}}`), `{"A": 1}`, "body #: has a member whose name is not allowed"},
		{"patterns of names", jsonBody(`{"patternProperties": {"^n": {"type": "integer"}}, "additionalProperties": {"type": "string"}}`), `{"n": "a"}`, "body #: has a member whose value is not allowed"},
		{"the rest", jsonBody(`{"allOf": [{"properties": {"a": {}}}], "properties": {"b": {}}, "unevaluatedProperties": false}`), `{"a": 1, "b": 1, "c": 1}`, "body #: has a member that is not declared"},
		{"the rest, all judged", jsonBody(`{"anyOf": [{"properties": {"a": {}}, "required": ["a"]}], "properties": {"b": {}}, "unevaluatedProperties": false}`), `{"a": 1, "b": 1}`, ""},
		{"the rest of a list", jsonBody(`{"prefixItems": [{"type": "integer"}], "unevaluatedItems": false}`), `[1, 2]`, "body #/1: nothing may be here"},
		{"contains", jsonBody(`{"contains": {"const": 1}, "maxContains": 1}`), `[1, 1]`, "body #: has not the items that it must contain"},
		{"dependent", jsonBody(`{"dependentRequired": {"a": ["b"]}}`), `{"a": 1}`, "body #/b: is missing, and needed beside a"},
		{"multiples are exact", jsonBody(`{"multipleOf": 0.1}`), `0.3`, ""},
		{"no multiple", jsonBody(`{"multipleOf": 0.1}`), `0.35`, "body #: is no multiple of 0.1"},
		{"neighbours beyond 2^53", jsonBody(`{"const": 9007199254740993}`), `9007199254740992`, "body #: is none of the values that are allowed"},
		{"equal numbers", jsonBody(`{"enum": [1]}`), `1.0e0`, ""},
		{"unique, by value", jsonBody(`{"uniqueItems": true}`), `[{"a": 1, "b": 2}, {"b": 2.0, "a": 1}]`, "body #: has an item twice"},
		{"what the client calls its members is not repeated", jsonBody(`{"additionalProperties": {"properties": {"a": {"type": "integer"}}}}`), `{"hunter2": {"a": "x"}}`, "body #: has a member whose value is not allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFront(t, tt.document, contract.Config{})
			status, faults := f.send(t, request(http.MethodPost, "/a", "application/json", tt.body))
			if want := map[bool]int{true: 200, false: 422}[tt.fault == ""]; status != want || faults != tt.fault {
				t.Errorf("%s: %d %q, want %d %q", tt.body, status, faults, want, tt.fault)
			}
			if tt.fault == "" && f.body != tt.body {
				t.Errorf("the API read %q, want %q", f.body, tt.body)
			}
		})
	}
}

// TestVersion30 is what OpenAPI 3.0 means differently.
func TestVersion30(t *testing.T) {
	for _, tt := range []struct {
		schema, body string
		right        bool
	}{
		{`{"type": "string", "nullable": true}`, `null`, true},
		{`{"type": "string", "nullable": true, "enum": ["a"]}`, `null`, true},
		{`{"type": "string"}`, `null`, false},
		{`{"minimum": 1, "exclusiveMinimum": true}`, `1`, false},
		{`{"minimum": 1, "exclusiveMinimum": false}`, `1`, true},
		{`{"maximum": 1, "exclusiveMaximum": true}`, `0.5`, true},
	} {
		f := newFront(t, strings.Replace(jsonBody(tt.schema), "3.1.0", "3.0.3", 1), contract.Config{})
		if status, faults := f.send(t, request(http.MethodPost, "/a", "application/json", tt.body)); (status == 200) != tt.right {
			t.Errorf("%s takes %s: %d %s, want %v", tt.schema, tt.body, status, faults, tt.right)
		}
	}
}

func TestBodiesWithTwoReadings(t *testing.T) {
	f := newFront(t, jsonBody(`{}`), contract.Config{})
	for _, body := range []string{
		`{"a": 1, "a": 2}`, `{"a": 1, "\u0061": 2}`, `{"a": 1}{}`, `{"a": 1}x`, `[1,]`, `{"a": 01}`, `{"a": .5}`, `{"a": 1.}`, `{"a": +1}`, `{"a": NaN}`, `'a'`, "\"\t\"", "\"\xff\"",
		`"\ud800"`, `"\ud800\u0041"`, `"\u00g0"`, `"\x"`, "{\"a\": 1}\x00", `// x`, `{a: 1}`, ``, ` `, `tru`, `"abc`, `{"a"}`, `{"a": 1`, "\ufeff{}", `1e99999`,
		`1` + strings.Repeat("0", 100),
	} {
		r := request(http.MethodPost, "/a", "application/json", body+" ")
		if status, faults := f.send(t, r); status != http.StatusBadRequest || !strings.HasPrefix(faults, "body: ") {
			t.Errorf("%q: %d %q, want 400 about the body", body, status, faults)
		}
	}
	for _, body := range []string{`{"a": 1, "A": 2}`, ` [ 1 , 2 ] `, `"\ud83d\ude00"`, `-0`, `1E+2`, `"\/"`, `null`} {
		if status, faults := f.send(t, request(http.MethodPost, "/a", "application/json", body)); status != http.StatusOK {
			t.Errorf("%q: %d %q, want 200", body, status, faults)
		}
	}
}

func TestForms(t *testing.T) {
	const schema = `{"type": "object", "properties": {"n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "integer"}}, "o": {"type": "object", "properties": {"x": {"type": "integer"}}}, "f": {"type": "string", "format": "binary"},
		"w": {"type": "string", "pattern": "^[a-z]+$"}, "s": {"type": "string", "maxLength": 4}, "d": {"type": "string", "format": "date"}}, "required": ["n"], "additionalProperties": false}`
	f := newFront(t, post(`"application/x-www-form-urlencoded": {"schema": `+schema+`}, "multipart/form-data": {"schema": `+schema+`}`), contract.Config{})
	const urlencoded = "application/x-www-form-urlencoded"
	multi := func(parts ...string) string {
		return "--b\r\n" + strings.Join(parts, "\r\n--b\r\n") + "\r\n--b--\r\n"
	}
	part := func(name, more, text string) string {
		return "Content-Disposition: form-data; name=\"" + name + "\"" + more + "\r\n\r\n" + text
	}
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
		fault                   string
	}{
		{"a form", urlencoded, "n=1&l=1&l=2&o=%7B%22x%22:1%7D", 200, ""},
		{"a type", urlencoded, "n=x", 422, "body #/n: want integer"},
		{"a field too many", urlencoded, "n=1&admin=1", 422, "body #: has a member that is not declared"},
		{"a field twice", urlencoded, "n=1&n=2", 400, "body: has a field that is there more than once"},
		{"missing", urlencoded, "l=1", 422, "body #/n: is missing"},
		{"an object within", urlencoded, "n=1&o=%7B%22x%22:%221%22%7D", 422, "body #/o/x: want integer"},
		{"broken", urlencoded, "n=%", 400, "body: is no form: it is not percent-encoded, not UTF-8, or has too many pairs"},
		{"another character set", urlencoded, "n=1&f=%FF", 400, "body: is no form: it is not percent-encoded, not UTF-8, or has too many pairs"},
		{"parts", "multipart/form-data; boundary=b", multi(part("n", "", "1"), part("l", "", "1"), part("l", "", "2"), part("f", "; filename=\"x\"", "\x00\xff")), 200, ""},
		{"a part's type", "multipart/form-data; boundary=b", multi(part("n", "", "x")), 422, "body #/n: want integer"},
		{"a part twice", "multipart/form-data; boundary=b", multi(part("n", "", "1"), part("n", "", "1")), 400, "body: has a field that is there more than once"},
		{"a part too many", "multipart/form-data; boundary=b", multi(part("n", "", "1"), part("m", "", "1")), 422, "body #: has a member that is not declared"},
		{"two names", "multipart/form-data; boundary=b", multi(part("n", "; name=\"m\"", "1")), 400, "body: is no multipart body with one reading, or has too many parts"},
		{"a name in another form", "multipart/form-data; boundary=b", multi(part("n", "; filename*=UTF-8''x", "1")), 400, "body: is no multipart body with one reading, or has too many parts"},
		{"an encoding", "multipart/form-data; boundary=b", multi("Content-Transfer-Encoding: base64\r\n" + part("n", "", "MQ==")), 400, "body: is no multipart body with one reading, or has too many parts"},
		{"no boundary", "multipart/form-data", multi(part("n", "", "1")), 400, "body: is no multipart body with one reading, or has too many parts"},
		{"no end", "multipart/form-data; boundary=b", "--b\r\n" + part("n", "", "1"), 400, "body: is no multipart body with one reading, or has too many parts"},
		{"a text as a file: a pattern", "multipart/form-data; boundary=b", multi(part("n", "", "1"), "Content-Type: application/octet-stream\r\n"+part("w", "", "1 OR 1=1")), 422, "body #/w: does not match the pattern"},
		{"a text in no text's type: what is right", "multipart/form-data; boundary=b", multi(part("n", "", "1"), "Content-Type: application/octet-stream\r\n"+part("w", "", "abc")), 200, ""},
		{"a list of files and texts", "multipart/form-data; boundary=b", multi(part("n", "", "1"), part("l", "; filename=\"x\"", "1 OR 1=1"), part("l", "", "1")), 400, "body: has a field that is there more than once"},
		{"a list of texts and files", "multipart/form-data; boundary=b", multi(part("n", "", "1"), part("l", "", "1"), part("l", "; filename=\"x\"", "1 OR 1=1")), 400, "body: has a field that is there more than once"},
		{"a list of texts and JSON", "multipart/form-data; boundary=b", multi(part("n", "", "1"), "Content-Type: application/json\r\n"+part("l", "", "{}"), part("l", "", "1")), 400, "body: has a part in JSON where the document has a text"},
		{"a list of JSON, twice", "multipart/form-data; boundary=b", multi(part("n", "", "1"), "Content-Type: application/json\r\n"+part("l", "", `["x"]`), "Content-Type: application/json\r\n"+part("l", "", "[1]")), 400, "body: has a part in JSON where the document has a text"},
		{"a list of files", "multipart/form-data; boundary=b", multi(part("n", "", "1"), part("l", "; filename=\"x\"", "1")), 422, "body #/l/0: want integer"},
		{"a text as a file: a length", "multipart/form-data; boundary=b", multi(part("n", "", "1"), part("s", "; filename=\"x\"", "12345")), 422, "body #/s: is longer than 4 characters"},
		{"a text as a file: a format", "multipart/form-data; boundary=b", multi(part("n", "", "1"), part("d", "; filename=\"x\"", "\xff")), 422, "body #/d: is no date"},
		{"JSON in a part", "multipart/form-data; boundary=b", multi(part("n", "", "1"), "Content-Type: application/json\r\n"+part("o", "", `{"x": "1"}`)), 422, "body #/o/x: want integer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, faults := f.send(t, request(http.MethodPost, "/a", tt.contentType, tt.body))
			if status != tt.status || faults != tt.fault {
				t.Errorf("%d %q, want %d %q", status, faults, tt.status, tt.fault)
			}
			if status == http.StatusOK && f.body != tt.body {
				t.Errorf("the API read %q, want %q", f.body, tt.body)
			}
		})
	}
}

func TestTypesOfBodies(t *testing.T) {
	f := newFront(t, post(`"application/json": {"schema": {"type": "object"}}, "application/merge-patch+json": {}, "image/*": {}, "text/plain": {}`), contract.Config{MaxBytes: 64})
	long := strings.Repeat("x", 1000)
	for _, tt := range []struct {
		contentType, coding, body string
		status                    int
	}{
		{"application/json", "", "{}", 200},
		{"Application/JSON; charset=UTF-8", "", "{}", 200},
		{"application/json; charset=utf-16", "", "{}", 415},
		{"application/merge-patch+json", "", "[", 400},
		{"image/png", "", long, 200}, // neither kept nor bounded here
		{"text/plain", "", long, 200},
		{"text/html", "", "x", 415},
		{"", "", "{}", 415},
		{"application/json, text/plain", "", "{}", 415},
		{"application/json", "gzip", "{}", 415},
		{"application/json", "identity", "{}", 200},
		{"application/json", "", `{"a": "` + long + `"}`, 413},
		{"application/json", "", "", 400},
	} {
		r := request(http.MethodPost, "/a", tt.contentType, tt.body)
		if tt.coding != "" {
			r.Header.Set("Content-Encoding", tt.coding)
		}
		if status, faults := f.send(t, r); status != tt.status {
			t.Errorf("%q %q %.20q: %d %s, want %d", tt.contentType, tt.coding, tt.body, status, faults, tt.status)
		}
	}
	none := newFront(t, document(get("/a", ``)), contract.Config{})
	for body, want := range map[string]int{"": 400, "{}": 200, `[]`: 422} {
		r := httptest.NewRequest(http.MethodPost, "/a", io.MultiReader(strings.NewReader(body))) // of unknown length
		r.Header.Set("Content-Type", "application/json")
		if status, faults := f.send(t, r); status != want {
			t.Errorf("a body of %d bytes where one is needed: %d %s, want %d", len(body), status, faults, want)
		}
	}
	for body, want := range map[string]int{"": 200, "x": 400} {
		r := httptest.NewRequest(http.MethodGet, "/a", io.MultiReader(strings.NewReader(body))) // of unknown length
		if status, _ := none.send(t, r); status != want {
			t.Errorf("a body of %d bytes where there is to be none: %d, want %d", len(body), status, want)
		}
	}
}

// TestInjectionMeetsTheDocument: SQL where the document says something else.
func TestInjectionMeetsTheDocument(t *testing.T) {
	attack.Case(t, "SQL-05", attack.Library, func(t *testing.T) {
		f := newFront(t, document(`"/orders/{id}": {"post": {"parameters": [
			{"in": "path", "name": "id", "required": true, "schema": {"type": "integer"}},
			{"in": "query", "name": "sort", "schema": {"enum": ["asc", "desc"]}}],
			"requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "properties": {"count": {"type": "integer"}}, "additionalProperties": false}}}}}}`), contract.Config{})
		for _, tt := range []struct {
			target, body, fault string
			status              int
		}{
			{"/orders/1%20OR%201=1", `{}`, "path id: want integer", 400},
			{"/orders/1;DROP", `{}`, "path id: want integer", 400},
			{"/orders/1?sort=asc,(select%201)", `{}`, "query sort: is none of the values that are allowed", 400},
			{"/orders/1?where=1", `{}`, "query: has a parameter that is not declared", 400},
			{"/orders/1", `{"count": "1 OR 1=1"}`, "body #/count: want integer", 422},
			{"/orders/1", `{"count": 1, "role": "admin"}`, "body #: has a member that is not declared", 422},
			{"/orders/1", `{"count": {"$gt": 0}}`, "body #/count: want integer", 422},
		} {
			status, faults := f.send(t, request(http.MethodPost, tt.target, "application/json", tt.body))
			if status != tt.status || faults != tt.fault {
				t.Errorf("%s %s: %d %q, want %d %q", tt.target, tt.body, status, faults, tt.status, tt.fault)
			}
		}
		if f.reached > 0 {
			t.Errorf("the API was reached %d times", f.reached)
		}
	})
}

// TestFloodsOfABody: what would take memory or time is refused, and what the
// judging takes does not grow with what is sent.
func TestFloodsOfABody(t *testing.T) {
	f := newFront(t, post(`"application/json": {"schema": {"$ref": "#/components/schemas/e"}}, "multipart/form-data": {}, "application/x-www-form-urlencoded": {}`,
		`, "components": {"schemas": {"e": {"anyOf": [{"$ref": "#/components/schemas/a"}, {"$ref": "#/components/schemas/b"}, {"type": ["number", "array"]}]},
			"a": {"type": "object", "properties": {"x": {"$ref": "#/components/schemas/e"}}, "required": ["a"]}, "b": {"type": "object", "properties": {"x": {"$ref": "#/components/schemas/e"}}, "required": ["b"]}}}`), contract.Config{})
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(make([]byte, 4<<20)); err != nil { // some KiB on the way
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var members strings.Builder
	members.WriteString(`{"x": 1`)
	for i := range 60_000 {
		fmt.Fprintf(&members, `,"%d":0`, i)
	}
	attack.Case(t, "FLOOD-04", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name, contentType, coding, body string
			status                          int
		}{
			{"deep lists", "application/json", "", strings.Repeat("[", 100_000), 400},
			{"deep objects", "application/json", "", strings.Repeat(`{"x":`, 100_000), 400},
			{"many members", "application/json", "", members.String() + "}", 400},
			{"many items", "application/json", "", "[" + strings.Repeat("0,", 400_000) + "0]", 400},
			{"more than is kept", "application/json", "", "[" + strings.Repeat("0,", 4_000_000) + "0]", 413},
			{"a long number", "application/json", "", strings.Repeat("9", 500_000), 400},
			{"a large exponent", "application/json", "", "1e999999999", 400},
			{"alternatives within alternatives", "application/json", "", strings.Repeat(`{"x":`, 31) + "null" + strings.Repeat("}", 31), 422},
			{"parts", "multipart/form-data; boundary=b", "", strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n", 10_000) + "--b--\r\n", 400},
			{"pairs", "application/x-www-form-urlencoded", "", strings.Repeat("a=1&", 100_000), 400},
			{"a bomb", "application/json", "gzip", zipped.String(), 415},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r := request(http.MethodPost, "/a", tt.contentType, tt.body)
				if tt.coding != "" {
					r.Header.Set("Content-Encoding", tt.coding)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				status, faults := f.send(t, r)
				runtime.ReadMemStats(&after)
				if status != tt.status || f.reached > 0 {
					t.Errorf("%d %s, want %d", status, faults, tt.status)
				}
				const most = 64 << 20
				if took := after.TotalAlloc - before.TotalAlloc; took > most {
					t.Errorf("judging it allocated %d MiB, want at most %d", took>>20, most>>20)
				}
			})
		}
	})
}

// TestPatternsAreLinear: they backtrack for ever in other engines.
func TestPatternsAreLinear(t *testing.T) {
	attack.Case(t, "FLOOD-05", attack.Library, func(t *testing.T) {
		for _, pattern := range []string{`^(a+)+$`, `^(a|aa)+$`, `^(a|a?)+$`, `^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*$`, `(.*a){20}`, `^(([a-z])+.)+[A-Z]([a-z])+$`} {
			text, err := json.Marshal(pattern)
			if err != nil {
				t.Fatal(err)
			}
			f := newFront(t, jsonBody(`{"type": "string", "pattern": `+string(text)+`}`), contract.Config{})
			// Whoever backtracks does not come back from 100,000; no clock is needed to see it.
			if status, faults := f.send(t, request(http.MethodPost, "/a", "application/json", `"`+strings.Repeat("a", 100_000)+`!"`)); status != 422 && status != 200 {
				t.Errorf("%s: %d %s", pattern, status, faults)
			}
		}
		for _, pattern := range []string{`(?=a)`, `(?<!a)b`, `(a)\\1`, `(a{1000}){1000}`, `[`, `a{2,1}`, `((a{100}){100}){100}`, strings.Repeat("a", 5000)} {
			if _, err := contract.Read([]byte(jsonBody(`{"pattern": "`+pattern+`"}`)), contract.Options{}); err == nil || !strings.Contains(err.Error(), "/schema/pattern: ") {
				t.Errorf("%.40s: error = %v, want one that names the place", pattern, err)
			}
		}
	})
}

func TestShadow(t *testing.T) {
	var reasons []string
	d := read(t, jsonBody(`{"type": "integer"}`))
	f := frontOf(t, contract.Config{Operation: d.Operations[0], Shadow: true, MaxBytes: 16, Shadowed: func(_ *exchange.Exchange, reason string) { reasons = append(reasons, reason) }})
	long := `"` + strings.Repeat("x", 100_000) + `"`
	for _, tt := range []struct{ target, body, reason string }{
		{"/a", "1", ""}, {"/a", `"x"`, "body"}, {"/a?q=1", "1", "parameters"}, {"/a", "[", "body-malformed"}, {"/a", long, "body-too-large"},
	} {
		reasons = nil
		status, _ := f.send(t, request(http.MethodPost, tt.target, "application/json", tt.body))
		if got := strings.Join(reasons, " "); status != http.StatusOK || got != tt.reason || f.body != tt.body {
			t.Errorf("%s %.20s: %d, %q, and the API read %d bytes; want 200, %q and %d", tt.target, tt.body, status, got, len(f.body), tt.reason, len(tt.body))
		}
	}
}

// unreadable is a body that nobody may read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("a dry judgement read the body")
	return 0, io.EOF
}
func (unreadable) Close() error { return nil }

// TestDry: the parameters are judged, the body is somebody else's.
func TestDry(t *testing.T) {
	d := read(t, jsonBody(`{"type": "integer"}`))
	s, err := contract.New(contract.Config{Operation: d.Operations[0], Shadowed: func(*exchange.Exchange, string) { t.Error("a dry judgement was told") }})
	if err != nil {
		t.Fatal(err)
	}
	shadow, err := contract.New(contract.Config{Operation: d.Operations[0], Shadow: true, Shadowed: func(*exchange.Exchange, string) { t.Error("a dry judgement was told") }})
	if err != nil {
		t.Fatal(err)
	}
	for target, passes := range map[string]bool{"/a": true, "/a?q=1": false} {
		r := request(http.MethodPost, target, "application/json", "x")
		r.Body = unreadable{t}
		x := exchange.New(r)
		x.Path, x.RawQuery, x.Dry = "/a", r.URL.RawQuery, true
		if v := s.Check(x); v.Passed() != passes {
			t.Errorf("%s: passes %v, want %v", target, v.Passed(), passes)
		}
		if v := shadow.Check(x); !v.Passed() {
			t.Errorf("%s: refused in shadow", target)
		}
	}
}

func TestNewChecks(t *testing.T) {
	if _, err := contract.New(contract.Config{MaxBytes: -1}); err == nil || !strings.Contains(err.Error(), "Operation") || !strings.Contains(err.Error(), "MaxBytes") {
		t.Errorf("error = %v, want one that names both fields", err)
	}
}

// slow is a body that stops.
type slow struct{}

func (slow) Read([]byte) (int, error) { return 0, timeout{} }
func (slow) Close() error             { return nil }

type timeout struct{}

func (timeout) Error() string   { return "timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestBodiesThatBreak(t *testing.T) {
	f := newFront(t, jsonBody(`{}`), contract.Config{})
	for _, tt := range []struct {
		body   io.ReadCloser
		status int
	}{{slow{}, 408}, {io.NopCloser(io.MultiReader(strings.NewReader("{"), failing{})), 400}} {
		r := request(http.MethodPost, "/a", "application/json", "x")
		r.Body = tt.body
		if status, _ := f.send(t, r); status != tt.status {
			t.Errorf("%d, want %d", status, tt.status)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("reset") }

// The allocations of a judgement are bounded by what is judged.
func TestAllocations(t *testing.T) {
	f := newFront(t, jsonBody(`{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}`), contract.Config{})
	got := testing.AllocsPerRun(100, func() {
		f.ServeHTTP(httptest.NewRecorder(), request(http.MethodPost, "/a", "application/json", `{"a": 1, "b": "x"}`))
	})
	if got > 90 {
		t.Errorf("a small body takes %v allocations, the request's own included; want at most 90", got)
	}
}

func BenchmarkBody(b *testing.B) {
	f := newFront(b, jsonBody(`{"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string", "maxLength": 40}}, "required": ["id"]}}`), contract.Config{})
	body := "[" + strings.TrimSuffix(strings.Repeat(`{"id": 17, "name": "somebody"},`, 300), ",") + "]"
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		f.ServeHTTP(httptest.NewRecorder(), request(http.MethodPost, "/a", "application/json", body))
	}
}

func FuzzJudge(f *testing.F) {
	d, err := contract.Read([]byte(post(`"application/json": {"schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/components/schemas/b"}}, "additionalProperties": false}},
		"application/x-www-form-urlencoded": {"schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "integer"}}}}}, "multipart/form-data": {"schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}`,
		`, "components": {"schemas": {"b": {"type": "array", "items": {"$ref": "#/components/schemas/b"}, "uniqueItems": true}}}`)), contract.Options{})
	if err != nil {
		f.Fatal(err)
	}
	s, err := contract.New(contract.Config{Operation: d.Operations[0], MaxBytes: 16 << 10})
	if err != nil {
		f.Fatal(err)
	}
	for _, body := range []string{`{"a": 1, "b": [[], [[]]]}`, `{"a": 1.5}`, `[`, `"\ud83d\ude00"`, "a=1&b=2&b=3", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n"} {
		f.Add(uint8(0), "", body)
		f.Add(uint8(1), "a=1", body)
		f.Add(uint8(2), "%", body)
	}
	types := []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"}
	f.Fuzz(func(t *testing.T, kind uint8, rawQuery, body string) {
		r := httptest.NewRequest(http.MethodPost, "/a", strings.NewReader(body))
		r.Header.Set("Content-Type", types[int(kind)%len(types)])
		x := exchange.New(r)
		x.Path, x.RawQuery = "/a", rawQuery
		v := s.Check(x)
		if !v.Passed() {
			if p := v.Problem(); p == nil || p.Type.Status() >= 500 {
				t.Errorf("refused with %v", p)
			}
			return
		}
		rest, err := io.ReadAll(x.Request.Body)
		if err != nil || string(rest) != body {
			t.Errorf("what passed reads %q, %v, want %q", rest, err, body)
		}
		if kind%3 == 0 && body != "" {
			var value any
			if err := json.Unmarshal([]byte(body), &value); err != nil {
				t.Errorf("%q passed, and encoding/json says: %v", body, err)
			}
		}
	})
}
