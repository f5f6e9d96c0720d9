package keyservice_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
)

func TestWhoMayDoWhat(t *testing.T) {
	w := newWorld(t)
	data := w.made(t, keyservice.KeySpec{})
	attack.Case(t, "ADMIN-01", attack.Admin, func(t *testing.T) {
		for _, o := range operations(t, w) {
			for who, fields := range map[string][]string{
				"nobody":          {"Authorization", ""},
				"a data key":      {"Authorization", "Bearer " + data.Text},
				"a wrong token":   {"Authorization", "Bearer " + adminToken + "x"},
				"another scheme":  {"Authorization", "Basic " + adminToken},
				"expired session": {"X-Person", "expired"},
			} {
				if r := w.try(t, o, data.Key.ID, fields...); r.status != http.StatusUnauthorized {
					t.Errorf("%s by %s: %d %s, want 401", o.ID, who, r.status, r.text)
				}
			}
			for _, role := range append(keyservice.Roles(), "root", "") {
				for _, owner := range []string{"", ":acme"} {
					key := w.made(t, keyservice.KeySpec{Owner: "acme"}).Key.ID
					allowed := o.right == "" || keyservice.Scopes(role, owner != "").Allow(o.right)
					r := w.try(t, o, key, "X-Person", string(role)+owner)
					if role == "" && owner == "" {
						allowed = false
						if r.status == http.StatusUnauthorized {
							continue
						}
					}
					if got := r.status != http.StatusForbidden && r.status != http.StatusUnauthorized; got != allowed {
						t.Errorf("%s by %s%s: %d %s, want it allowed: %v", o.ID, role, owner, r.status, r.text, allowed)
					}
				}
			}
		}
	})
	attack.Case(t, "ADMIN-02", attack.Admin, func(t *testing.T) {
		if _, err := w.verifier.Verify(t.Context(), adminToken); err == nil {
			t.Error("the admin token is a key of the data plane")
		}
		want(t, "a data key", w.ask(t, http.MethodGet, "/v1/whoami", nil, "Authorization", "Bearer "+data.Text), http.StatusUnauthorized)
		want(t, "a data key in its own field", w.ask(t, http.MethodGet, "/v1/whoami", nil, "Authorization", "", "X-API-Key", data.Text), http.StatusUnauthorized)
	})
}

func TestAnotherOwnersKeys(t *testing.T) {
	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		own, other := w.made(t, keyservice.KeySpec{Owner: "acme", Name: "own"}), w.made(t, keyservice.KeySpec{Owner: "globex", Name: "canary"})
		for range 3 {
			w.made(t, keyservice.KeySpec{Owner: "globex", Name: "canary"})
			w.made(t, keyservice.KeySpec{Owner: "acme"})
		}
		want(t, "a record", w.ask(t, http.MethodPut, "/v1/owners/record?owner=globex", `{"name":"canary"}`), http.StatusCreated)
		before := w.count(t)
		acme := []string{"X-Person", "admin:acme"}
		nothing := "AAAAAAAAAAAA"
		for _, o := range operations(t, w) {
			if !strings.Contains(o.path, "{id}") && o.ID != "getCredits" && o.path != "/v1/owners/record" {
				continue
			}
			id, nobodys := other.Key.ID, nothing
			if strings.Contains(o.path, "/portalLinks/") {
				id, nobodys = w.link(t, "globex"), "aaaaaaaaaaaaaaaa"
			}
			if o.path == "/v1/owners/record" {
				id, nobodys = "globex", "nobody"
			}
			theirs, none := w.try(t, o, id, acme...), w.try(t, o, nobodys, acme...)
			if !keyservice.Scopes(keyservice.RoleAdmin, true).Allow(o.right) { // whatever it is about
				if theirs.status != http.StatusForbidden || theirs.text != none.text {
					t.Errorf("%s: %d %s, want 403", o.ID, theirs.status, theirs.text)
				}
				continue
			}
			if theirs.status != http.StatusNotFound || theirs.text != none.text {
				t.Errorf("%s: %d %s, want 404 as of a key that there is not: %s", o.ID, theirs.status, theirs.text, none.text)
			}
		}
		for what, r := range map[string]*reply{
			"filter":        w.ask(t, http.MethodGet, "/v1/keys?owner=globex", nil, acme...),
			"create":        w.ask(t, http.MethodPost, "/v1/keys", `{"owner":"globex"}`, acme...),
			"batch":         w.ask(t, http.MethodPost, "/v1/keys:batchCreate", `{"keys":[{},{"owner":"globex"}]}`, acme...),
			"give it away":  w.ask(t, http.MethodPatch, "/v1/keys/"+own.Key.ID, `{"owner":"globex"}`, append(acme, "If-Match", "*")...),
			"search":        w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": other.Text}, acme...),
			"record":        w.ask(t, http.MethodGet, "/v1/owners/record?owner=globex", nil, acme...),
			"credits":       w.ask(t, http.MethodGet, "/v1/credits?owner=globex", nil, acme...),
			"stale, unseen": w.ask(t, http.MethodPatch, "/v1/keys/"+other.Key.ID, `{"name":"x"}`, append(acme, "If-Match", `"999"`)...),
		} {
			if r.status != http.StatusNotFound || strings.Contains(r.text, "canary") {
				t.Errorf("%s: %d %s, want 404", what, r.status, r.text)
			}
		}
		var all, page keyservice.KeyPage
		w.ask(t, http.MethodGet, "/v1/keys?limit=2", nil).json(t, &all)
		want(t, "an owner's cursor", w.ask(t, http.MethodGet, "/v1/keys?limit=2&cursor="+all.Next, nil, acme...), http.StatusBadRequest)
		r := w.ask(t, http.MethodGet, "/v1/keys", nil, acme...)
		r.json(t, &page)
		if len(page.Keys) != 4 || strings.Contains(r.text, "globex") {
			t.Errorf("the list of acme has %d keys: %s", len(page.Keys), r.text)
		}
		var verdict keyservice.Verdict
		w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]any{"key": other.Text, "cost": 1}, acme...).json(t, &verdict)
		if verdict.Valid || verdict.Reason != "unknown" || verdict.Principal != nil {
			t.Errorf("another's key is %+v", verdict)
		}
		if _, err := w.issuer.Revoke(t.Context(), apikey.By{Actor: "t", Source: "t"}, apikey.ID(other.Key.ID), "superseded"); err != nil {
			t.Fatal(err)
		}
		w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]any{"key": other.Text}, acme...).json(t, &verdict)
		if verdict.Reason != "unknown" {
			t.Errorf("another's revoked key is %+v", verdict)
		}
		if w.count(t) != before {
			t.Errorf("%d keys, want %d", w.count(t), before)
		}
		made := keyservice.KeyMade{}
		w.ask(t, http.MethodPost, "/v1/keys", `{}`, acme...).json(t, &made)
		if made.Key.Owner != "acme" {
			t.Errorf("a key without an owner is of %q", made.Key.Owner)
		}
	})
}
