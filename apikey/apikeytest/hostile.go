package apikeytest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
)

// hostileTexts returns texts that a store must keep byte for byte.
func hostileTexts() []string {
	return []string{
		`'`, `''`, `"`, "`", `\`, `\'`, `'; DROP TABLE keys; --`, `" OR ""="`, `%`, `_`, `?`, `?1`, `$1`, `:id`, `@id`,
		`["a","b"]`, `{"a":null}`, "null", "NULL", "0", "1e3", " ", " a ", "a\nb", "a\r\nb", "a\tb", "\x01\x1f\x7f",
		"<script>&amp;</script>", "\u2028\u2029", "é", "e\u0301", "名前", "🔑", "\u202egnp.exe", "\ufeff", "\ufffd", strings.Repeat("x", 10_000),
	}
}

// brokenTexts returns texts that a store keeps byte for byte or refuses. What it
// must not do is keep another text.
func brokenTexts() []string {
	return []string{"\x00", "a\x00b", "\x00a", "a\x00", "\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80"}
}

func hostileRules() []rule {
	return []rule{
		{"text is kept byte for byte", func(t *testing.T, s Full) {
			for i, text := range hostileTexts() {
				want := withText(testID(i), text)
				mustApply(t, s, textChange(want, text))
				wantRecord(t, mustLookup(t, s, want.ID), want)
			}
		}},
		{"text that cannot be kept is refused", func(t *testing.T, s Full) {
			for i, text := range brokenTexts() {
				for field, r := range withBroken(testID(i), text) {
					t.Run(fmt.Sprintf("%s %q", field, text), func(t *testing.T) { keptOrRefused(t, s, createOf(r)) })
				}
			}
		}},
		{"an id is matched byte for byte", hostileIDs},
		{"errors do not repeat what was asked", hostileErrors},
	}
}

// withText returns a record that has text wherever a store takes any.
func withText(id apikey.ID, text string) apikey.Record {
	r := fullRecord(id)
	r.Prefix, r.Environment, r.Name, r.Owner, r.Reason = text, apikey.Environment(text), text, text, text
	r.Scopes = []string{text, "a", text}
	r.Secrets[0].Pepper, r.Secrets[1].Format = text, text
	r.Plan, r.Metadata = text, map[string]string{text: "a", "b": text}
	r.Methods, r.Paths, r.Origins, r.Limits[0].Name = []string{text}, []string{text}, []string{"a", text}, text
	return r
}

// withBroken returns records that have text in one field each, by its name.
func withBroken(id apikey.ID, text string) map[string]apikey.Record {
	fields := map[string]func(*apikey.Record){
		"ID":          func(r *apikey.Record) { r.ID += apikey.ID(text) },
		"Prefix":      func(r *apikey.Record) { r.Prefix = text },
		"Environment": func(r *apikey.Record) { r.Environment = apikey.Environment(text) },
		"Name":        func(r *apikey.Record) { r.Name = text },
		"Owner":       func(r *apikey.Record) { r.Owner = text },
		"Reason":      func(r *apikey.Record) { r.Reason = text },
		"Scopes":      func(r *apikey.Record) { r.Scopes[1] = text },
		"Pepper":      func(r *apikey.Record) { r.Secrets[1].Pepper = text },
		"Format":      func(r *apikey.Record) { r.Secrets[1].Format = text },
		"Kind":        func(r *apikey.Record) { r.Kind = apikey.Kind(text) },
		"Plan":        func(r *apikey.Record) { r.Plan = text },
		"Metadata":    func(r *apikey.Record) { r.Metadata["a"] = text },
		"name of one": func(r *apikey.Record) { r.Metadata[text] = "a" },
		"Methods":     func(r *apikey.Record) { r.Methods[0] = text },
		"Paths":       func(r *apikey.Record) { r.Paths[0] = text },
		"Origins":     func(r *apikey.Record) { r.Origins[0] = text },
		"Limits":      func(r *apikey.Record) { r.Limits[0].Name = text },
	}
	records := map[string]apikey.Record{}
	for name, set := range fields {
		r := fullRecord(id + apikey.ID(name))
		set(&r)
		records[name] = r
	}
	return records
}

// textChange returns the creation of r by an actor and a source named text.
func textChange(r apikey.Record, text string) apikey.Change {
	c := createOf(r)
	c.Actor, c.Source, c.Op = text, text, apikey.Op(text)
	return c
}

// keptOrRefused reports that c was neither kept whole nor refused whole.
func keptOrRefused(t *testing.T, s Full, c apikey.Change) {
	t.Helper()
	before := mustRevision(t, s)
	if _, err := s.Apply(t.Context(), c); err == nil {
		wantRecord(t, mustLookup(t, s, c.After.ID), *c.After)
		return
	}
	wantEqual(t, "Feed.Revision after a refused change", mustRevision(t, s), before)
	if r, err := s.Lookup(t.Context(), c.After.ID); err == nil {
		t.Errorf("Lookup(%q) = record %q after a refused creation, want none", c.After.ID, r.ID)
	}
}

func hostileIDs(t *testing.T, s Full) {
	const id = "AbcDef012345"
	mustCreate(t, s, plainRecord(id))
	for _, text := range append(hostileTexts(), brokenTexts()...) {
		for _, asked := range []string{text, id + text, text + id, id[:11] + text} {
			if r, err := s.Lookup(t.Context(), apikey.ID(asked)); err == nil {
				t.Errorf("Lookup(%.60q) = record %q, want none", asked, r.ID)
			}
		}
	}
}

func hostileErrors(t *testing.T, s Full) {
	const canary = "CanaryCanary"
	mustCreate(t, s, withText(canary, "CanaryText"))
	_, lookupErr := s.Lookup(t.Context(), canary+"X")
	_, takenErr := s.Apply(t.Context(), createOf(withText(canary, "CanaryText")))
	_, staleErr := s.Apply(t.Context(), renamed(withText(canary, "CanaryText"), "CanaryName"))
	_, brokenErr := s.Apply(t.Context(), createOf(withText(canary+"Y", "Canary\x00\xff")))
	_, listErr := s.List(t.Context(), canary, 0)
	for _, err := range []error{lookupErr, takenErr, staleErr, listErr} {
		if err == nil {
			t.Error("got no error, want one")
		}
	}
	if err := errors.Join(lookupErr, takenErr, staleErr, brokenErr, listErr); strings.Contains(err.Error(), "Canary") {
		t.Errorf("the errors say %q, want none of what was stored or asked", err)
	}
}
