package adminui_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
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
