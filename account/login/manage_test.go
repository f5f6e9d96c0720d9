package login_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/internal/attack"
)

func TestRightsOverHTTP(t *testing.T) {
	attack.Case(t, "ADMIN-08", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		ada := h.settle(t, "ada", account.Owner)
		people := map[account.Role]*person{account.Owner: ada}
		for _, role := range account.Roles()[1:] {
			people[role] = h.settle(t, string(role), role)
		}
		for _, p := range people {
			p.login(t, 0).want(t, "login", http.StatusOK)
		}
		for by, p := range people {
			for _, role := range account.Roles() {
				want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[by.Manages(role)]
				a := p.post(t, "/people", map[string]any{"name": "new-" + string(by) + string(role), "role": role}).want(t, string(by)+" makes "+string(role), want)
				if k := p.post(t, "/keys", map[string]any{"name": "k", "role": role}).want(t, string(by)+" makes a key of "+string(role), want); k.status == http.StatusOK && !strings.HasPrefix(k.text("text"), "wadm_"+string(role)+"_") {
					t.Errorf("%s makes a key of %s: %v", by, role, k.body["key"])
				}
				if want == http.StatusForbidden && a.text("detail") == "" {
					t.Error("a refusal says nothing")
				}
			}
			reads := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[by.May(account.ReadAccounts)]
			p.send(t, http.MethodGet, "/people", nil).want(t, string(by)+" lists people", reads)
			p.send(t, http.MethodGet, "/keys", nil).want(t, string(by)+" lists keys", reads)
			p.send(t, http.MethodGet, "/people/"+string(ada.id), nil).want(t, string(by)+" reads one", reads)
			if by != account.Owner {
				p.post(t, "/people/"+string(p.id)+"/role", map[string]any{"role": account.Owner}).want(t, string(by)+" raises itself", http.StatusForbidden)
				p.post(t, "/people/"+string(ada.id)+"/reset-password", map[string]any{}).want(t, string(by)+" resets an owner's password", http.StatusForbidden)
				p.post(t, "/people/"+string(ada.id)+"/remove", map[string]any{}).want(t, string(by)+" removes an owner", http.StatusForbidden)
			}
		}
		for _, path := range []string{"/remove", "/disable"} {
			ada.post(t, "/people/"+string(ada.id)+path, map[string]any{}).want(t, "the last owner: "+path, http.StatusConflict)
		}
		ada.post(t, "/people/"+string(ada.id)+"/role", map[string]any{"role": "admin"}).want(t, "the last owner is lowered", http.StatusConflict)
		ada.me(t).want(t, "it is there", http.StatusOK)
	})
}

func TestOwnersRemoveEachOtherOverHTTP(t *testing.T) {
	attack.Case(t, "ADMIN-08", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		ada, bob := h.settle(t, "ada", account.Owner), h.settle(t, "bob", account.Owner)
		ada.login(t, 0).want(t, "login", http.StatusOK)
		bob.login(t, 0).want(t, "login", http.StatusOK)
		var wait sync.WaitGroup
		var first, second int
		wait.Go(func() { first = ada.post(t, "/people/"+string(bob.id)+"/remove", map[string]any{}).status })
		wait.Go(func() { second = bob.post(t, "/people/"+string(ada.id)+"/remove", map[string]any{}).status })
		wait.Wait()
		// The one who is removed first is nobody by then, or comes too late.
		if (first == http.StatusOK) == (second == http.StatusOK) || first+second-http.StatusOK != http.StatusConflict && first+second-http.StatusOK != http.StatusUnauthorized {
			t.Errorf("two owners removed each other: %d, %d", first, second)
		}
		if owner, err := h.people.HasOwner(t.Context()); err != nil || !owner {
			t.Errorf("HasOwner = %v, %v", owner, err)
		}
	})
}

