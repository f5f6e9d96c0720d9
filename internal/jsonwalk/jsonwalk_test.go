package jsonwalk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/warder-dev/warder/internal/jsonwalk"
)

// walked are the tokens of text, in the words of encoding/json's decoder.
func walked(w *jsonwalk.Walker) (all []string) {
	for {
		switch t := w.Next(); t.Kind {
		case 0:
			return all
		case '"':
			all = append(all, fmt.Sprintf("%T %q", "", t.Text()))
		case '0':
			all = append(all, "number "+string(t.Raw))
		default:
			all = append(all, string(t.Raw))
		}
	}
}

// decoded are those of encoding/json.
func decoded(text []byte) (all []string) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return all
		}
		switch v := token.(type) {
		case string:
			all = append(all, fmt.Sprintf("%T %q", v, v))
		case json.Number:
			all = append(all, "number "+v.String())
		case nil:
			all = append(all, "null")
		default:
			all = append(all, fmt.Sprint(v))
		}
	}
}

func texts() []string {
	return []string{
		`{}`, `[]`, `""`, `0`, `-1.5e+10`, `true`, `false`, `null`, ` { "a" : [ 1 , "b" , true , null , { } ] , "" : -0 } `,
		`{"a":{"b":[[],[{}]]},"c":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800"}`, "\"\u2028é\"", `"\\"`, `"\\\""`, `[1,2,3]`, `{"a":1,"a":2}`,
		`[true,false,null,true]`, strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
	}
}

func TestTokens(t *testing.T) {
	for _, text := range texts() {
		w, err := jsonwalk.New([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, want := walked(w), decoded([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%s: tokens %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", " ", "{", `{"a"}`, `[1,]`, `[1 2]`, `{"a":1,}`, `{} {}`, `"a`, "\"\xff\"", "\"\n\"", `01`, `+1`, `nul`, `'a'`, "\ufeff{}", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)} {
		if _, err := jsonwalk.New([]byte(text)); !errors.Is(err, jsonwalk.ErrSyntax) {
			t.Errorf("%.40q: %v, want %v", text, err, jsonwalk.ErrSyntax)
		}
	}
}

func TestMore(t *testing.T) {
	w, err := jsonwalk.New([]byte(`{"a": [1, 2], "b": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	w.Next()
	members, elements := 0, 0
	for w.More() {
		members++
		name := w.Next().Text()
		w.Next() // [ or {
		for w.More() {
			elements++
			w.Next()
		}
		if end := w.Next().Kind; end != ']' && end != '}' {
			t.Errorf("%s ends in %q", name, end)
		}
	}
	if end := w.Next().Kind; members != 2 || elements != 2 || end != '}' || w.Next().Kind != 0 || w.More() {
		t.Errorf("%d members, %d elements, then %q", members, elements, end)
	}
}

func TestHalf(t *testing.T) {
	for text, want := range map[string]bool{
		`""`: false, `"a"`: false, `"\u00e9"`: false, `"\ud83d\ude00"`: false, `"\uD83D\uDE00x"`: false, `"\\ud800"`: false, `"\\\\ud800"`: false, `"\ufffd"`: false, "\"\ufffd\"": false, `"\n\ud7ff\ue000"`: false,
		`"\ud800"`: true, `"\udc00"`: true, `"\ude00\ud83d"`: true, `"\ud83d\u0041"`: true, `"\ud83dx\ude00"`: true, `"\ud83d\ud83d\ude00"`: true, `"\ud83d\n"`: true, `"\\\ud800"`: true, `"\ud83d\ude00\ude00"`: true,
	} {
		w, err := jsonwalk.New([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := w.Next().Half(); got != want {
			t.Errorf("%s: half a pair %v, want %v", text, got, want)
		}
	}
}

// What encoding/json takes is taken, and read alike.
func FuzzWalk(f *testing.F) {
	for _, text := range texts() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := jsonwalk.New(text)
		if good := json.Valid(text) && utf8.Valid(text); good != (err == nil) {
			t.Fatalf("%q: valid %v, error %v", text, good, err)
		}
		if err != nil {
			return
		}
		if got, want := walked(w), decoded(text); !slices.Equal(got, want) {
			t.Errorf("%q: tokens %q, want %q", text, got, want)
		}
		again, err := jsonwalk.New(text)
		if err != nil {
			t.Fatal(err)
		}
		for token := again.Next(); token.Kind != 0; token = again.Next() {
			if token.Kind != '"' || !token.Half() {
				continue
			}
			if !strings.Contains(token.Text(), "\ufffd") { // which is what encoding/json makes of it
				t.Errorf("%q: half a pair in %s, which reads %q", text, token.Raw, token.Text())
			}
		}
	})
}
