package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
)

// Whoever may ask to have requests explained can neither guess a password by it nor
// lock its owner out.
func TestExplainingJudgesNoPasswords(t *testing.T) {
	hash, err := password.Hash(secret.New("correct horse"), password.Params{Memory: 7168, Time: 5, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, fmt.Appendf(nil, "ada:%s\n", hash), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: `
users: {file: ` + users + `}
https: {require: false}
schemes: {people: {basic: {}}}
routes:
  - {match: /people/, upstream: api, security: [{people: []}]}
`, token: secret.New(verifyToken)})
	field := func(word string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:"+word)) }
	explained := func(word string) (keyservice.Explanation, string) {
		t.Helper()
		status, e, text := p.explains(t, verifyToken, keyservice.RequestQuestion{
			URL: "http://" + p.gateway + "/people/1", Address: "127.0.0.1", Headers: []string{"Authorization: " + field(word)},
		})
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
		return e, text
	}
	send := func() int {
		r := newRequest(t, "http://"+p.gateway+"/people/1")
		r.Header.Set("Authorization", field("correct horse"))
		return do(t, r).StatusCode
	}
	for i := range 40 {
		explained(fmt.Sprint("wrong ", i))
	}
	if got := send(); got != http.StatusOK { // and it is remembered from here on
		t.Errorf("the right password after 40 explained: %d, want 200", got)
	}
	_, right := explained("correct horse")
	e, wrong := explained("battery horse")
	if right != wrong {
		t.Errorf("what is explained tells a right password:\n%s\nand a wrong one:\n%s", right, wrong)
	}
	if e.Allowed || e.Stage != "authn" || !strings.Contains(e.Failure, "send the request itself") {
		t.Errorf("explained as %s", wrong)
	}
}
