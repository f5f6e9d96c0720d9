package audit_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/audit/audittest"
	"github.com/warder-dev/warder/internal/attack"
)

func TestMemoryStore(t *testing.T) {
	audittest.TestStore(t, func(*testing.T) audit.Store { return new(audit.MemoryStore) })
}

// TestTheHashIsTheDocumentedOne compares with what a program in another language,
// written from the documentation, makes of the same two entries.
func TestTheHashIsTheDocumentedOne(t *testing.T) {
	first, err := audit.Seal(audit.Head{}, audit.Event{
		At: time.Date(2026, 11, 28, 20, 0, 0, 1000, time.UTC), Actor: "user:ada", Source: "cli", Op: "create", Kind: "key", Subject: "7HqLk2mVxWcP",
		After: json.RawMessage(`{"id": "7HqLk2mVxWcP", "name": "a <b> \u2028 \u00e9"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	second, err := audit.Seal(first.Head(), audit.Event{
		At: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), Actor: "system", Source: "verifier", Op: "rehash", Kind: "key", Subject: "ключ",
		Before: json.RawMessage(`[1]`),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		got  audit.Hash
		want string
	}{
		{first.Hash, "7904351e1cefb33e27c40969cb4aa28a3ec3f8e7c13ac2a08c1430c19f7d8e55"},
		{second.Hash, "75edb060945907209fd96663471d7cbbd3cd27692747c97a0dcba8cb163b9a1f"},
	} {
		if tt.got.String() != tt.want {
			t.Errorf("hash = %s, want %s", tt.got, tt.want)
		}
	}
}

// TestFieldsCannotBorrowFromEachOther: what moves from one field to its neighbour
// makes another hash.
func TestFieldsCannotBorrowFromEachOther(t *testing.T) {
	seen := map[audit.Hash]int{}
	for i, texts := range [][5]string{
		{"ab", "c", "d", "e", "f"},
		{"a", "bc", "d", "e", "f"},
		{"a", "b", "cd", "e", "f"},
		{"a", "b", "c", "de", "f"},
		{"a", "b", "c", "d", "ef"},
	} {
		e, err := audit.Seal(audit.Head{}, audit.Event{At: time.Unix(1, 0), Actor: texts[0], Source: texts[1], Op: texts[2], Kind: texts[3], Subject: texts[4]})
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[e.Hash]; ok {
			t.Errorf("texts %d and %d have one hash", other, i)
		}
		seen[e.Hash] = i
	}
	before := audittest.Event(1)
	before.After = nil
	after := before
	before.Before, after.Before, after.After = json.RawMessage(`1`), nil, json.RawMessage(`1`)
	a, errA := audit.Seal(audit.Head{}, before)
	b, errB := audit.Seal(audit.Head{}, after)
	if errA != nil || errB != nil || a.Hash == b.Hash {
		t.Errorf("one state before and the same after have one hash: %v, %v", errA, errB)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	attack.Case(t, "AUDIT-05", attack.Library, func(t *testing.T) {
		const key = "wrd_live_7HqLk2mVxWcPq8ZbT4nR6sYdK1fJ3gHvM5wXcQ2eL9uAaa0Bb1"
		const canary = "Canary7f3kQ9zXw2LmT8vB"
		for _, tt := range []struct{ name, sent, want string }{
			{"nothing secret is left as it is", `{"id":"7HqLk2mVxWcP","scopes":["orders:read"],"secrets":[{"pepper":"feedf00d","created":"2026-11-28T20:12:19.123456Z"}]}`, ``},
			{"numbers, booleans and null", `{"n":1e400,"totp":true,"none":null,"list":[1,2.50,-0]}`, ``},
			{"white space goes", " {\n \"a\" : [ 1 , 2 ] } ", `{"a":[1,2]}`},
			{"a certificate's hash is public", `{"certificate":"` + strings.Repeat("ab12", 16) + `"}`, ``},
			{"a customer's own id is no secret", `{"owner":"org_2NxPkQ9zXw2LmT8vBcD4"}`, ``},
			{"a password", `{"password":"` + canary + `"}`, `{"password":"[hidden]"}`},
			{"the hash of one", `{"password_hash":"$argon2id$v=19$m=65536$` + canary + `"}`, `{"password_hash":"[hidden]"}`},
			{"names in other forms", `{"Pass-Word":"x","TOTP secret":"y","PRIVATE_KEY":"z","Set-Cookie":"k"}`, `{"Pass-Word":"[hidden]","TOTP secret":"[hidden]","PRIVATE_KEY":"[hidden]","Set-Cookie":"[hidden]"}`},
			{"codes in a list", `{"recovery_codes":["` + canary + `","b"]}`, `{"recovery_codes":["[hidden]","[hidden]"]}`},
			{"a digest inside", `{"secrets":[{"digest":"` + canary + `","pepper":"feedf00d"}]}`, `{"secrets":[{"digest":"[hidden]","pepper":"feedf00d"}]}`},
			{"a pepper for its id", `{"pepper":"feedf00d:` + canary + `"}`, `{"pepper":"[hidden]"}`},
			{"a key as a name", `{"name":"` + key + `"}`, `{"name":"[masked]"}`},
			{"a key in a reason", `{"reason":"leaked: ` + key + ` in a log"}`, `{"reason":"leaked: [masked] in a log"}`},
			{"a key as an owner", `{"owner":"` + key + `"}`, `{"owner":"[masked]"}`},
			{"a key as a value of metadata", `{"metadata":{"note":"` + key + `"}}`, `{"metadata":{"note":"[masked]"}}`},
			{"a key as a name of metadata", `{"metadata":{"` + key + `":"x"}}`, `{"metadata":{"[masked]":"x"}}`},
			{"the last of two members with one name", `{"password":1,"password":"` + canary + `"}`, `{"password":1,"password":"[hidden]"}`},
		} {
			e := audittest.Event(1)
			e.Before, e.After = json.RawMessage(tt.sent), json.RawMessage(tt.sent)
			if tt.want == "" {
				tt.want = tt.sent
			}
			sealed, err := audit.Seal(audit.Head{}, e)
			if err != nil || string(sealed.Before) != tt.want || string(sealed.After) != tt.want {
				t.Errorf("%s: %s and %s, %v, want %s", tt.name, sealed.Before, sealed.After, err, tt.want)
			}
		}
		e := audittest.Event(1)
		e.Actor, e.Source, e.Subject = "user:"+key, "Bearer "+key, key
		sealed, err := audit.Seal(audit.Head{}, e)
		if err != nil || strings.Contains(sealed.Actor+sealed.Source+sealed.Subject, "q8ZbT4nR6sYd") {
			t.Errorf("actor %q, source %q, subject %q, %v: want no part of the key's secret", sealed.Actor, sealed.Source, sealed.Subject, err)
		}
	})
}

// FuzzState: whatever a state holds, it is refused, or it is JSON that is left as
// it is when it is hidden again, and none of its texts is a password.
func FuzzState(f *testing.F) {
	for _, state := range []string{`{}`, `[]`, `null`, `""`, `{"password":"x"}`, `{"a":{"password":["x",{"b":1}]}}`, `{"a":1}{`, `{"\u0000":"\ud800"}`, "\xff", `1e999`} {
		f.Add(state)
	}
	f.Fuzz(func(t *testing.T, state string) {
		e := audittest.Event(1)
		e.After = json.RawMessage(state)
		sealed, err := audit.Seal(audit.Head{}, e)
		if err != nil || sealed.After == nil {
			return
		}
		if !json.Valid(sealed.After) {
			t.Fatalf("%q became %q, which is no JSON", state, sealed.After)
		}
		e.After = sealed.After
		again, err := audit.Seal(audit.Head{}, e)
		if err != nil || string(again.After) != string(sealed.After) {
			t.Errorf("%q became %q, and then %q, %v", state, sealed.After, again.After, err)
		}
		var members map[string]any
		if json.Unmarshal(sealed.After, &members) == nil {
			if text, ok := members["password"].(string); ok && text != "" && text != audit.Hidden {
				t.Errorf("%q left a password", state)
			}
		}
	})
}

func TestHashText(t *testing.T) {
	var h audit.Hash
	for _, text := range []string{"", "ab", strings.Repeat("g", 64), strings.Repeat("a", 63), strings.Repeat("a", 65)} {
		if err := h.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for a hash", text)
		}
	}
	if err := h.UnmarshalText([]byte(strings.Repeat("0a", 32))); err != nil || h.String() != strings.Repeat("0a", 32) {
		t.Errorf("hash = %s, %v", h, err)
	}
}
