package apikey_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// fields returns the fields that the [*apikey.SpecError]s in err name, sorted.
func fields(t *testing.T, err error) string {
	t.Helper()
	var names []string
	var visit func(error)
	visit = func(err error) {
		if one, ok := err.(*apikey.SpecError); ok { //nolint:errorlint // this walks the tree itself
			names = append(names, one.Field)
			return
		}
		many, ok := err.(interface{ Unwrap() []error })
		if !ok {
			t.Errorf("error %v is no SpecError", err)
			return
		}
		for _, err := range many.Unwrap() {
			visit(err)
		}
	}
	if err != nil {
		visit(err)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// unquoted fails when err repeats a value that was refused.
func unquoted(t *testing.T, err error, value string) {
	t.Helper()
	if err != nil && len(value) > 1 && strings.Contains(err.Error(), value) {
		t.Errorf("error %q repeats the value", err)
	}
}

// texts are values of a name, owner, actor or source.
func texts() []struct {
	name, value string
	ok          bool
} {
	return []struct {
		name, value string
		ok          bool
	}{
		{"plain", "customer-7", true},
		{"comma", "Miller, Inc.", true},
		{"non-ASCII", "Zoë Ørsted 株式会社", true},
		{"emoji", "team 🦊", true},
		{"quotes and brackets", `"a" <b> 'c' & d`, true},
		{"128 bytes", strings.Repeat("é", 64), true},
		{"129 bytes", strings.Repeat("é", 64) + "x", false},
		{"8 KiB", strings.Repeat("a", 8<<10), false},
		{"CR LF", "a\r\nX-Admin: 1", false},
		{"LF", "a\nb", false},
		{"CR", "a\rb", false},
		{"NUL", "a\x00b", false},
		{"tab", "a\tb", false},
		{"escape", "a\x1b[31mb", false},
		{"DEL", "a\x7fb", false},
		{"C1 control", "a\u0085b", false},
		{"line separator", "a\u2028b", false},
		{"bidi override", "a\u202eb", false},
		{"bidi isolate", "a\u2066b", false},
		{"right-to-left mark", "a\u200fb", false},
		{"zero width space", "a\u200bb", false},
		{"byte order mark", "a\ufeffb", false},
		{"no-break space", "a\u00a0b", false},
		{"private use", "a\ue000b", false},
		{"invalid UTF-8", "a\xffb", false},
		{"overlong NUL", "a\xc0\x80b", false},
		{"surrogate", "a\xed\xa0\x80b", false},
	}
}

func TestTextsOfAKey(t *testing.T) {
	attack.Case(t, "PROXY-23", attack.Library, func(t *testing.T) {
		for _, tt := range texts() {
			for field, spec := range map[string]apikey.Spec{"name": {Name: tt.value}, "owner": {Owner: tt.value}} {
				spec.Environment = "live"
				want := field
				if tt.ok {
					want = ""
				}
				err := spec.Check(time.Now())
				if got := fields(t, err); got != want {
					t.Errorf("%s: %s: refused %q (%v), want %q", field, tt.name, got, err, want)
				}
				unquoted(t, err, tt.value)
				created(t, spec, tt.ok)
			}
		}
		for _, scope := range []string{"a\r\nb", "a\nb", "a\x00b", "a,b", "a b", "ä:read", strings.Repeat("a", 8<<10), "a:*:b", "*:a", "a*", "", ":", "a:", ":a", "a::b", "a\u202eb"} {
			spec := apikey.Spec{Environment: "live", Scopes: []string{"orders:read", scope}}
			err := spec.Check(time.Now())
			if got := fields(t, err); got != "scopes" || !strings.Contains(err.Error(), "number 2") {
				t.Errorf("scope %.20q: refused %q (%v), want number 2 of scopes", scope, got, err)
			}
			unquoted(t, err, scope)
			created(t, spec, false)
		}
	})
}

// created fails when Create does not do what Check says, or stores what it refuses.
func created(t *testing.T, spec apikey.Spec, want bool) {
	t.Helper()
	store := new(applying)
	peppers, _ := newPeppers(t, 1)
	_, text, err := newIssuer(t, apikey.IssuerConfig{Store: store, Peppers: peppers}).Create(t.Context(), by(), spec)
	if (err == nil) != want || text.IsZero() == want || (store.applied == 1) != want {
		t.Errorf("Create: %v, %d changes, want success %v", err, store.applied, want)
	}
}

func TestSpecCheck(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	many := func(n int) []string { return slices.Repeat([]string{"a:b"}, n) }
	for _, tt := range []struct {
		name string
		spec apikey.Spec
		want string
	}{
		{"the least", apikey.Spec{Environment: "live"}, ""},
		{"no environment", apikey.Spec{}, "environment"},
		{"environment of 16", apikey.Spec{Environment: "0123456789abcdef"}, ""},
		{"environment of 17", apikey.Spec{Environment: "0123456789abcdefg"}, "environment"},
		{"environment in upper case", apikey.Spec{Environment: "Live"}, "environment"},
		{"environment with the divider", apikey.Spec{Environment: "li_ve"}, "environment"},
		{"environment with a blank", apikey.Spec{Environment: "live "}, "environment"},
		{"100 scopes", apikey.Spec{Environment: "live", Scopes: many(100)}, ""},
		{"101 scopes", apikey.Spec{Environment: "live", Scopes: many(101)}, "scopes"},
		{"wildcards", apikey.Spec{Environment: "live", Scopes: []string{"*", "orders:*", "a.b/c_d-e:f"}}, ""},
		{"a scope twice", apikey.Spec{Environment: "live", Scopes: []string{"a", "a"}}, ""},
		{"expires at once", apikey.Spec{Environment: "live", Expires: now}, "expires"},
		{"expired", apikey.Spec{Environment: "live", Expires: now.Add(-time.Second)}, "expires"},
		{"expires soon", apikey.Spec{Environment: "live", Expires: now.Add(time.Millisecond)}, ""},
		{"everything wrong is reported", apikey.Spec{Name: "\n", Owner: "\x00", Scopes: []string{""}, Expires: now}, "environment expires name owner scopes"},
	} {
		if got := fields(t, tt.spec.Check(now)); got != tt.want {
			t.Errorf("%s: refused %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestExpiryBelowAMillisecond: what is stored has milliseconds, and must not be
// expired when it is made.
func TestExpiryBelowAMillisecond(t *testing.T) {
	created(t, apikey.Spec{Environment: "live", Expires: time.Now().Truncate(time.Millisecond)}, false)
	created(t, apikey.Spec{Environment: "live", Expires: time.Now().Add(time.Minute)}, true)
}

func TestWhoAsks(t *testing.T) {
	for _, tt := range texts() {
		for field, who := range map[string]apikey.By{"actor": {Actor: tt.value, Source: "cli"}, "source": {Actor: "system", Source: tt.value}} {
			h := newStoreHouse(t)
			_, _, err := h.issuer.Create(t.Context(), who, apikey.Spec{Environment: "live"})
			want := field
			if tt.ok || field == "actor" && tt.name == "129 bytes" { // an actor may name an owner, and who made the link
				want = ""
			}
			if got := fields(t, err); got != want {
				t.Errorf("%s: %s: refused %q, want %q", field, tt.name, got, want)
			}
			unquoted(t, err, tt.value)
		}
	}
	h := newStoreHouse(t)
	for actor, want := range map[string]string{strings.Repeat("é", 256): "", strings.Repeat("é", 256) + "x": "actor"} {
		if _, _, err := h.issuer.Create(t.Context(), apikey.By{Actor: actor, Source: "cli"}, apikey.Spec{Environment: "live"}); fields(t, err) != want {
			t.Errorf("an actor of %d bytes: %v, want %q refused", len(actor), err, want)
		}
	}
	if _, _, err := h.issuer.Create(t.Context(), apikey.By{}, apikey.Spec{}); fields(t, err) != "actor environment source" {
		t.Errorf("nobody, nothing: %v, want actor, environment and source refused", err)
	}
}

func TestSpecErrorNamesItsField(t *testing.T) {
	err := (&apikey.Spec{Environment: "live", Owner: "\n"}).Check(time.Now())
	var one *apikey.SpecError
	if !errors.As(err, &one) || one.Field != "owner" || fmt.Sprint(one) != "apikey: owner: "+one.Reason {
		t.Errorf("error %v, want a SpecError that names the owner", err)
	}
}

// TestTheTextOfAKeyIsNoText: what is stored in plain text and shown in lists
// takes no key, whatever stands around it.
func TestTheTextOfAKeyIsNoText(t *testing.T) {
	h := newStoreHouse(t)
	_, made, err := h.issuer.Create(t.Context(), by(), apikey.Spec{Environment: "live"})
	if err != nil {
		t.Fatal(err)
	}
	key := made.Reveal()
	tail := key[strings.LastIndexByte(key, '_')+1:]
	for _, tt := range []struct {
		name, value string
		ok          bool
	}{
		{"the key", key, false},
		{"the key in a path", "k/" + key + "/x", false},
		{"the key after a name", "key." + key, false},
		{"the key after a word and the divider", "old_" + key, false},
		{"the key after letters", "KEY" + key, false},
		{"the key before more", key + "x", false},
		{"wrong check digits", key[:len(key)-6] + "000000", false},
		{"an unknown prefix and environment", "k9_x_" + tail, false},
		{"the key without its last character", key[:len(key)-1], true}, // a form too wide would refuse ids of other systems
		{"what may be shown of it", key[:len(key)-len(tail)+12], true},
		{"long, without an environment", "customer_" + tail, true},
		{"words", "my_live_environment_of_the_department_of_redundancy_department", true},
	} {
		for field, spec := range map[string]apikey.Spec{"name": {Name: tt.value}, "owner": {Owner: tt.value}, "scopes": {Scopes: []string{"a:" + tt.value}}} {
			spec.Environment = "live"
			want := field
			if tt.ok {
				want = ""
			}
			err := spec.Check(time.Now())
			if got := fields(t, err); got != want || !tt.ok && !strings.Contains(err.Error(), "holds the text of a key") {
				t.Errorf("%s: %s: refused %q (%v), want %q", field, tt.name, got, err, want)
			}
			unquoted(t, err, tt.value)
			created(t, spec, tt.ok)
		}
		for field, who := range map[string]apikey.By{"actor": {Actor: tt.value, Source: "cli"}, "source": {Actor: "system", Source: tt.value}} {
			_, _, err := h.issuer.Create(t.Context(), who, apikey.Spec{Environment: "live"})
			want := field
			if tt.ok {
				want = ""
			}
			if got := fields(t, err); got != want {
				t.Errorf("%s: %s: refused %q (%v), want %q", field, tt.name, got, err, want)
			}
			unquoted(t, err, tt.value)
		}
	}
	record, _, err := h.issuer.Create(t.Context(), by(), apikey.Spec{Environment: "live"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.issuer.Revoke(t.Context(), by(), record.ID, key)
	if got := fields(t, err); got != "reason" {
		t.Errorf("a key as the reason of a revocation: refused %q, want reason", got)
	}
	unquoted(t, err, key)
}
