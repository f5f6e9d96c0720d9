package apikey_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

// encodings returns s as common encoders would leave it inside a longer output.
func encodings(s string) map[string]string {
	reversed := []byte(s)
	slices.Reverse(reversed)
	decimal := strings.Trim(fmt.Sprintf("%d", []byte(s)), "[]")
	forms := map[string]string{
		"plain": s, "reversed": string(reversed), "reversed hex": hex.EncodeToString(reversed),
		"hex": hex.EncodeToString([]byte(s)), "upper hex": strings.ToUpper(hex.EncodeToString([]byte(s))),
		"decimal": decimal, "JSON bytes": strings.ReplaceAll(decimal, " ", ","),
	}
	for shift := range 3 { // where s begins within a group of three bytes
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			for word, text := range map[string]string{name: s, "reversed " + name: string(reversed)} {
				encoded := encoding.EncodeToString([]byte(strings.Repeat("x", shift) + text))
				forms[fmt.Sprint(word, " +", shift)] = encoded[4 : len(encoded)-4] // the ends depend on the neighbours
			}
		}
	}
	return forms
}

// hidden fails when output holds one of the secrets in any common encoding.
func hidden(t *testing.T, where, output string, secrets map[string]string) {
	t.Helper()
	for what, s := range secrets {
		for form, text := range encodings(s) {
			if strings.Contains(output, text) {
				t.Errorf("%s holds the %s (%s)", where, what, form)
			}
		}
	}
}

// walk writes every string and byte that reflection reaches from v, through
// pointers, interfaces and unexported fields.
func walk(to *bytes.Buffer, v reflect.Value, seen map[uintptr]bool) {
	switch v.Kind() { //nolint:exhaustive // the other kinds hold no text
	case reflect.String:
		to.WriteString(v.String() + "\n")
	case reflect.Uint8:
		to.WriteByte(byte(v.Uint()))
	case reflect.Pointer:
		if !v.IsNil() && !seen[v.Pointer()] {
			seen[v.Pointer()] = true
			walk(to, v.Elem(), seen)
		}
	case reflect.Interface:
		walk(to, v.Elem(), seen)
	case reflect.Struct:
		for _, field := range v.Fields() {
			walk(to, field, seen)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walk(to, v.Index(i), seen)
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			walk(to, entries.Key(), seen)
			walk(to, entries.Value(), seen)
		}
	}
}

func reached(v any) string {
	var b bytes.Buffer
	walk(&b, reflect.ValueOf(v), make(map[uintptr]bool))
	return b.String()
}

// secrecy is a house in use with what nobody may find in it.
type secrecy struct {
	*house
	record    apikey.Record
	header    *apikey.Header
	principal exchange.Principal
	secrets   map[string]string
}

func newSecrecy(t *testing.T) *secrecy {
	t.Helper()
	h := &house{store: new(countingStore)}
	var lines []string
	h.peppers, lines = newPeppers(t, 1)
	h.issuer = newIssuer(t, apikey.IssuerConfig{Store: h.store, Peppers: h.peppers})
	h.verifier = startVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers})
	s := &secrecy{house: h, header: newHeader(t, h.verifier)}
	var text string
	s.record, text = h.create(t, "customer-7", "orders:read")
	var err error
	for range 3 { // from the store, from the cache, and once more
		if s.principal, err = h.verifier.Verify(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		_, _ = h.verifier.Verify(t.Context(), wrongSecret(text))
		_, _ = h.verifier.Verify(t.Context(), unknownKey(1))
	}
	if err := h.verifier.Close(); err != nil { // reflection knows no lock
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(lines[0]))
	if err != nil {
		t.Fatal(err)
	}
	s.secrets = map[string]string{
		"key text": text, "secret part": text[21:53], "wrong secret": strings.Repeat("w", 32), "unknown secret": strings.Repeat("s", 32),
		"pepper": string(raw), "pepper line": strings.TrimSpace(lines[0]),
	}
	return s
}

func TestNothingHoldsAKey(t *testing.T) {
	attack.Case(t, "KEY-11", attack.Library, func(t *testing.T) {
		s := newSecrecy(t)
		values := map[string]any{
			"record": s.record, "record pointer": &s.record, "secret": s.record.Secrets[0], "secrets": s.record.Secrets,
			"issuer": s.issuer, "verifier": s.verifier, "peppers": s.peppers, "header": s.header, "principal": s.principal,
			"store": &s.store.MemoryStore, "peppers in a struct": struct{ p *apikey.Peppers }{s.peppers}, "peppers by value": reflect.ValueOf(s.peppers).Elem(),
		}
		for name, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U"} {
				hidden(t, verb+" of the "+name, fmt.Sprintf(verb, v), s.secrets)
			}
			hidden(t, "reflection of the "+name, reached(v), s.secrets)
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).Info("m", slog.Any("v", v))
			slog.New(slog.NewTextHandler(&b, nil)).Info("m", slog.Any("v", v))
			hidden(t, "log of the "+name, b.String(), s.secrets)
		}
		asJSON, err := json.Marshal([]any{s.record, &s.record, s.peppers, s.principal})
		if err != nil {
			t.Fatal(err)
		}
		hidden(t, "JSON", string(asJSON), s.secrets)
		hidden(t, "the heap profile", heapProfile(t), s.secrets)
	})
}

// heapProfile returns the memory profile as text, and as a tool would fetch it.
func heapProfile(t *testing.T) string {
	t.Helper()
	runtime.GC()
	var b bytes.Buffer
	for _, debug := range []int{0, 1} {
		if err := pprof.Lookup("heap").WriteTo(&b, debug); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestTheSearchFindsWhatItLooksFor keeps TestNothingHoldsAKey able to fail.
func TestTheSearchFindsWhatItLooksFor(t *testing.T) {
	type deep struct{ inner *struct{ text string } }
	const key = "wrd_live_0123456789Ab"
	found := func(output string) bool {
		for _, text := range encodings(key) {
			if strings.Contains(output, text) {
				return true
			}
		}
		return false
	}
	asJSON, err := json.Marshal(map[string][]byte{"k": []byte("a" + key + "b")})
	if err != nil {
		t.Fatal(err)
	}
	for name, output := range map[string]string{
		"reflection": reached(map[string]any{"a": []any{deep{&struct{ text string }{key}}}}),
		"bytes":      reached([32]byte([]byte(key + "           "))),
		"%x":         fmt.Sprintf("%x", "ab"+key), "%X": fmt.Sprintf("%X", key+"z"), "%d": fmt.Sprintf("%d", []byte("a"+key+"b")),
		"base64 in JSON": string(asJSON),
	} {
		if !found(output) {
			t.Errorf("%s: not found in %s", name, output)
		}
	}
	if found("nothing here") {
		t.Error("found in what does not hold it")
	}
}
