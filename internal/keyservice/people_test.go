package keyservice_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/secret"
)

// invited makes somebody by the admin token.
func (w *world) invited(t *testing.T, name, role string) keyservice.PersonInvited {
	t.Helper()
	r := w.ask(t, http.MethodPost, "/v1/people", map[string]string{"name": name, "role": role})
	if want(t, "make "+name, r, http.StatusCreated); r.status != http.StatusCreated {
		t.FailNow()
	}
	var made keyservice.PersonInvited
	r.json(t, &made)
	return made
}

// settled makes somebody and uses the link.
func (w *world) settled(t *testing.T, name, role string) keyservice.Person {
	t.Helper()
	made := w.invited(t, name, role)
	w.accept(t, made.Link)
	var now keyservice.PersonBody
	w.ask(t, http.MethodGet, "/v1/people/"+made.Person.ID, nil).json(t, &now)
	return now.Person
}

func (w *world) accept(t *testing.T, link string) {
	t.Helper()
	home := netip.MustParseAddr("127.0.0.1")
	offer, err := w.admins.Offer(t.Context(), secret.New(link), home)
	must(t, err)
	f := account.Finish{Password: secret.New("seven quiet otters"), Offer: offer.Sealed}
	if offer.Factor {
		f.Code, err = account.Code(offer.Secret, time.Now())
		must(t, err)
	}
	_, _, err = w.admins.Finish(t.Context(), secret.New(link), home, f)
	must(t, err)
}

// The whole life of somebody who administers.
func TestPeople(t *testing.T) {
	w := newWorld(t)
	r := w.ask(t, http.MethodPost, "/v1/people", map[string]any{"name": "Bob", "email": "bob@example.com", "role": "auditor", "anywhere": true}, "X-Person", "admin")
	want(t, "make", r, http.StatusCreated)
	var made keyservice.PersonInvited
	r.json(t, &made)
	bob := made.Person
	path := "/v1/people/" + bob.ID
	if bob.Name != "bob" || bob.State != "invited" || bob.Password || bob.LinkExpires == nil || !strings.HasPrefix(made.Link, "wset_"+bob.ID+"_") ||
		r.header.Get("ETag") != quote(bob.Revision) || r.header.Get("Location") != path || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("made %+v with the fields %v", bob, r.header)
	}
	want(t, "make again", w.ask(t, http.MethodPost, "/v1/people", map[string]string{"name": "bob", "role": "auditor"}), http.StatusConflict)
	again := w.ask(t, http.MethodPost, path+":invite", `{"from":"127.0.0.1"}`, "If-Match", quote(bob.Revision))
	want(t, "another link", again, http.StatusOK)
	again.json(t, &made)
	w.accept(t, made.Link)
	want(t, "invite somebody who is set up", w.ask(t, http.MethodPost, path+":invite", `{}`), http.StatusConflict)

	var one keyservice.PersonBody
	w.ask(t, http.MethodGet, path, nil).json(t, &one)
	if one.Person.State != "active" || !one.Person.Password || one.Person.LinkExpires != nil {
		t.Errorf("set up, it is %+v", one.Person)
	}
	r = w.ask(t, http.MethodPatch, path, `{"email":"b@example.com"}`, "If-Match", quote(one.Person.Revision))
	if want(t, "describe", r, http.StatusOK); r.status == http.StatusOK {
		r.json(t, &one)
	}
	r = w.ask(t, http.MethodPost, path+":setRole", `{"role":"developer"}`, "If-Match", quote(one.Person.Revision))
	if want(t, "another role", r, http.StatusOK); r.status == http.StatusOK {
		r.json(t, &one)
	}
	if one.Person.Email != "b@example.com" || one.Person.Role != "developer" {
		t.Errorf("changed, it is %+v", one.Person)
	}
	want(t, "a role that wants a second factor", w.ask(t, http.MethodPost, path+":setRole", `{"role":"admin"}`, "If-Match", "*"), http.StatusConflict)
	for _, step := range []struct{ verb, state string }{{":disable", "disabled"}, {":enable", "active"}} {
		r = w.ask(t, http.MethodPost, path+step.verb, nil)
		want(t, step.verb, r, http.StatusOK)
		if r.json(t, &one); one.Person.State != step.state {
			t.Errorf("%s: it is %+v", step.verb, one.Person)
		}
	}
	r = w.ask(t, http.MethodPost, path+":reset", `{"password":true}`)
	want(t, "reset", r, http.StatusOK)
	if r.json(t, &made); made.Person.State != "locked" || made.Link == "" {
		t.Errorf("reset, it is %+v", made.Person)
	}
	want(t, "reset nothing", w.ask(t, http.MethodPost, path+":reset", `{}`), http.StatusBadRequest)
	want(t, "remove", w.ask(t, http.MethodDelete, path, nil), http.StatusOK)
	for _, r := range []*reply{
		w.ask(t, http.MethodGet, path, nil), w.ask(t, http.MethodDelete, path, nil), w.ask(t, http.MethodPost, path+":disable", nil), w.ask(t, http.MethodPost, path+":reset", `{"password":true}`),
	} {
		want(t, "what is gone", r, http.StatusNotFound)
	}
	for _, tt := range []struct{ body, field string }{
		{`{"name":"b b","role":"auditor"}`, "name"},
		{`{"role":"auditor"}`, "name"},
		{`{"name":"carol"}`, "role"},
		{`{"name":"carol","role":"root"}`, "role"},
		{`{"name":"carol","role":"auditor","email":"carol"}`, "email"},
		{`{"name":"carol","role":"auditor","from":"x"}`, "from"},
		{`{"name":"carol","role":"auditor","from":"192.0.2.1","anywhere":true}`, "from"},
		{`{"name":"carol","role":"auditor","id":"aaaaaaaaaaaaaaaa","epoch":7}`, "id"},
		{`{"name":"carol","role":"auditor","password":"seven quiet otters"}`, "password"},
	} {
		r := w.ask(t, http.MethodPost, "/v1/people", tt.body)
		if want(t, tt.body, r, http.StatusBadRequest); r.status == http.StatusBadRequest && !slices.Contains(r.fields(t), tt.field) {
			t.Errorf("%s names %q, want %q", tt.body, r.fields(t), tt.field)
		}
	}
	if all, err := w.accounts.List(t.Context(), "", 10); err != nil || len(all) != 0 {
		t.Errorf("%d accounts are left, %v", len(all), err)
	}
}

