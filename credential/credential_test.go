package credential_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/credential"
)

func many(n int, pair, separator string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(pair, i)
	}
	return strings.Join(all, separator)
}

type row struct {
	name  string
	in    []string // fields; of a query the first
	value string
	state credential.State
	rest  []string // what is left without it; nil: what was sent
}

func cookies() []row {
	crowd := many(5000, "c%d=v", "; ")
	return []row{
		{"none", nil, "", credential.Absent, nil},
		{"another", []string{"a=1"}, "", credential.Absent, nil},
		{"alone", []string{"sid=x"}, "x", credential.Once, []string{}},
		{"first", []string{"sid=x; a=1"}, "x", credential.Once, []string{"a=1"}},
		{"last", []string{"a=1; sid=x"}, "x", credential.Once, []string{"a=1"}},
		{"between, the others as they are", []string{`a= "1" ;sid=x;  b=%zz`}, "x", credential.Once, []string{`a= "1" ;  b=%zz`}},
		{"second field", []string{"a=1", "sid=x"}, "x", credential.Once, []string{"a=1"}},
		{"behind 5,000 others", []string{crowd + "; sid=x"}, "x", credential.Once, []string{crowd}},
		{"empty", []string{"sid="}, "", credential.Once, []string{}},
		{"no equals sign", []string{"sid"}, "", credential.Once, []string{}},
		{"quoted: quotes are of the value", []string{`sid="x"`}, `"x"`, credential.Once, []string{}},
		{"a quote inside", []string{`sid=x"y`}, `x"y`, credential.Once, []string{}},
		{"equals signs in the value", []string{"sid=a=b="}, "a=b=", credential.Once, []string{}},
		{"blanks around", []string{" sid = x ; a=1"}, "x", credential.Once, []string{"a=1"}},
		{"inside another's quotes", []string{`a="1; sid=x"`}, `x"`, credential.Once, []string{`a="1`}},
		{"twice", []string{"sid=x; sid=y"}, "", credential.Repeated, []string{}},
		{"twice the same", []string{"sid=x; sid=x"}, "", credential.Repeated, []string{}},
		{"in two fields", []string{"sid=x", "a=1; sid=y"}, "", credential.Repeated, []string{"a=1"}},
		{"other case is another", []string{"SID=x"}, "", credential.Absent, nil},
		{"longer name", []string{"sid2=x; xsid=y"}, "", credential.Absent, nil},
		{"nameless", []string{"=sid=x"}, "", credential.Absent, nil},
		{"separators only", []string{";;; ;"}, "", credential.Absent, nil},
	}
}

func TestCookie(t *testing.T) {
	for _, tt := range cookies() {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"Cookie": tt.in}
			value, state := credential.Cookie(h, "sid")
			if value != tt.value || state != tt.state {
				t.Errorf("Cookie = %.40q, %v, want %.40q, %v", value, state, tt.value, tt.state)
			}
			want := tt.rest
			if want == nil {
				want = tt.in
			}
			if got := credential.WithoutCookies(tt.in, "none", "sid"); !slices.Equal(got, want) {
				t.Errorf("WithoutCookies = %.80q, want %.80q", got, want)
			}
		})
	}
}

func queries() []row {
	crowd := many(10000, "p%d=v", "&")
	return []row{
		{"none", []string{""}, "", credential.Absent, nil},
		{"another", []string{"a=1"}, "", credential.Absent, nil},
		{"alone", []string{"api_key=x"}, "x", credential.Once, []string{""}},
		{"first", []string{"api_key=x&a=1"}, "x", credential.Once, []string{"a=1"}},
		{"the others as they are", []string{"a=%2f+%zz&api_key=x&&b"}, "x", credential.Once, []string{"a=%2f+%zz&&b"}},
		{"between empty ones", []string{"&&a=1&api_key=x&&"}, "x", credential.Once, []string{"&&a=1&&"}},
		{"before empty ones", []string{"api_key=x&&a"}, "x", credential.Once, []string{"&a"}},
		{"behind 10,000 others", []string{crowd + "&api_key=x"}, "x", credential.Once, []string{crowd}},
		{"empty", []string{"api_key="}, "", credential.Once, []string{""}},
		{"no equals sign", []string{"api_key"}, "", credential.Once, []string{""}},
		{"encoded name", []string{"api%5Fkey=x"}, "x", credential.Once, []string{""}},
		{"encoded name, lower case digits", []string{"api%5fkey=x"}, "x", credential.Once, []string{""}},
		{"encoded value", []string{"api_key=a%5Fb"}, "a_b", credential.Once, []string{""}},
		{"value that does not decode", []string{"api_key=%zz"}, "", credential.Unreadable, []string{""}},
		{"twice", []string{"api_key=x&api_key=y"}, "", credential.Repeated, []string{""}},
		{"twice, spelt differently", []string{"api_key=x&api%5Fkey=y&a=1"}, "", credential.Repeated, []string{"a=1"}},
		{"as an array", []string{"api_key[]=x"}, "", credential.Unreadable, []string{""}},
		{"as an array beside it", []string{"api_key=x&api_key%5B0%5D=y"}, "", credential.Unreadable, []string{""}},
		{"other case", []string{"API_KEY=x"}, "", credential.Unreadable, []string{""}},
		{"other case beside it", []string{"api_key=x&Api_Key=y"}, "", credential.Unreadable, []string{""}},
		{"as PHP folds it", []string{"api.key=x"}, "", credential.Unreadable, []string{""}},
		{"blanks around", []string{"+api_key=x"}, "", credential.Unreadable, []string{""}},
		{"behind a semicolon", []string{"a=1;api_key=x"}, "", credential.Unreadable, []string{""}},
		{"before a semicolon", []string{"api_key=x;a=1"}, "", credential.Unreadable, []string{""}},
		{"another's semicolon", []string{"a=1;2&api_key=x"}, "x", credential.Once, []string{"a=1;2"}},
		{"beside a value that does not decode", []string{"a=%zz&api_key=x"}, "x", credential.Once, []string{"a=%zz"}},
		{"beside a name that does not decode", []string{"a%zz=1&api_key=x"}, "", credential.Unreadable, []string{"a%zz=1"}},
		{"a name that does not decode, alone", []string{"api%key=1"}, "", credential.Unreadable, nil},
		{"longer name", []string{"api_key2=x&xapi_key=y"}, "", credential.Absent, nil},
		{"in another's value", []string{"a=api_key=x&b=api_key"}, "", credential.Absent, nil},
	}
}

