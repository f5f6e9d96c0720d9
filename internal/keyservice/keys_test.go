package keyservice_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyservice"
)

func TestTheWholeLifeOfAKey(t *testing.T) {
	w := newWorld(t)
	r := w.ask(t, http.MethodPost, "/v1/keys", `{"name":"ci","owner":"acme","scopes":["orders:read"],"metadata":{"team":"blue"},"addresses":["192.0.2.0/24"],"limits":[{"name":"requests","count":600,"per":"1m"}],"idle_revoke":"90d"}`)
	want(t, "create", r, http.StatusCreated)
	var made keyservice.KeyMade
	r.json(t, &made)
	k := made.Key
	if k.State != "active" || k.Owner != "acme" || k.Metadata["team"] != "blue" || k.Addresses[0] != "192.0.2.0/24" || k.Limits[0].Per != "1m0s" || k.IdleRevoke != "2160h0m0s" {
		t.Errorf("made %+v", k)
	}
	if r.header.Get("ETag") != quote(k.Revision) || r.header.Get("Location") != "/v1/keys/"+k.ID || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("create answers with the fields %v", r.header)
	}
	path := "/v1/keys/" + k.ID
	if p, err := w.verifier.VerifyFor(t.Context(), made.Text, apikey.Use{}); err == nil {
		t.Errorf("the key proves %v without its address", p.Subject)
	}

	r = w.ask(t, http.MethodPatch, path, `{"name":"ci of blue","addresses":[],"never_expires":true}`, "If-Match", quote(k.Revision))
	want(t, "update", r, http.StatusOK)
	var one keyservice.KeyBody
	r.json(t, &one)
	if one.Key.Name != "ci of blue" || one.Key.Addresses != nil || one.Key.Owner != "acme" || one.Key.Updated == nil {
		t.Errorf("updated to %+v", one.Key)
	}
	if _, err := w.verifier.Verify(t.Context(), made.Text); err != nil {
		t.Errorf("the key proves nobody: %v", err)
	}

	r = w.ask(t, http.MethodPost, path+":roll", `{"overlap":"24h","idle_retire":"1h"}`)
	want(t, "roll", r, http.StatusOK)
	var rolled keyservice.KeyMade
	r.json(t, &rolled)
	if rolled.Key.State != "retiring" || len(rolled.Key.Secrets) != 2 || rolled.Key.Secrets[1].IdleRetire != "1h0m0s" || rolled.Text == made.Text || rolled.Key.ID != k.ID {
		t.Errorf("rolled to %+v", rolled.Key)
	}
	for _, text := range []string{made.Text, rolled.Text} {
		if _, err := w.verifier.Verify(t.Context(), text); err != nil {
			t.Errorf("in the overlap a text proves nobody: %v", err)
		}
	}
	r = w.ask(t, http.MethodPost, path+":endOverlap", nil, "If-Match", quote(rolled.Key.Revision))
	want(t, "end the overlap", r, http.StatusOK)
	if _, err := w.verifier.Verify(t.Context(), made.Text); err == nil {
		t.Error("after the overlap the former text proves somebody")
	}

	var changed keyservice.KeyChanged
	for _, step := range []struct{ verb, state string }{{"disable", "disabled"}, {"disable", "disabled"}, {"enable", "active"}} {
		r = w.ask(t, http.MethodPost, path+":"+step.verb, nil)
		want(t, step.verb, r, http.StatusOK)
		r.json(t, &changed)
		if changed.Key.State != step.state || !changed.Receipt.Complete || changed.Receipt.Nodes != 1 || changed.Receipt.Revision != changed.Key.Revision {
			t.Errorf("%s answers %+v", step.verb, changed)
		}
	}
	want(t, "disable and do not wait", w.ask(t, http.MethodPost, path+":disable?wait=0s", nil), http.StatusOK)
	r = w.ask(t, http.MethodPost, path+":revoke?wait=1s", `{"reason":"key-compromise"}`)
	want(t, "revoke", r, http.StatusOK)
	r.json(t, &changed)
	if changed.Key.State != "revoked" || changed.Key.Reason != "key-compromise" || changed.Key.Revoked == nil {
		t.Errorf("revoked as %+v", changed.Key)
	}
	for _, verb := range []string{"roll", "enable", "disable"} {
		body := any(nil)
		if verb == "roll" {
			body = "{}"
		}
		want(t, verb+" after revoke", w.ask(t, http.MethodPost, path+":"+verb, body), http.StatusConflict)
	}
	want(t, "update after revoke", w.ask(t, http.MethodPatch, path, `{"name":"x"}`, "If-Match", "*"), http.StatusConflict)
	want(t, "delete", w.ask(t, http.MethodDelete, path, nil), http.StatusOK)
	want(t, "get after delete", w.ask(t, http.MethodGet, path, nil), http.StatusNotFound)
	want(t, "revoke after delete", w.ask(t, http.MethodPost, path+":revoke", `{}`), http.StatusNotFound)
}

func TestBatchIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	r := w.ask(t, http.MethodPost, "/v1/keys:batchCreate", `{"keys":[{"name":"a"},{"name":"b","environment":"test"}]}`)
	want(t, "batch", r, http.StatusCreated)
	var all keyservice.KeysMade
	r.json(t, &all)
	if len(all.Keys) != 2 || all.Keys[0].Key.Name != "a" || all.Keys[1].Text == "" || w.count(t) != 2 {
		t.Errorf("made %+v", all)
	}
	r = w.ask(t, http.MethodPost, "/v1/keys:batchCreate", `{"keys":[{"name":"c"},{"name":"d","scopes":["no scope"]},{"addresses":["nowhere"]},{"paths":["/orders/*"]}]}`)
	want(t, "batch with a bad one", r, http.StatusBadRequest)
	if got := strings.Join(r.fields(t), " "); got != "keys[1].scopes keys[2].addresses[0] keys[3].paths" || w.count(t) != 2 {
		t.Errorf("names %q, %d keys", got, w.count(t))
	}
	many := strings.Repeat(`{"name":"`+strings.Repeat("x", 100)+`"},`, 1000)
	r = w.ask(t, http.MethodPost, "/v1/keys:batchCreate", `{"keys":[`+many[:len(many)-1]+`]}`)
	want(t, "a batch of 1000", r, http.StatusCreated)
	r = w.ask(t, http.MethodPost, "/v1/keys:batchCreate", `{"keys":[`+many+`{}]}`)
	want(t, "a batch of 1001", r, http.StatusBadRequest)
	if got := r.fields(t); len(got) != 1 || got[0] != "keys" {
		t.Errorf("names %q", got)
	}
}

func TestListIsInPages(t *testing.T) {
	w := newWorld(t)
	for range 7 {
		w.made(t, keyservice.KeySpec{Owner: "acme"})
		w.made(t, keyservice.KeySpec{Owner: "globex", Environment: "test"})
	}
	for _, query := range []string{"?", "?owner=acme", "?sort=id", "?sort=id&environment=test", "?text=GLOB"} {
		seen := map[string]bool{}
		next, pages := "", 0
		for first := true; first || next != ""; first = false {
			r := w.ask(t, http.MethodGet, "/v1/keys"+query+"&limit=3&cursor="+next, nil)
			if next == "" {
				r = w.ask(t, http.MethodGet, "/v1/keys"+query+"&limit=3", nil)
			}
			want(t, query, r, http.StatusOK)
			var page keyservice.KeyPage
			r.json(t, &page)
			for _, k := range page.Keys {
				if seen[k.ID] {
					t.Errorf("%s: %s is there twice", query, k.ID)
				}
				seen[k.ID] = true
			}
			next = page.Next
			pages++
		}
		n := 14
		if query != "?" && query != "?sort=id" {
			n = 7
		}
		if len(seen) != n || pages != (n+2)/3 {
			t.Errorf("%s: %d keys in %d pages", query, len(seen), pages)
		}
	}
	r := w.ask(t, http.MethodGet, "/v1/keys?expires_before="+time.Now().UTC().Format(time.RFC3339), nil)
	if want(t, "expires before", r, http.StatusOK); !strings.Contains(r.text, `"keys":[]`) {
		t.Errorf("keys that never expire: %s", r.text)
	}
}