// The whole life of a machine that administers.
func TestAdminKeys(t *testing.T) {
	w := newWorld(t)
	r := w.ask(t, http.MethodPost, "/v1/adminKeys", map[string]any{"name": "deploy", "role": "developer", "owner": "acme", "expires": time.Now().Add(time.Hour)}, "X-Person", "admin")
	want(t, "make", r, http.StatusCreated)
	var made keyservice.AdminKeyMade
	r.json(t, &made)
	path := "/v1/adminKeys/" + made.Key.ID
	if made.Key.Owner != "acme" || made.Key.State != "active" || made.Key.Maker != personID("admin") || r.header.Get("ETag") != quote(made.Key.Revision) || r.header.Get("Location") != path ||
		!strings.HasPrefix(made.Text, strings.TrimSuffix(made.Key.Masked, "...")) {
		t.Errorf("made %+v with the fields %v", made.Key, r.header)
	}
	bearer := []string{"Authorization", "Bearer " + made.Text}
	var who keyservice.Whoami
	w.ask(t, http.MethodGet, "/v1/whoami", nil, bearer...).json(t, &who)
	if who.Owner != "acme" || who.Role != "developer" || who.Actor != "admin-key:"+made.Key.ID {
		t.Errorf("it is %+v", who)
	}
	w.made(t, keyservice.KeySpec{Owner: "globex"})
	if r := w.ask(t, http.MethodGet, "/v1/keys", nil, bearer...); r.status != http.StatusOK || strings.Contains(r.text, "globex") {
		t.Errorf("it lists %d %s", r.status, r.text)
	}
	want(t, "it reads administrators", w.ask(t, http.MethodGet, "/v1/people", nil, bearer...), http.StatusForbidden)
	for _, tt := range []struct{ body, field string }{
		{`{"role":"auditor","owner":""}`, "owner"},
		{`{"role":"auditor","owner":"` + strings.Repeat("ä", 65) + `"}`, "owner"},
		{`{"role":"auditor","owner":"a\u0000"}`, "owner"},
		{`{"role":"auditor","expires":"2020-01-01T00:00:00Z"}`, "expires"},
		{`{"role":"auditor","maker":"x"}`, "maker"},
		{`{"name":"x"}`, "role"},
	} {
		r := w.ask(t, http.MethodPost, "/v1/adminKeys", tt.body)
		if want(t, tt.body, r, http.StatusBadRequest); r.status == http.StatusBadRequest && !slices.Contains(r.fields(t), tt.field) {
			t.Errorf("%s names %q, want %q", tt.body, r.fields(t), tt.field)
		}
	}
	want(t, "revoke another state", w.ask(t, http.MethodPost, path+":revoke", `{}`, "If-Match", quote(made.Key.Revision+9)), http.StatusPreconditionFailed)
	want(t, "a bad reason", w.ask(t, http.MethodPost, path+":revoke", `{"reason":"Not a word"}`), http.StatusBadRequest)
	r = w.ask(t, http.MethodPost, path+":revoke", `{"reason":"leaked"}`, "If-Match", quote(made.Key.Revision))
	want(t, "revoke", r, http.StatusOK)
	var one keyservice.AdminKeyBody
	if r.json(t, &one); one.Key.State != "revoked" || one.Key.Reason != "leaked" || one.Key.Revoked == nil {
		t.Errorf("revoked, it is %+v", one.Key)
	}
	want(t, "after that", w.ask(t, http.MethodGet, "/v1/whoami", nil, bearer...), http.StatusUnauthorized)
	want(t, "none", w.ask(t, http.MethodPost, "/v1/adminKeys/AAAAAAAAAAAA:revoke", `{}`), http.StatusNotFound)
	want(t, "show none", w.ask(t, http.MethodGet, "/v1/adminKeys/AAAAAAAAAAAA", nil), http.StatusNotFound)
}

