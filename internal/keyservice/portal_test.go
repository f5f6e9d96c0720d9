package keyservice_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/portallink"
)

// link makes one for an owner, and returns its id.
func (w *world) link(t *testing.T, owner string) string {
	t.Helper()
	r := w.ask(t, http.MethodPost, "/v1/portalLinks", map[string]string{"owner": owner})
	want(t, "a link", r, http.StatusCreated)
	var made keyservice.PortalLink
	r.json(t, &made)
	return made.ID
}

func TestPortalLinks(t *testing.T) {
	w := newWorld(t)
	const spec = `{"owner":"acme","may":["roll","usage"],"create":{"keys":3,"scopes":["a"],"max_ttl":"30d"},"return":"https://app.test/","life":"1h","session":"2h"}`
	r := w.ask(t, http.MethodPost, "/v1/portalLinks", spec, "Idempotency-Key", "one")
	want(t, "a link", r, http.StatusCreated)
	var made keyservice.PortalLink
	r.json(t, &made)
	link, id, ok := portallink.ParseLink(made.URL)
	p, err := w.passes.Lookup(t.Context(), id)
	must(t, err)
	if !ok || !strings.HasPrefix(made.URL, "https://keys.test/open#wpl_") || string(id) != made.ID || !p.Opens(link, p.Created) || made.Session != "2h0m0s" || !made.Expires.Equal(p.Expires) {
		t.Errorf("the link is %+v of %+v", made, p)
	}
	if g := p.Grant; !g.Roll || !g.Usage || g.Revoke || g.Create.Keys != 3 || g.Create.Environment != "live" || !slices.Equal(g.Create.Scopes, []string{"a"}) || p.Maker != "admin-token" || p.Return != "https://app.test/" {
		t.Errorf("it grants %+v", p)
	}
	again := w.ask(t, http.MethodPost, "/v1/portalLinks", spec, "Idempotency-Key", "one")
	want(t, "the same again", again, http.StatusCreated)
	if strings.Contains(again.text, "wpl_") || !strings.Contains(again.text, made.ID) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the same again: %s", again.text)
	}

	// Whoever is bound to an owner makes and ends links of that one alone.
	acme := []string{"X-Person", "developer:acme"}
	want(t, "of the own owner", w.ask(t, http.MethodPost, "/v1/portalLinks", `{"owner":"acme"}`, acme...), http.StatusCreated)
	want(t, "of another", w.ask(t, http.MethodPost, "/v1/portalLinks", `{"owner":"globex"}`, acme...), http.StatusNotFound)
	theirs := w.link(t, "globex")
	want(t, "end another's", w.ask(t, http.MethodPost, "/v1/portalLinks/"+theirs+":end", nil, acme...), http.StatusNotFound)
	if p, err := w.passes.Lookup(t.Context(), portallink.ID(theirs)); err != nil || !p.Ended.IsZero() {
		t.Errorf("it is %+v, %v", p, err)
	}
	ended := w.ask(t, http.MethodPost, "/v1/portalLinks/"+made.ID+":end", nil, acme...)
	want(t, "end the own", ended, http.StatusOK)
	if twice := w.ask(t, http.MethodPost, "/v1/portalLinks/"+made.ID+":end", nil, acme...); twice.text != ended.text {
		t.Errorf("ended twice: %s and %s", ended.text, twice.text)
	}
	want(t, "by who may only read", w.ask(t, http.MethodPost, "/v1/portalLinks", `{"owner":"acme"}`, "X-Person", "auditor"), http.StatusForbidden)
}

// A link lets nobody do what wants a fresh login of whoever makes it.
func TestPortalLinksWantAFreshLogin(t *testing.T) {
	w := newWorld(t, func(cfg *keyservice.Config) {
		cfg.Stale = func(_ *exchange.Principal, right keyservice.Right) bool { return right == keyservice.RollKeys }
	})
	want(t, "a link to roll", w.ask(t, http.MethodPost, "/v1/portalLinks", `{"owner":"acme","may":["roll"]}`, "X-Person", "admin"), http.StatusForbidden)
	want(t, "a link to revoke", w.ask(t, http.MethodPost, "/v1/portalLinks", `{"owner":"acme","may":["revoke"]}`, "X-Person", "admin"), http.StatusCreated)
}

func TestWithoutAPortal(t *testing.T) {
	w := newWorld(t, func(cfg *keyservice.Config) { cfg.Portal = nil })
	want(t, "make", w.ask(t, http.MethodPost, "/v1/portalLinks", `{"owner":"acme"}`), http.StatusNotFound)
	want(t, "end", w.ask(t, http.MethodPost, "/v1/portalLinks/aaaaaaaaaaaaaaaa:end", nil), http.StatusNotFound)
}

// An owner has only so many at once.
func TestTooManyPortalLinks(t *testing.T) {
	w := newWorld(t)
	for range portallink.MostOfOwner {
		_, _, err := portallink.Make(t.Context(), &w.passes, audit.By{Actor: "a", Source: "test"}, portallink.Spec{Owner: "acme", Maker: "a"})
		must(t, err)
	}
	want(t, "one more", w.ask(t, http.MethodPost, "/v1/portalLinks", `{"owner":"acme"}`), http.StatusConflict)
	want(t, "of another owner", w.ask(t, http.MethodPost, "/v1/portalLinks", `{"owner":"globex"}`), http.StatusCreated)
}
