package jwt_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/jwt"
)

// vectors is a file of Wycheproof's JWS or JWK tests.
type vectors struct {
	NumberOfTests int           `json:"numberOfTests"`
	Groups        []vectorGroup `json:"testGroups"`
}

type vectorGroup struct {
	Comment string          `json:"comment"`
	Private json.RawMessage `json:"private"`
	Public  json.RawMessage `json:"public"` // absent for secret keys
	Tests   []vector        `json:"tests"`
}

type vector struct {
	ID      int    `json:"tcId"`
	Comment string `json:"comment"`
	JWS     string `json:"jws"`
	Result  string `json:"result"`
}

// vectorDir finds the vectors: where WARDER_VECTORS says, or beside the module.
func vectorDir() string {
	if dir := os.Getenv("WARDER_VECTORS"); dir != "" { //nolint:forbidigo // where a test's data is
		return dir
	}
	up := ".."
	for range 6 {
		dir := filepath.Join(up, "shared", "vectors", "wycheproof")
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		up = filepath.Join(up, "..")
	}
	return ""
}

func readVectors(t *testing.T, name string) (v vectors) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, g := range v.Groups {
		count += len(g.Tests)
	}
	if count != v.NumberOfTests || count == 0 {
		t.Fatalf("%s has %d tests, and says %d", name, count, v.NumberOfTests)
	}
	return v
}

// An excuse is why a vector cannot be passed as it is written. With from in its
// key set replaced by to, it can, where that is said.
type excuse struct{ why, from, to string }

func excuses() map[string]excuse {
	same := excuse{why: "its text is that of the valid 357: the padding that it is about was lost when the file was made"}
	loose := excuse{why: "it has a \"?\" within base64url, which RFC 7515 (section 2) does not allow: refused here"}
	es521 := excuse{"its key says ES521, which is no algorithm (RFC 7518 calls it ES512)", "ES521", "ES512"}
	ps256 := excuse{"its key is for PS256 and its header says PS384: a key is used for its own algorithm only", "PS256", "PS384"}
	return map[string]excuse{
		"json_web_signature_test.json 346": ps256, "json_web_signature_test.json 350": ps256,
		"json_web_signature_test.json 347": es521, "json_web_signature_test.json 351": es521,
		"json_web_signature_test.json 367": same, "json_web_signature_test.json 370": same,
		"json_web_signature_test.json 372": loose, "json_web_signature_test.json 373": loose,
	}
}

// keySetOf returns the keys of a group as a set, whether they are secret, and
// which algorithms they are for.
func keySetOf(t *testing.T, g vectorGroup) (set string, secret bool, algorithms []string) {
	t.Helper()
	text := g.Public
	if secret = text == nil; secret {
		text = g.Private
	}
	var keys struct {
		Keys []members `json:"keys"`
	}
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	if keys.Keys == nil {
		var one members
		if err := json.Unmarshal(text, &one); err != nil {
			t.Fatal(err)
		}
		keys.Keys = []members{one}
	}
	algorithms = []string{jwt.RS256, jwt.RS384, jwt.RS512, jwt.PS256, jwt.PS384, jwt.PS512, jwt.ES256, jwt.ES384, jwt.ES512, jwt.EdDSA}
	for _, k := range keys.Keys {
		if k["kty"] == "oct" {
			secret, algorithms = true, []string{jwt.HS256, jwt.HS384, jwt.HS512}
		}
	}
	return string(jwks(keys.Keys...)), secret, algorithms
}

// tally is what came of a file.
type tally struct{ passed, excused, failed int }

func (n *tally) run(t *testing.T, file string, v vectors) {
	t.Helper()
	for _, g := range v.Groups {
		set, secret, algorithms := keySetOf(t, g)
		for _, tt := range g.Tests {
			err := jwt.VerifySignature(tt.JWS, set, secret, algorithms...)
			if (err == nil) == (tt.Result == "valid") {
				n.passed++
				continue
			}
			id := fmt.Sprintf("%s %d", file, tt.ID)
			excuse, ok := excuses()[id]
			if !ok {
				n.failed++
				t.Errorf("%s (%s, %s): want %s, got error %v", id, g.Comment, tt.Comment, tt.Result, err)
				continue
			}
			n.excused++
			t.Logf("%s (%s): not applicable: %s", id, tt.Comment, excuse.why)
			if excuse.from == "" {
				continue
			}
			mended := strings.Replace(set, excuse.from, excuse.to, 1)
			if err := jwt.VerifySignature(tt.JWS, mended, secret, algorithms...); mended == set || (err == nil) != (tt.Result == "valid") {
				t.Errorf("%s with %s: want %s, got error %v", id, excuse.to, tt.Result, err)
			}
		}
	}
	t.Logf("%s: %d passed, %d not applicable, %d failed of %d", file, n.passed, n.excused, n.failed, v.NumberOfTests)
}

func TestVectors(t *testing.T) {
	attack.Case(t, "JWT-17", attack.Library, func(t *testing.T) {
		var own tally
		own.run(t, "own.json", readVectors(t, "testdata/own.json"))
		if own.passed < 30 || own.excused > 0 {
			t.Errorf("of our own vectors, %d passed and %d were excused", own.passed, own.excused)
		}
		dir := vectorDir()
		if dir == "" {
			t.Log("The Wycheproof vectors are absent: set WARDER_VECTORS to their folder. Only our own extract was tried.")
			return
		}
		for file, excused := range map[string]int{"json_web_signature_test.json": 8, "json_web_key_test.json": 0} {
			if _, err := os.Stat(filepath.Join(dir, file)); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is missing in %s", file, dir)
				continue
			}
			var n tally
			n.run(t, file, readVectors(t, filepath.Join(dir, file)))
			if n.excused != excused {
				t.Errorf("%s: %d are excused, want %d", file, n.excused, excused)
			}
		}
	})
}
