package keyservice_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
)

func TestLimitsOfLists(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.made(t, keyservice.KeySpec{Owner: "acme"})
	}
	attack.Case(t, "ADMIN-15", attack.Admin, func(t *testing.T) {
		for _, limit := range []string{"1000000000", "-1", "0", "1e3", "99999999999999999999999", "1.5", "0x10", "", "%00", "1;DROP"} {
			r := w.ask(t, http.MethodGet, "/v1/keys?limit="+limit, nil)
			if want(t, "limit="+limit, r, http.StatusBadRequest); r.status == http.StatusBadRequest && len(r.fields(t)) == 0 {
				t.Errorf("limit=%s: no field is named", limit)
			}
		}
	})
	attack.Case(t, "SQL-02", attack.Admin, func(t *testing.T) {
		var page keyservice.KeyPage
		w.ask(t, http.MethodGet, "/v1/keys?limit=2&owner=acme", nil).json(t, &page)
		good := "/v1/keys?limit=2&owner=acme&cursor="
		want(t, "the cursor itself", w.ask(t, http.MethodGet, good+page.Next, nil), http.StatusOK)
		for name, path := range map[string]string{
			"another filter":   "/v1/keys?limit=2&owner=globex&cursor=" + page.Next,
			"another order":    "/v1/keys?limit=2&owner=acme&sort=id&cursor=" + page.Next,
			"no filter":        "/v1/keys?limit=2&cursor=" + page.Next,
			"one byte":         good + otherThan(page.Next[0]) + page.Next[1:],
			"the last byte":    good + page.Next[:len(page.Next)-1] + otherThan(page.Next[len(page.Next)-1]),
			"cut":              good + page.Next[:10],
			"more":             good + page.Next + "AA",
			"no base64":        good + "%27%20OR%201=1",
			"not in its shape": good + page.Next + "=",
			"an order of SQL":  "/v1/keys?sort=name%3BDROP+TABLE+keys",
			"an order":         "/v1/keys?sort=owner",
			"a state":          "/v1/keys?state=%27%20OR%201=1--",
			"a kind":           "/v1/keys?kind=1",
		} {
			r := w.ask(t, http.MethodGet, path, nil)
			if want(t, name, r, http.StatusBadRequest); r.status == http.StatusBadRequest && len(r.fields(t)) != 1 {
				t.Errorf("%s: names %s", name, r.text)
			}
		}
	})
}

// otherThan is a character of base64url that is not c, and differs in its first bit, which
// no padding takes away.
func otherThan(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)^32])
}