func TestListsOfAdministrators(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.invited(t, fmt.Sprintf("n%d", i), "auditor")
		want(t, "an admin key", w.ask(t, http.MethodPost, "/v1/adminKeys", `{"role":"auditor"}`), http.StatusCreated)
	}
	for _, path := range []string{"/v1/people", "/v1/adminKeys"} {
		seen, next, pages := map[string]bool{}, "", 0
		for first := true; first || next != ""; first = false {
			query := path + "?limit=3"
			if next != "" {
				query += "&cursor=" + next
			}
			r := w.ask(t, http.MethodGet, query, nil)
			want(t, query, r, http.StatusOK)
			var page struct {
				People, Keys []struct{ ID string }
				Next         string
			}
			r.json(t, &page)
			for _, one := range append(page.People, page.Keys...) {
				seen[one.ID] = true
			}
			next = page.Next
			pages++
		}
		if len(seen) != 7 || pages != 3 {
			t.Errorf("%s: %d in %d pages, want 7 in 3", path, len(seen), pages)
		}
	}
	var people keyservice.PeoplePage
	w.ask(t, http.MethodGet, "/v1/people?name=N3", nil).json(t, &people)
	if len(people.People) != 1 || people.People[0].Name != "n3" {
		t.Errorf("by name: %+v", people)
	}
	w.ask(t, http.MethodGet, "/v1/people?name=nobody", nil).json(t, &people)
	if len(people.People) != 0 {
		t.Errorf("by the name of nobody: %+v", people)
	}
	attack.Case(t, "ADMIN-15", attack.Admin, func(t *testing.T) {
		var keys keyservice.KeyPage
		w.made(t, keyservice.KeySpec{})
		w.made(t, keyservice.KeySpec{})
		w.ask(t, http.MethodGet, "/v1/keys?limit=1", nil).json(t, &keys)
		w.ask(t, http.MethodGet, "/v1/people?limit=2", nil).json(t, &people)
		for _, path := range []string{
			"/v1/people?limit=0", "/v1/people?limit=1001", "/v1/people?limit=-1", "/v1/adminKeys?limit=1e9", "/v1/people?cursor=" + keys.Next, "/v1/adminKeys?cursor=" + people.Next,
			"/v1/adminKeys?cursor=" + keys.Next, "/v1/people?name=x&cursor=" + people.Next, "/v1/people?cursor=" + people.Next[1:], "/v1/people?role=owner",
		} {
			want(t, path, w.ask(t, http.MethodGet, path, nil), http.StatusBadRequest)
		}
	})
}

