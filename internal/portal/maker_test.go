package portal_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

// makeLink makes a link with an admin key, and returns its text.
func (h *house) makeLink(t *testing.T, adminKey string, spec object) (text string) {
	t.Helper()
	body, err := json.Marshal(spec)
	must(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.admin+"/v1/portalLinks", bytes.NewReader(body))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+adminKey)
	r.Header.Set("Content-Type", "application/json")
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	must(t, err)
	defer response.Body.Close()
	var made struct{ URL string }
	must(t, json.NewDecoder(response.Body).Decode(&made))
	address, err := url.Parse(made.URL)
	must(t, err)
	if response.StatusCode != http.StatusCreated || address.Fragment == "" {
		t.Fatalf("no link: %d", response.StatusCode)
	}
	return address.Fragment
}

// What an admin key has handed out ends with it: links, and stays that came of them.
func TestLinksEndWithTheirMaker(t *testing.T) {
	h := start(t)
	for _, what := range []string{"revoked", "expired"} {
		made := h.api(t, "/v1/adminKeys", object{"name": what, "role": "developer"}, http.StatusCreated)
		adminKey, _ := made["text"].(string)
		id, _ := made["key"].(object)["id"].(string)
		inside, outside := h.enter(t, h.makeLink(t, adminKey, everything("acme"))), h.makeLink(t, adminKey, everything("acme"))
		others := h.visitor(t, "acme")
		form := inside.fill(t, "/new", "name", "left behind", "expires", "168h")
		inside.get(t, "/").want(t, "while the key holds", http.StatusOK)
		if what == "revoked" {
			h.api(t, "/v1/adminKeys/"+id+":revoke", object{"reason": "key-compromise"}, http.StatusOK)
		} else {
			h.exec(t, `UPDATE admin_keys SET detail = json_set(detail, '$.expires', json_extract(detail, '$.created') + 1) WHERE id = ?1`, id)
		}
		inside.get(t, "/").want(t, "the list, by a key that is "+what, http.StatusUnauthorized)
		inside.post(t, "/new", form).want(t, "a key, by a key that is "+what, http.StatusUnauthorized)
		dead := (&holder{h: h}).post(t, "/open", url.Values{"link": {outside}}).want(t, "a link of a key that is "+what, http.StatusGone)
		if unknown := (&holder{h: h}).post(t, "/open", url.Values{"link": {"x"}}); dead.body != unknown.body {
			t.Errorf("it is told apart:\n%s\n%s", dead.body, unknown.body)
		}
		others.get(t, "/").want(t, "a link of somebody else", http.StatusOK)
	}
	if n := len(h.keys(t, "acme")); n != 0 {
		t.Errorf("%d keys were made", n)
	}
}
