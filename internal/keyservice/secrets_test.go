package keyservice_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
)

func TestTheSecretIsTold(t *testing.T) {
	attack.Case(t, "ADMIN-10", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		made := w.made(t, keyservice.KeySpec{Name: "a"})
		secretPart := made.Text[len(made.Text)-38:]
		for _, path := range []string{"/v1/keys", "/v1/keys/" + made.Key.ID, "/v1/keys?text=" + made.Key.ID, "/openapi.json", "/v1/whoami"} {
			if r := w.ask(t, http.MethodGet, path, nil); strings.Contains(r.text, secretPart) || r.status != http.StatusOK {
				t.Errorf("%s: %d, tells the key: %v", path, r.status, strings.Contains(r.text, secretPart))
			}
		}
		for name, r := range map[string]*reply{
			"search":             w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": made.Text}),
			"verify":             w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]string{"key": made.Text}),
			"verify, wrong type": w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]any{"key": []string{made.Text}}),
			"a name":             w.ask(t, http.MethodPost, "/v1/keys", map[string]string{"name": made.Text}),
			"a member":           w.ask(t, http.MethodPost, "/v1/keys", map[string]string{made.Text: "x"}),
			"a reason":           w.ask(t, http.MethodPost, "/v1/keys/"+made.Key.ID+":revoke", map[string]string{"reason": made.Text}),
			"a parameter":        w.ask(t, http.MethodGet, "/v1/keys?"+made.Text+"=1", nil),
			"a cursor":           w.ask(t, http.MethodGet, "/v1/keys?cursor="+made.Text, nil),
			"an owner's credits": w.ask(t, http.MethodPost, "/v1/credits:set", map[string]any{"owner": made.Text, "credits": 1}),
			"an owner's keys":    w.ask(t, http.MethodPost, "/v1/keys:batchRevoke", map[string]any{"owner": made.Text, "count": 1}),
			"roll":               w.ask(t, http.MethodPost, "/v1/keys/"+made.Key.ID+":roll", `{"overlap":"1h"}`),
		} {
			if strings.Contains(r.text, secretPart) || r.status >= 500 {
				t.Errorf("%s: %d %s", name, r.status, r.text)
			}
			if strings.HasPrefix(name, "an owner's") && (r.status != http.StatusBadRequest || !slices.Equal(r.fields(t), []string{"owner"})) {
				t.Errorf("%s by the text of a key: %d %s, want 400 for the owner", name, r.status, r.text)
			}
		}
	})
	attack.Case(t, "ADMIN-16", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		made := w.made(t, keyservice.KeySpec{Name: "a"})
		var one keyservice.KeyBody
		r := w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": " " + made.Text + "\n"})
		if r.json(t, &one); r.status != http.StatusOK || one.Key.ID != made.Key.ID {
			t.Errorf("search: %d %s", r.status, r.text)
		}
		for _, path := range []string{"/v1/keys?text=", "/v1/keys?owner=", "/v1/keys?plan=", "/v1/credits?owner=", "/v1/usage?owner=", "/v1/usage:top?owner=", "/v1/keys:health?owner=", "/v1/audit?subject=", "/v1/audit?actor=", "/v1/audit:export?op=", "/v1/people?name=", "/v1/decisions:watch?route="} {
			for what, text := range map[string]string{"a key": made.Text, "a key in a line": escape("key " + made.Text), "a wrong key": made.Text[:len(made.Text)-6] + "000000"} {
				if r := w.ask(t, http.MethodGet, path+text, nil); r.status != http.StatusBadRequest || strings.Contains(r.text, made.Text[20:40]) {
					t.Errorf("%s with %s: %d %s, want 400", path, what, r.status, r.text)
				}
			}
		}
		want(t, "search by GET", w.ask(t, http.MethodGet, "/v1/keys:search?text=x", nil), http.StatusMethodNotAllowed)
		r = w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": made.Text[:len(made.Text)-1] + "!"})
		if want(t, "a wrong key", r, http.StatusBadRequest); !slices.Equal(r.fields(t), []string{"text"}) {
			t.Errorf("names %s", r.text)
		}
	})
}
