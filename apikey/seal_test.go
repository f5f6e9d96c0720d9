package apikey_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
)

func TestSeal(t *testing.T) {
	text := func() string {
		one, err := apikey.NewPepper(nil)
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	parse := func(text string) *apikey.Peppers {
		p, err := apikey.ParsePeppers(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, second := text(), text()
	old, both, other := parse(first), parse(second+first), parse(second)
	const plain, context = "canary of a shared secret", "factor"
	sealed, id, err := old.Seal([]byte(plain), context)
	if err != nil || id != old.IDs()[0] {
		t.Fatalf("Seal = pepper %q, %v", id, err)
	}
	again, _, err := old.Seal([]byte(plain), context)
	if err != nil || again == sealed {
		t.Errorf("two seals of one text are the same, or failed: %v", err)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(sealed); err != nil || strings.Contains(string(raw), "canary") || len(raw) != 12+len(plain)+16 {
		t.Errorf("sealed to %d bytes, %v, want nonce, text and tag, and nothing in the open", len(raw), err)
	}
	if got, err := both.Open(sealed, id, context); err != nil || string(got) != plain {
		t.Errorf("after a rotation Open = %q, %v", got, err)
	}
	if _, now, err := both.Seal(nil, context); err != nil || now != both.IDs()[0] {
		t.Errorf("Seal after a rotation = pepper %q, %v, want the current one", now, err)
	}
	flipped := []byte(sealed)
	flipped[len(flipped)/2] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another context":     func() ([]byte, error) { return old.Open(sealed, id, "ticket") },
		"a pepper that left":  func() ([]byte, error) { return other.Open(sealed, id, context) },
		"under another's id":  func() ([]byte, error) { return both.Open(sealed, both.IDs()[0], context) },
		"changed":             func() ([]byte, error) { return old.Open(string(flipped), id, context) },
		"cut":                 func() ([]byte, error) { return old.Open(sealed[:10], id, context) },
		"nothing":             func() ([]byte, error) { return old.Open("", id, context) },
		"not base64":          func() ([]byte, error) { return old.Open("!"+sealed, id, context) },
		"a line end, ignored": func() ([]byte, error) { return old.Open(sealed+"=", id, context) },
	} {
		if got, err := open(); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: Open = %q, %v, want an error that tells nothing", name, got, err)
		}
	}
}