// Whom a role manages, whom it does not, and that nobody raises itself.
func TestWhoManagesWhom(t *testing.T) {
	w := newWorld(t)
	attack.Case(t, "ADMIN-08", attack.Admin, func(t *testing.T) {
		for _, by := range account.Roles() {
			for _, of := range account.Roles() {
				status := map[bool]int{true: http.StatusCreated, false: http.StatusForbidden}[by.Manages(of)]
				name := "new-" + string(by) + "-" + string(of)
				want(t, name, w.ask(t, http.MethodPost, "/v1/people", map[string]any{"name": name, "role": of}, "X-Person", string(by)), status)
				want(t, "a key: "+name, w.ask(t, http.MethodPost, "/v1/adminKeys", map[string]any{"role": of}, "X-Person", string(by)), status)
			}
		}
		// Each verb, by an admin on an owner.
		ada := w.settled(t, "ada", "owner")
		_, key, err := w.machines.Issue(t.Context(), account.Actor{By: "t", Source: "t", Operator: true}, login.KeySpec{Role: account.Owner})
		must(t, err)
		path := "/v1/people/" + ada.ID
		for what, r := range map[string]*reply{
			"role":    w.ask(t, http.MethodPost, path+":setRole", `{"role":"auditor"}`, "X-Person", "admin", "If-Match", "*"),
			"e-mail":  w.ask(t, http.MethodPatch, path, `{"email":"x@example.com"}`, "X-Person", "admin", "If-Match", "*"),
			"disable": w.ask(t, http.MethodPost, path+":disable", nil, "X-Person", "admin"),
			"reset":   w.ask(t, http.MethodPost, path+":reset", `{"factor":true}`, "X-Person", "admin"),
			"remove":  w.ask(t, http.MethodDelete, path, nil, "X-Person", "admin"),
			"a key that is an owner's makes an account":   w.ask(t, http.MethodPost, "/v1/people", `{"name":"eve","role":"auditor"}`, "Authorization", "Bearer "+key.Reveal()),
			"a key that is an owner's makes an admin key": w.ask(t, http.MethodPost, "/v1/adminKeys", `{"role":"auditor"}`, "Authorization", "Bearer "+key.Reveal()),
		} {
			want(t, what, r, http.StatusForbidden)
		}
		// The last owner stays, whoever asks.
		for what, r := range map[string]*reply{
			"lowered":  w.ask(t, http.MethodPost, path+":setRole", `{"role":"auditor"}`, "If-Match", "*"),
			"disabled": w.ask(t, http.MethodPost, path+":disable", nil),
			"removed":  w.ask(t, http.MethodDelete, path, nil, "X-Person", "owner"),
		} {
			want(t, "the last owner is "+what, r, http.StatusConflict)
		}
		// An admin who is in the store raises itself.
		_, err = w.accounts.Apply(t.Context(), account.Change{
			Actor: "t", Source: "t", Op: account.OpCreate, At: time.Now(),
			After: &account.Account{ID: account.ID(personID("admin")), Name: "self", Role: account.Admin, Created: time.Now()},
		})
		must(t, err)
		r := w.ask(t, http.MethodPost, "/v1/people/"+personID("admin")+":setRole", `{"role":"owner"}`, "X-Person", "admin", "If-Match", "*")
		if want(t, "raises itself", r, http.StatusForbidden); !strings.Contains(r.text, "raises its own role") {
			t.Errorf("it is told %s", r.text)
		}
		// Two owners who remove each other at once leave one.
		bob := w.settled(t, "bob", "owner")
		var both sync.WaitGroup
		statuses := [2]int{}
		for i, id := range []string{ada.ID, bob.ID} {
			both.Go(func() { statuses[i] = w.ask(t, http.MethodDelete, "/v1/people/"+id, nil).status })
		}
		both.Wait()
		if slices.Sort(statuses[:]); statuses != [2]int{http.StatusOK, http.StatusConflict} {
			t.Errorf("two owners at once: %v, want one 200 and one 409", statuses)
		}
	})
}

