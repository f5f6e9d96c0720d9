package bearer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/internal/bearer"
)

func TestFind(t *testing.T) {
	r := bearer.NewRefused()
	leave := func(token string) bool { return strings.HasPrefix(token, "key_") }
	for _, tt := range []struct {
		name, field, token, reason string // reason "" with token "": absent
	}{
		{"a token", "Bearer abc.DEF-_~+/0==", "abc.DEF-_~+/0==", ""},
		{"at the limit", "Bearer " + strings.Repeat("a", 64), strings.Repeat("a", 64), ""},
		{"over the limit", "Bearer " + strings.Repeat("a", 65), "", "too-large"},
		{"another's", "Bearer key_x", "", ""},
		{"another's that is no token", "Bearer key_ x", "", ""},
		{"only padding", "Bearer ==", "", "malformed"},
		{"padding inside", "Bearer a=b", "", "malformed"},
		{"not ASCII", "Bearer ä", "", "malformed"},
		{"NUL", "Bearer a\x00", "", "malformed"},
		{"empty", "", "", "malformed"},
		{"blanks", "   ", "", "malformed"},
		{"a tab", "\tBearer abc", "", ""},
		{"Digest", `Digest username="a"`, "", ""},
		{"Bearer-like", "Bearer2 abc", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, err := r.Find(http.Header{"Authorization": {tt.field}}, 64, leave)
			reason := ""
			if refusal, ok := errors.AsType[*authn.Refusal](err); ok {
				reason = refusal.Reason()
			}
			if token != tt.token || reason != tt.reason || (err == nil) != (tt.token != "") {
				t.Errorf("got %q, %v, want %q, %q", token, err, tt.token, tt.reason)
			}
			if tt.token == "" && tt.reason == "" && !errors.Is(err, authn.ErrNoCredential) {
				t.Errorf("error %v, want an absent credential", err)
			}
		})
	}
	good, bad := http.Header{"Authorization": {"Bearer abc"}}, http.Header{"Authorization": {"Bearer ä"}}
	if got := testing.AllocsPerRun(100, func() {
		_, _ = r.Find(good, 64, leave)
		_, _ = r.Find(bad, 64, leave)
		_ = bearer.SumOf("abc")
	}); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func texts() []string {
	return []string{
		`{}`, `{"a":1}`, `{"a":{"b":[1,2.5,-3,1e3,true,null,"x"]}}`, `[]`, `1`, `"a"`, `null`, ``, `{`, `{"a":1}{}`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":1}}`,
		`{"a":1,"\u0061":2}`, `{"a":1,"A":2}`, `{"a":"\ud800"}`, `{"a":"\ufffd"}`, "{\"a\":\"\xff\"}", `{"a":1e400}`, `{"a":9223372036854775807}`,
		`{"a":9223372036854775808}`, `{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{a:1}`, `{"a":1,}`, ` {"a" : 1} `, "\ufeff{}", `{"a":"\u0000"}`, `{"":1}`, `{"":1,"":2}`,
		strings.Repeat(`{"a":`, 16) + "1" + strings.Repeat("}", 16), strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17),
	}
}

// FuzzObject holds it against encoding/json: what is decoded is what that one
// decodes, numbers aside, and what has no two readings is only left out for a reason.
func FuzzObject(f *testing.F) {
	for _, text := range texts() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := bearer.Object(text)
		if err != nil {
			return
		}
		var want map[string]any
		if err := json.Unmarshal(text, &want); err != nil || want == nil {
			t.Fatalf("%q was decoded, and encoding/json says %v", text, err)
		}
		if again, err := json.Marshal(got); err != nil || !sameJSON(t, again, want) {
			t.Errorf("%q was decoded as %s, %v", text, again, err)
		}
	})
}

func sameJSON(t *testing.T, text []byte, want map[string]any) bool {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(got, want)
}

func TestObject(t *testing.T) {
	good := map[string]bool{
		`{}`: true, `{"a":1}`: true, `{"a":{"b":[1,2.5,-3,1e3,true,null,"x"]}}`: true, `{"a":1,"A":2}`: true, `{"a":9223372036854775807}`: true, ` {"a" : 1} `: true,
		`{"a":"\u0000"}`: true, `{"":1}`: true, strings.Repeat(`{"a":`, 16) + "1" + strings.Repeat("}", 16): true,
	}
	for _, text := range texts() {
		if _, err := bearer.Object([]byte(text)); (err == nil) != good[text] {
			t.Errorf("%.60q: error %v", text, err)
		}
	}
	got, err := bearer.Object([]byte(`{"i":9007199254740993,"f":0.5,"e":1e3}`))
	if want := map[string]any{"i": int64(9007199254740993), "f": 0.5, "e": 1000.0}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("numbers: got %v, %v, want %v", got, err, want)
	}
}

func TestDate(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  int64
		ok    bool
	}{
		{int64(0), 0, true},
		{int64(1), 1, true},
		{1.9, 1, true},
		{int64(253402300799), 253402300799, true},
		{int64(253402300800), 0, false},
		{-0.5, 0, false},
		{int64(-1), 0, false},
		{1e300, 0, false},
		{"1", 0, false},
		{nil, 0, false},
		{true, 0, false},
	} {
		got, ok := bearer.Date(map[string]any{"exp": tt.value}, "exp")
		if ok != tt.ok || ok && got.Unix() != tt.want {
			t.Errorf("Date(%v) = %v, %v, want %v, %v", tt.value, got, ok, tt.want, tt.ok)
		}
	}
	if got, ok := bearer.Date(nil, "exp"); !ok || !got.Equal(time.Time{}) {
		t.Errorf("absent: %v, %v", got, ok)
	}
}

func TestMappingNames(t *testing.T) {
	m := bearer.Mapping{Owner: strings.Repeat("a", 65), Scopes: []string{"a\nb"}}
	m.Complete()
	err := m.Check()
	if err == nil || strings.Count(err.Error(), "claim ") != 2 || m.Subject != "sub" {
		t.Errorf("error %v, want two names", err)
	}
}

func TestCache(t *testing.T) {
	sum := func(n int) bearer.Sum { return bearer.SumOf(fmt.Sprint(n)) }
	for _, limit := range []int{1, 2, 100, 1024, 5000} {
		c := bearer.NewCache[int](limit)
		for n := range 3 * limit {
			c.Put(sum(n), n)
			c.Put(sum(n), n)
			if got, ok := c.Get(sum(n)); !ok || got != n {
				t.Fatalf("limit %d: Get(%d) = %d, %v just after Put", limit, n, got, ok)
			}
			if c.Len() > limit {
				t.Fatalf("limit %d: %d values", limit, c.Len())
			}
			if n%3 == 0 {
				c.Delete(sum(n))
				c.Delete(sum(n))
				if _, ok := c.Get(sum(n)); ok {
					t.Fatalf("limit %d: %d is there after Delete", limit, n)
				}
			}
		}
		for n := range 3 * limit {
			if got, ok := c.Get(sum(n)); ok && got != n {
				t.Fatalf("limit %d: Get(%d) = %d", limit, n, got)
			}
		}
	}
	hot := bearer.NewCache[int](100)
	hot.Put(sum(-1), -1)
	for n := range 10_000 {
		hot.Put(sum(n), n)
		if _, ok := hot.Get(sum(-1)); !ok {
			t.Fatal("what is asked for again and again was forgotten")
		}
	}
	off := bearer.NewCache[int](-1)
	off.Put(sum(1), 1)
	if off.Len() != 0 {
		t.Error("a cache that is off keeps values")
	}
}
