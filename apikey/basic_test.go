package apikey_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

func encode(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

func TestBasic(t *testing.T) {
	h := newHouse(t)
	_, good := h.create(t, "a")
	user, password := apikey.BasicUsername, apikey.BasicPassword
	for _, tt := range []struct {
		name     string
		field    apikey.BasicField
		shared   bool
		value    string
		reason   string
		somebody bool
	}{
		{"user name", "", false, userPass(good, ""), "", true},
		{"user name, by word", user, false, userPass(good, ""), "", true},
		{"user name with a password", user, false, userPass(good, "x"), "malformed", false},
		{"user name with a second colon", user, false, userPass(good, ":"), "malformed", false},
		{"password where the user name is wanted", user, false, userPass("", good), "malformed", false},
		{"password", password, false, userPass("", good), "", true},
		{"password with any user name", password, false, userPass("x-key é\x00", good), "", true},
		{"user name where the password is wanted", password, false, userPass(good, ""), "malformed", false},
		{"password with a colon", password, false, userPass("a", good+":"), "malformed", false},
		{"both", password, false, userPass(good, good), "", true},
		{"other case of the scheme", user, false, "bASIC   " + encode(good + ":")[6:], "", true},

		{"no colon", user, false, encode(good), "malformed", false},
		{"no padding", user, false, strings.TrimRight(encode(good+":a"), "="), "malformed", false},
		{"URL alphabet", user, false, "Basic --__", "malformed", false},
		{"bits behind the end", user, false, "Basic OjZ=", "malformed", false},
		{"a line end inside", user, false, "Basic " + userPass(good, "")[6:20] + "\r\n" + userPass(good, "")[20:], "malformed", false},
		{"not base64", user, false, "Basic " + good + ":", "malformed", false},
		{"nothing", user, false, "Basic", "malformed", false},
		{"empty parts", user, false, encode(":"), "malformed", false},
		{"more than 1 KiB", password, false, userPass(strings.Repeat("a", 800), good), "malformed", false},
		{"just 1 KiB", password, false, userPass(strings.Repeat("a", 768-len(good)-1), good), "", true},
		{"a bare key", user, false, good, "malformed", false},
		{"Bearer", user, false, "Bearer " + good, "", false},

		{"shared: a key", user, true, userPass(good, ""), "", true},
		{"shared: a person", user, true, userPass("ada", "hunter2"), "", false},
		{"shared: a person whose password is like a key", user, true, userPass("ada", good), "", false},
		{"shared: a malformed key", user, true, userPass("wrd_x", ""), "malformed", false},
		{"shared: a key with a password", user, true, userPass(good, "hunter2"), "malformed", false},
		{"shared: an empty user name", user, true, userPass("", "hunter2"), "malformed", false},
		{"shared: a key as password", password, true, userPass("ada", good), "", true},
		{"shared: a person's password", password, true, userPass("ada", "hunter2"), "", false},
		{"shared: no base64", user, true, "Basic ada", "malformed", false},
		{"shared: nothing", user, true, "Basic ", "malformed", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scheme := newBasic(t, apikey.BasicConfig{Verifier: h.verifier, Field: tt.field, Shared: tt.shared})
			f := newFrontOf(t, authn.Requirement{{{Scheme: scheme}}, {}}, nil)
			status := map[bool]int{true: 200, false: 401}[tt.reason == ""]
			if w := f.do(request("Authorization", tt.value)); w.Code != status || f.reason != tt.reason || f.principal.IsZero() == tt.somebody {
				t.Errorf("got %d %q for %q, want %d %q", w.Code, f.reason, f.principal.KeyID, status, tt.reason)
			}
		})
	}
	t.Run("two fields", func(t *testing.T) {
		f := newFrontOf(t, authn.Require(newBasic(t, apikey.BasicConfig{Verifier: h.verifier})), nil)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{userPass(good, ""), userPass(good, "")}
		if w := f.do(r); w.Code != 400 || f.reason != "repeated" {
			t.Errorf("got %d %q, want 400 repeated", w.Code, f.reason)
		}
	})
}

// FuzzAuthorization: no value of the field panics, asks the store for what is no
// key, or is absent for every reader of the field without naming another scheme.
// What is taken, net/http reads in the same way.
func FuzzAuthorization(f *testing.F) {
	h := newHouse(f)
	_, good := h.create(f, "a")
	for _, value := range []string{"", "Basic", "Bearer", "Bearer x", "Digest x=y", "Basic \t", good, "Bearer " + good, userPass(good, ""), userPass("a", good), "Basic OjZ=", "Basic " + good, "é"} {
		f.Add(value)
	}
	basic, bearer := newBasic(f, apikey.BasicConfig{Verifier: h.verifier}), newBearer(f, apikey.BearerConfig{Verifier: h.verifier})
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{value}
		who, err := basic.Authenticate(exchange.New(r))
		_, bearerErr := bearer.Authenticate(exchange.New(r))
		if user, password, ok := r.BasicAuth(); err == nil && (!ok || password != "" || user != good || who.IsZero()) {
			t.Errorf("%q proves %q, net/http reads %q, %q", value, who.KeyID, user, password)
		}
		word, _, _ := strings.Cut(value, " ")
		known := strings.EqualFold(word, "Basic") || strings.EqualFold(word, "Bearer")
		if absent := err == authn.ErrNoCredential && bearerErr == authn.ErrNoCredential; absent && (known || word == "" || len(word) > 32) { //nolint:errorlint // as the stage compares it
			t.Errorf("%q is absent", value)
		}
	})
}