func TestQuery(t *testing.T) {
	for _, tt := range queries() {
		t.Run(tt.name, func(t *testing.T) {
			value, state := credential.Query(tt.in[0], "api_key")
			if value != tt.value || state != tt.state {
				t.Errorf("Query = %.40q, %v, want %.40q, %v", value, state, tt.value, tt.state)
			}
			want := tt.rest
			if want == nil {
				want = tt.in
			}
			if got := credential.WithoutQuery(tt.in[0], "none", "api_key"); got != want[0] {
				t.Errorf("WithoutQuery = %.80q, want %.80q", got, want[0])
			}
		})
	}
}

func TestAuthorization(t *testing.T) {
	for _, tt := range []struct {
		name         string
		fields       []string
		scheme, rest string
		state        credential.State
	}{
		{"none", nil, "", "", credential.Absent},
		{"bearer", []string{"Bearer abc"}, "Bearer", "abc", credential.Once},
		{"case stays", []string{"bEARER abc"}, "bEARER", "abc", credential.Once},
		{"two blanks", []string{"Bearer  abc"}, "Bearer", "abc", credential.Once},
		{"tab is no blank", []string{"Bearer\tabc"}, "Bearer\tabc", "", credential.Once},
		{"empty", []string{""}, "", "", credential.Once},
		{"scheme only", []string{"Bearer"}, "Bearer", "", credential.Once},
		{"two fields", []string{"Bearer a", "Basic b"}, "", "", credential.Repeated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scheme, rest, state := credential.Authorization(http.Header{"Authorization": tt.fields})
			if scheme != tt.scheme || rest != tt.rest || state != tt.state {
				t.Errorf("got %q, %q, %v, want %q, %q, %v", scheme, rest, state, tt.scheme, tt.rest, tt.state)
			}
		})
	}
}

func TestNothingIsAllocated(t *testing.T) {
	h := http.Header{"Cookie": {"a=1; sid=x; b=2"}, "Authorization": {"Bearer abc"}}
	for name, f := range map[string]func(){
		"cookie":        func() { credential.Cookie(h, "sid") },
		"query":         func() { credential.Query("a=1&api_key=x&b=2", "api_key") },
		"authorization": func() { credential.Authorization(h) },
		"no cookie":     func() { credential.WithoutCookies(h["Cookie"], "none") },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: %v allocations, want none", name, got)
		}
	}
}

// Whatever is there is found, and whatever is removed is not found again.
func FuzzCookie(f *testing.F) {
	for _, tt := range cookies() {
		f.Add(strings.Join(tt.in, "\n"), "sid")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		if name == "" || strings.ContainsAny(name, "=; \t\n") {
			return
		}
		fields := strings.Split(text, "\n")
		rest := credential.WithoutCookies(fields, name)
		if _, s := credential.Cookie(http.Header{"Cookie": rest}, name); s != credential.Absent {
			t.Errorf("%q without %q is %q: still %v", fields, name, rest, s)
		}
		_, before := credential.Cookie(http.Header{"Cookie": fields}, name)
		if before == credential.Absent && !slices.Equal(rest, fields) {
			t.Errorf("%q has no %q and became %q", fields, name, rest)
		}
		_, after := credential.Cookie(http.Header{"Cookie": append(slices.Clone(fields), name+"=x")}, name)
		if before == credential.Absent && after != credential.Once || before != credential.Absent && after != credential.Repeated {
			t.Errorf("%q and one more %q: %v after %v", fields, name, after, before)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, tt := range queries() {
		f.Add(tt.in[0])
	}
	f.Fuzz(func(t *testing.T, raw string) {
		const name = "api_key"
		_, before := credential.Query(raw, name)
		rest := credential.WithoutQuery(raw, name)
		if before == credential.Absent && rest != raw {
			t.Errorf("%q has no %q and became %q", raw, name, rest)
		}
		// A name that does not decode stays, and keeps the query unreadable.
		if _, s := credential.Query(rest, name); s != credential.Absent && s != credential.Unreadable {
			t.Errorf("%q without %q is %q: still %v", raw, name, rest, s)
		}
		if before == credential.Once {
			if _, s := credential.Query(raw+"&"+name+"=x", name); s != credential.Repeated {
				t.Errorf("%q and one more: %v", raw, s)
			}
		}
	})
}
