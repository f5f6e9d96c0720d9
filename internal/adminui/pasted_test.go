package adminui_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// A key that is pasted where names are looked for leads to the key, and its text stays
// neither in the page nor in an address, also without a session.
func TestAKeyPastedIntoTheFilter(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner).login(t)
	record, text := h.key(t, apikey.Spec{Environment: "live", Name: "k", Owner: "acme"})
	bob := h.settle(t, "bob", account.Admin)
	for address, want := range map[string]string{"/ui/keys?text=" + text: "/ui/keys/" + string(record.ID), "/ui/keys?text=+" + text: "/ui/keys/" + string(record.ID)} {
		got := ada.get(t, address)
		if to := got.header.Get("Location"); to != want || strings.Contains(got.body, text) {
			t.Errorf("%d leads to %q, want %q; the body repeats the key: %v", got.status, to, want, strings.Contains(got.body, text))
		}
		if to := bob.get(t, address).header.Get("Location"); to == "" || strings.Contains(to, text) {
			t.Errorf("without a session it leads to %q", strings.ReplaceAll(to, text, "<THE KEY>"))
		}
	}
}

// The filters of lists are sent in bodies, and lead to no address with a key in it,
// whatever stands around it and whether its check digits are right; an address that has
// one all the same shows nothing.
func TestNoKeyInAnAddress(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner).login(t)
	record, text := h.key(t, apikey.Spec{Environment: "live", Name: "k", Owner: "acme"})
	last := "0"
	if strings.HasSuffix(text, last) {
		last = "1"
	}
	wrong := text[:len(text)-1] + last
	attack.Case(t, "ADMIN-16", attack.Admin, func(t *testing.T) {
		for page, fields := range map[string]string{"keys": "text owner environment plan", "audit": "actor op kind subject", "live": "route key code", "health": "ill"} {
			list := ada.get(t, "/ui/"+page).want(t, page, 200)
			if at := strings.Index(list.body, `<form class="filter"`); at < 0 || !strings.HasPrefix(list.body[at:], `<form class="filter" method="post" action="/ui/`+page+`"`) {
				t.Errorf("the filter of %s is sent in an address", page)
			}
			ada.post(t, "/ui/"+page, url.Values{}).leads(t, "an empty filter", "/ui/"+page)
			for field := range strings.FieldsSeq(fields) {
				ada.post(t, "/ui/"+page, url.Values{field: {" " + text + " "}}).leads(t, "a key", "/ui/keys/"+string(record.ID))
				for what, pasted := range map[string]string{"a wrong key": wrong, "a key in a line": "X-API-Key: " + text} {
					got := ada.post(t, "/ui/"+page, url.Values{field: {pasted}}).want(t, page+": "+field+": "+what, 400)
					if strings.Contains(got.body, pasted) || got.header.Get("Location") != "" {
						t.Errorf("%s: %s: %s is repeated", page, field, what)
					}
					if got := ada.get(t, "/ui/"+page+"?"+url.Values{field: {pasted}}.Encode()); got.status != 400 || strings.Contains(got.body, pasted) {
						t.Errorf("%s: %s: %s in an address: %d", page, field, what, got.status)
					}
				}
			}
		}
		ada.post(t, "/ui/keys", url.Values{"text": {"k"}, "owner": {" acme"}, "state": {""}}).leads(t, "a filter", "/ui/keys?owner=acme&text=k")
		ada.get(t, "/ui/login?next="+url.QueryEscape("/ui/keys?text="+wrong)).want(t, "a login that leads there", 400)
		if log := h.log.String(); strings.Contains(log, text) || strings.Contains(log, wrong) {
			t.Error("the log has the key")
		}
	})
}