// What wants a fresh login, and what is urgent.
func TestFreshLogins(t *testing.T) {
	w := newWorld(t, func(cfg *keyservice.Config) {
		cfg.Stale = func(p *exchange.Principal, right keyservice.Right) bool {
			_, stale := account.Permits(p, account.Action(right), time.Now())
			return stale
		}
	})
	bob := w.invited(t, "bob", "auditor").Person
	key, _, err := w.machines.Issue(t.Context(), account.Actor{By: "t", Source: "t", Operator: true}, login.KeySpec{Role: account.Auditor})
	must(t, err)
	late := []string{"X-Person", "admin", "X-Age", "11m", "If-Match", "*"}
	path := "/v1/people/" + bob.ID
	made := w.made(t, keyservice.KeySpec{Owner: "acme"})
	keyPath := "/v1/keys/" + made.Key.ID
	for what, r := range map[string]*reply{
		"roll":     w.ask(t, http.MethodPost, keyPath+":roll", `{}`, late...),
		"delete":   w.ask(t, http.MethodDelete, keyPath, nil, late...),
		"make":     w.ask(t, http.MethodPost, "/v1/people", `{"name":"carol","role":"auditor"}`, late...),
		"role":     w.ask(t, http.MethodPost, path+":setRole", `{"role":"developer"}`, late...),
		"invite":   w.ask(t, http.MethodPost, path+":invite", `{}`, late...),
		"remove":   w.ask(t, http.MethodDelete, path, nil, late...),
		"make key": w.ask(t, http.MethodPost, "/v1/adminKeys", `{"role":"auditor"}`, late...),
	} {
		if want(t, what, r, http.StatusForbidden); !strings.Contains(r.text, "fresh-login") {
			t.Errorf("%s: %s", what, r.text)
		}
	}
	var still keyservice.KeyBody
	if w.ask(t, http.MethodGet, keyPath, nil).json(t, &still); still.Key.Revision != made.Key.Revision {
		t.Errorf("the key that a late login may not roll is at %d, want %d still", still.Key.Revision, made.Key.Revision)
	}
	want(t, "read", w.ask(t, http.MethodGet, "/v1/people", nil, late...), http.StatusOK)
	want(t, "disable", w.ask(t, http.MethodPost, path+":disable", nil, late...), http.StatusOK)
	want(t, "enable", w.ask(t, http.MethodPost, path+":enable", nil, late...), http.StatusForbidden)
	want(t, "revoke", w.ask(t, http.MethodPost, "/v1/adminKeys/"+key.ID+":revoke", `{}`, late...), http.StatusOK)
	want(t, "disable a key", w.ask(t, http.MethodPost, keyPath+":disable", nil, late...), http.StatusOK)
	want(t, "enable a key", w.ask(t, http.MethodPost, keyPath+":enable", nil, late...), http.StatusOK)
	want(t, "roll in time", w.ask(t, http.MethodPost, keyPath+":roll", `{}`, "X-Person", "admin", "X-Age", "9m", "If-Match", "*"), http.StatusOK)
	want(t, "in time", w.ask(t, http.MethodPost, path+":setRole", `{"role":"developer"}`, "X-Person", "admin", "X-Age", "9m", "If-Match", "*"), http.StatusOK)
}

func TestStatesOfAdministrators(t *testing.T) {
	attack.Case(t, "ADMIN-07", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		bob := w.settled(t, "bob", "auditor")
		path := "/v1/people/" + bob.ID
		want(t, "a role without If-Match", w.ask(t, http.MethodPost, path+":setRole", `{"role":"developer"}`), http.StatusPreconditionRequired)
		want(t, "an address without If-Match", w.ask(t, http.MethodPatch, path, `{"email":""}`), http.StatusPreconditionRequired)
		want(t, "in time", w.ask(t, http.MethodPost, path+":setRole", `{"role":"developer"}`, "If-Match", quote(bob.Revision)), http.StatusOK)
		stale := []string{"If-Match", quote(bob.Revision)}
		for what, r := range map[string]*reply{
			"role": w.ask(t, http.MethodPost, path+":setRole", `{"role":"auditor"}`, stale...), "e-mail": w.ask(t, http.MethodPatch, path, `{"email":""}`, stale...),
			"disable": w.ask(t, http.MethodPost, path+":disable", nil, stale...), "enable": w.ask(t, http.MethodPost, path+":enable", nil, stale...),
			"reset": w.ask(t, http.MethodPost, path+":reset", `{"password":true}`, stale...), "remove": w.ask(t, http.MethodDelete, path, nil, stale...),
			"invite": w.ask(t, http.MethodPost, path+":invite", `{}`, stale...),
		} {
			want(t, "stale "+what, r, http.StatusPreconditionFailed)
		}
		var one keyservice.PersonBody
		w.ask(t, http.MethodGet, path, nil).json(t, &one)
		if one.Person.State != "active" || one.Person.Role != "developer" {
			t.Errorf("it is %+v", one.Person)
		}
		statuses := make([]int, 16)
		var all sync.WaitGroup
		for i := range statuses {
			all.Go(func() {
				verbs := []string{":disable", ":reset", ":setRole", ""}
				bodies, methods := []any{nil, `{"password":true}`, `{"role":"auditor"}`, nil}, []string{http.MethodPost, http.MethodPost, http.MethodPost, http.MethodDelete}
				k := i % len(verbs)
				statuses[i] = w.ask(t, methods[k], path+verbs[k], bodies[k], "If-Match", quote(one.Person.Revision)).status
			})
		}
		all.Wait()
		won := 0
		for _, status := range statuses {
			switch status {
			case http.StatusOK:
				won++
			case http.StatusPreconditionFailed, http.StatusNotFound: // it was removed
			default:
				t.Errorf("at once: %d", status)
			}
		}
		if won != 1 {
			t.Errorf("%d of %d who saw one state had their way, want one", won, len(statuses))
		}
	})
}