// The whole life of an account and of a key over HTTP.
func TestPeopleOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ada := h.settle(t, "ada", account.Owner)
		ada.login(t, 0).want(t, "login", http.StatusOK)
		made := ada.post(t, "/people", map[string]any{"name": "Bob", "email": "bob@example.com", "role": "auditor", "from": "198.51.100.7"}).want(t, "make", http.StatusOK)
		view, _ := made.body["account"].(map[string]any)
		id, _ := view["id"].(string)
		if view["name"] != "bob" || view["state"] != "invited" || view["password"] != false {
			t.Errorf("made %v", view)
		}
		ada.post(t, "/people", map[string]any{"name": "bob", "role": "auditor"}).want(t, "make again", http.StatusConflict)
		bob := &person{h: h, name: "bob", from: "198.51.100.7:1"}
		bob.post(t, "/setup/finish", map[string]any{"link": made.text("link"), "password": goodPassword}).want(t, "set up", http.StatusOK)
		bob.login(t, 0).want(t, "bob", http.StatusOK)
		ada.post(t, "/people/"+id+"/invite", map[string]any{}).want(t, "invite one that is set up", http.StatusConflict)
		read := ada.send(t, http.MethodGet, "/people/"+id, nil).want(t, "read", http.StatusOK)
		ada.post(t, "/people/"+id+"/email", map[string]any{"email": "b@example.com", "revision": read.body["revision"]}).want(t, "describe", http.StatusOK)
		ada.post(t, "/people/"+id+"/email", map[string]any{"email": "c@example.com", "revision": read.body["revision"]}).want(t, "describe what was changed", http.StatusConflict)
		ada.post(t, "/people/"+id+"/role", map[string]any{"role": "developer"}).want(t, "another role", http.StatusOK)
		bob.me(t).want(t, "the session of before", http.StatusUnauthorized)
		ada.post(t, "/people/"+id+"/role", map[string]any{"role": "admin"}).want(t, "a role that requires a factor", http.StatusConflict)
		ada.post(t, "/people/"+id+"/disable", map[string]any{}).want(t, "disable", http.StatusOK)
		bob.post(t, "/login", map[string]any{"name": "bob", "password": goodPassword}).want(t, "disabled", http.StatusUnauthorized)
		ada.post(t, "/people/"+id+"/enable", map[string]any{}).want(t, "enable", http.StatusOK)
		bob.login(t, 0).want(t, "bob again", http.StatusOK)
		reset := ada.post(t, "/people/"+id+"/reset-password", map[string]any{"anywhere": true}).want(t, "reset", http.StatusOK)
		bob.me(t).want(t, "reset", http.StatusUnauthorized)
		bob.from = "203.0.113.1:1"
		bob.post(t, "/setup/finish", map[string]any{"link": reset.text("link"), "password": goodPassword}).want(t, "set anew, from anywhere", http.StatusOK)
		ada.post(t, "/people/"+id+"/remove", map[string]any{}).want(t, "remove", http.StatusOK)
		for _, path := range []string{"/people/" + id + "/remove", "/people/aaaaaaaaaaaaaaaa/disable", "/people/x/enable", "/keys/AbcDef012345/revoke", "/keys/x/revoke"} {
			ada.post(t, path, map[string]any{}).want(t, path, http.StatusNotFound)
		}
		ada.send(t, http.MethodGet, "/people/"+id, nil).want(t, "read what is gone", http.StatusNotFound)
		for what, members := range map[string]map[string]any{
			"a bad name":      {"name": "b b", "role": "auditor"},
			"no role":         {"name": "carol"},
			"a bad address":   {"name": "carol", "role": "auditor", "from": "x"},
			"both":            {"name": "carol", "role": "auditor", "from": "192.0.2.1", "anywhere": true},
			"a member more":   {"name": "carol", "role": "auditor", "id": "aaaaaaaaaaaaaaaa"},
			"an epoch":        {"name": "carol", "role": "auditor", "epoch": 7},
			"another's state": {"name": "carol", "role": "auditor", "state": "active"},
		} {
			ada.post(t, "/people", members).want(t, what, http.StatusBadRequest)
		}

		issued := ada.post(t, "/keys", map[string]any{"name": "deploy", "role": "auditor", "expires": time.Now().Add(time.Hour)}).want(t, "issue", http.StatusOK)
		key, _ := issued.body["key"].(map[string]any)
		machine := &person{h: h, from: "192.0.2.9:1"}
		bearer := []string{"Authorization", "Bearer " + issued.text("text")}
		machine.send(t, http.MethodGet, "/people", nil, bearer...).want(t, "a key reads", http.StatusOK)
		machine.post(t, "/people", map[string]any{"name": "eve", "role": "auditor"}, bearer...).want(t, "a key makes an account", http.StatusUnauthorized)
		ada.post(t, "/keys", map[string]any{"role": "auditor", "expires": time.Now().Add(-time.Hour)}).want(t, "expired", http.StatusBadRequest)
		id, _ = key["id"].(string)
		ada.post(t, "/keys/"+id+"/revoke", map[string]any{"reason": "Not a word"}).want(t, "a bad reason", http.StatusBadRequest)
		ada.post(t, "/keys/"+id+"/revoke", map[string]any{"reason": "leaked"}).want(t, "revoke", http.StatusOK)
		machine.send(t, http.MethodGet, "/people", nil, bearer...).want(t, "revoked", http.StatusUnauthorized)

		bound := ada.post(t, "/keys", map[string]any{"name": "portal", "role": "admin", "owner": "acme"}).want(t, "issue one of an owner", http.StatusOK)
		if k, _ := bound.body["key"].(map[string]any); k["owner"] != "acme" || k["maker"] != string(ada.id) {
			t.Errorf("issued %v", bound.body["key"])
		}
		bearer = []string{"Authorization", "Bearer " + bound.text("text")}
		if me := machine.send(t, http.MethodGet, "/me", nil, bearer...).want(t, "who it is", http.StatusOK); me.body["owner"] != "acme" {
			t.Errorf("it is %v", me.body)
		}
		machine.send(t, http.MethodGet, "/people", nil, bearer...).want(t, "it reads people", http.StatusForbidden)
		for what, owner := range map[string]any{"nobody": "", "too long": strings.Repeat("a", 129), "two lines": "a\nb", "null bytes": "a\x00", "a list": []string{"acme"}} {
			ada.post(t, "/keys", map[string]any{"role": "auditor", "owner": owner}).want(t, "bound to "+what, http.StatusBadRequest)
		}

		pause(account.FreshFor)
		ada.send(t, http.MethodGet, "/people", nil).want(t, "reading later", http.StatusOK)
		ada.post(t, "/people", map[string]any{"name": "carol", "role": "auditor"}).want(t, "making later", http.StatusForbidden)
	})
}

func TestPatterns(t *testing.T) {
	h := newHouse(t)
	routes, err := login.NewRoutes(h.door, h.keys, "/admin")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux() // which panics when two of them are in each other's way
	for _, pattern := range routes.Patterns() {
		mux.Handle(pattern, routes)
	}
	if n := len(routes.Patterns()); n != 25 {
		t.Errorf("%d patterns, want 25", n)
	}
}