func TestAdministratorsAreMadeOnce(t *testing.T) {
	w := newWorld(t)
	attack.Case(t, "ADMIN-06", attack.Admin, func(t *testing.T) {
		for _, tt := range []struct{ path, body, other, secret string }{
			{"/v1/people", `{"name":"bob","role":"auditor"}`, `{"name":"carol","role":"auditor"}`, "wset_"},
			{"/v1/adminKeys", `{"name":"ci","role":"auditor"}`, `{"name":"ci","role":"developer"}`, "wadm_auditor_"},
		} {
			marked := []string{"Idempotency-Key", "k" + tt.path}
			first, second := w.ask(t, http.MethodPost, tt.path, tt.body, marked...), w.ask(t, http.MethodPost, tt.path, tt.body, marked...)
			want(t, "first", first, http.StatusCreated)
			want(t, "second", second, http.StatusCreated)
			if second.header.Get("Idempotency-Replayed") != "true" || second.header.Get("Location") != first.header.Get("Location") || second.header.Get("ETag") != first.header.Get("ETag") {
				t.Errorf("%s again: %v", tt.path, second.header)
			}
			attack.Case(t, "ADMIN-10", attack.Admin, func(t *testing.T) {
				if !strings.Contains(first.text, `":"`+tt.secret) || strings.Contains(second.text, `"link"`) || strings.Contains(second.text, `"text"`) {
					t.Errorf("%s is told %s, then %s", tt.path, first.text, second.text)
				}
				if list := w.ask(t, http.MethodGet, tt.path, nil); strings.Contains(list.text, `"link"`) || strings.Contains(list.text, `"text"`) || strings.Contains(list.text, "digest") {
					t.Errorf("the list tells %s", list.text)
				}
			})
			want(t, "another body", w.ask(t, http.MethodPost, tt.path, tt.other, marked...), http.StatusUnprocessableEntity)
		}
		people, err := w.accounts.List(t.Context(), "", 10)
		must(t, err)
		keys, err := w.accounts.ListKeys(t.Context(), "", 10)
		must(t, err)
		if len(people) != 1 || len(keys) != 1 {
			t.Errorf("%d people and %d admin keys, want one each", len(people), len(keys))
		}
	})
}

// Without a store of administrators, or without its answer, it is 503.
func TestNobodyKeepsAdministrators(t *testing.T) {
	none := newWorld(t, func(cfg *keyservice.Config) { cfg.People, cfg.AdminKeys = nil, nil })
	down := newWorld(t, func(cfg *keyservice.Config) {
		people, err := account.New(account.Config{Store: awayStore{}, Hash: func(secret.Text) (string, error) { return "", nil }, Sealer: new(unsealed)})
		must(t, err)
		cfg.People = people
	})
	for name, w := range map[string]*world{"none": none, "down": down} {
		for _, o := range operations(t, w) {
			if !strings.HasPrefix(o.path, "/v1/people") && (!strings.HasPrefix(o.path, "/v1/adminKeys") || o.ID == "createAdminKey" && name == "down") {
				continue
			}
			if r := w.try(t, o, ""); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
				t.Errorf("%s: %s: %d %s, want 503", name, o.ID, r.status, r.text)
			}
		}
	}
}

var errAway = errors.New("away")

// An awayStore gives no answer.
type awayStore struct{ account.Store }

func (awayStore) Lookup(context.Context, account.ID) (account.Account, error) {
	return account.Account{}, errAway
}

func (awayStore) List(context.Context, account.ID, int) ([]account.Account, error) {
	return nil, errAway
}

func (awayStore) LookupKey(context.Context, string) (account.Key, error) {
	return account.Key{}, errAway
}

func (awayStore) ListKeys(context.Context, string, int) ([]account.Key, error) { return nil, errAway }

func (awayStore) Apply(context.Context, account.Change) (account.Revision, error) { return 0, errAway }

// unsealed seals nothing.
type unsealed struct{}

func (*unsealed) Seal([]byte, string) (sealed, pepper string, err error) { return "", "", errAway }
func (*unsealed) Open(string, string, string) ([]byte, error)            { return nil, errAway }
