package adminui_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/internal/attack"
)

// TestPeople makes, changes and removes an account, as an owner does.
func TestPeople(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner).login(t)
	form := ada.fill(t, "/ui/people/new", "name", "bob", "email", "bob@example.com", "role", "developer")
	ada.post(t, "/ui/people/new", form).want(t, "an address that is none", 400).has(t, "it", "from: want an address")
	form.Set("where", "")
	made := ada.post(t, "/ui/people/new", form).want(t, "add", 200)
	link := made.secret()
	if !strings.HasPrefix(link, "wset_") || made.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the link is %q", link)
	}
	reloaded := ada.post(t, "/ui/people/new", form).want(t, "a reload", 200)
	if reloaded.has(t, "it", "It was shown before."); strings.Contains(reloaded.body, link) {
		t.Error("a reload shows the link again")
	}
	form.Set("once", "another")
	ada.post(t, "/ui/people/new", form).want(t, "the same name again", 409).has(t, "it", "The name is taken.")
	bob := &person{h: h, name: "bob"}
	set := bob.post(t, "/ui/setup", url.Values{"link": {link}}).want(t, "the link", 200).form(t)
	set.Set("password", goodPassword)
	set.Set("again", goodPassword)
	bob.post(t, "/ui/setup/finish", set).want(t, "set up", 200)
	bob.login(t)
	list := ada.get(t, "/ui/people").want(t, "the list", 200)
	list.has(t, "the list", "bob bob@example.com developer active none", "ada", "owner active yes")
	at := list.body[strings.Index(list.body, `href="/ui/people/new"`)+len(`href="/ui/people/new"`):]
	of := ""
	for _, part := range strings.Split(at, `href="`)[1:] {
		if path, rest, _ := strings.Cut(part, `"`); strings.Contains(rest[:40], "bob") {
			of = path
		}
	}
	ada.get(t, of).want(t, "bob", 200).has(t, "bob", "developer", "bob@example.com", "Remove")

	stale := ada.fill(t, of+"/email", "email", "late@example.com")
	ada.post(t, of+"/role", ada.fill(t, of+"/role", "role", "auditor")).leads(t, "role", of)
	bob.get(t, "/ui/keys").leads(t, "bob's session", "/ui/login?next=%2Fui%2Fkeys")
	ada.post(t, of+"/email", stale).want(t, "what was seen before", 412).has(t, "it", "The account was changed meanwhile")
	ada.post(t, of+"/role", ada.fill(t, of+"/role", "role", "owner")).want(t, "an owner without a factor", 409).has(t, "it", "The role requires a second factor")
	ada.post(t, of+"/email", ada.fill(t, of+"/email", "email", "b@example.com")).leads(t, "e-mail", of)
	ada.post(t, of+"/disable", ada.fill(t, of+"/disable")).leads(t, "disable", of)
	ada.get(t, of).has(t, "bob", "disabled", "Enable")
	ada.post(t, of+"/enable", ada.fill(t, of+"/enable")).leads(t, "enable", of)
	if again := ada.post(t, of+"/reset-password", ada.fill(t, of+"/reset-password", "where", "anywhere")).want(t, "reset", 200).secret(); again == link || again == "" {
		t.Errorf("the link of a reset is %q", again)
	}
	ada.get(t, of).has(t, "bob", "locked", "not used yet")
	ada.post(t, of+"/remove", ada.fill(t, of+"/remove", "typed", "ada")).want(t, "another name", 400)
	ada.post(t, of+"/remove", ada.fill(t, of+"/remove", "typed", "bob")).leads(t, "remove", "/ui/people")
	ada.get(t, of).want(t, "one who is no more", 404)

	own := "/ui/people/" + string(ada.id)
	ada.post(t, own+"/remove", ada.fill(t, own+"/remove", "typed", "ada")).want(t, "the last owner", 409).has(t, "it", "The last owner stays")
	if log := h.log.String(); strings.Contains(log, link) {
		t.Error("the log has the link")
	}
}

func TestPeopleWantAFreshLogin(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner).login(t)
	bob := h.settle(t, "bob", account.Developer)
	of := "/ui/people/" + string(bob.id)
	ada.grow(t)
	form := ada.fill(t, of+"/role", "role", "auditor")
	ada.post(t, of+"/role", form).want(t, "without a proof", 403).has(t, "it", "Prove that it is you")
	form.Set("fresh_password", "a wrong password")
	form.Set("fresh_code", ada.codes[0].Reveal())
	ada.post(t, of+"/role", form).want(t, "a wrong password", 401).has(t, "it", "Nothing was changed.")
	form.Set("fresh_password", goodPassword)
	ada.post(t, of+"/role", form).leads(t, "with it", of)
	ada.grow(t)
	ada.post(t, of+"/disable", ada.fill(t, of+"/disable")).leads(t, "what is urgent", of)
}

// Who may not manage is offered nothing, and refused.
func TestPeopleByRole(t *testing.T) {
	h := start(t)
	ada, bob := h.settle(t, "ada", account.Owner), h.settle(t, "bob", account.Developer)
	attack.Case(t, "ADMIN-08", attack.Admin, func(t *testing.T) {
		eve := h.settle(t, "eve", account.Admin).login(t)
		form := eve.fill(t, "/ui/people/new", "name", "mallory", "where", "anywhere")
		form.Set("role", "owner")
		eve.post(t, "/ui/people/new", form).want(t, "an admin makes an owner", 403)
		for _, of := range []string{"/ui/people/" + string(ada.id), "/ui/people/" + string(eve.id)} {
			if page := eve.get(t, of).want(t, of, 200); strings.Contains(page.body, of+"/") {
				t.Errorf("an admin is offered to change %s", of)
			}
			seen, err := h.db.Accounts().Lookup(t.Context(), account.ID(of[len("/ui/people/"):]))
			if err != nil {
				t.Fatal(err)
			}
			for action, form := range map[string]url.Values{"role": {"role": {"owner"}}, "disable": {}, "reset-password": {"where": {"anywhere"}}, "remove": {"typed": {"ada"}}} {
				form.Set("revision", fmt.Sprint(seen.Revision))
				if got := eve.post(t, of+"/"+action, form); got.status != http.StatusForbidden && (got.status != 400 || action != "remove") {
					t.Errorf("an admin does %s to %s: %d", action, of, got.status)
				}
			}
		}
		dave := h.settle(t, "dave", account.Auditor).login(t)
		dave.get(t, "/ui/people").want(t, "an auditor looks", 200)
		dave.get(t, "/ui/people/new").want(t, "an auditor adds", 403)
		dave.post(t, "/ui/people/"+string(bob.id)+"/disable", url.Values{}).want(t, "an auditor disables", 403)
		bob.login(t).get(t, "/ui/people").want(t, "a developer looks", 403)
		if page := bob.get(t, "/ui/keys"); strings.Contains(page.body, "/ui/people") {
			t.Error("a developer is offered the people")
		}
		for _, who := range []*person{ada, bob} {
			if a, err := h.db.Accounts().Lookup(t.Context(), who.id); err != nil || a.State() != account.Active {
				t.Errorf("%s is %s, %v", who.name, a.State(), err)
			}
		}
	})
}

// TestOwnAccount changes what is one's own.
func TestOwnAccount(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner).login(t)
	ada.get(t, "/ui/me").want(t, "the page", 200).has(t, "the page", "ada", "owner", "recovery codes left")
	other := &person{h: h, name: "ada", codes: ada.codes, shared: ada.shared, proofs: 1}
	other.login(t)
	const another = "eight quiet otters"

	form := ada.fill(t, "/ui/me/password", "old", goodPassword, "password", another, "again", "something else")
	ada.post(t, "/ui/me/password", form).want(t, "two that differ", 400).has(t, "it", "The two passwords differ.")
	form.Set("password", "short")
	form.Set("again", "short")
	ada.post(t, "/ui/me/password", form).want(t, "a short one", 400).has(t, "it", "password: ")
	form.Set("old", "wrong wrong wrong")
	form.Set("password", another)
	form.Set("again", another)
	ada.post(t, "/ui/me/password", form).want(t, "a wrong one of now", 401).has(t, "it", "Nothing was changed.")
	form.Set("old", goodPassword)
	ada.post(t, "/ui/me/password", form).leads(t, "the change", "/ui/me")
	ada.get(t, "/ui/me").want(t, "the session goes on", 200)
	other.get(t, "/ui/me").leads(t, "another session", "/ui/login?next=%2Fui%2Fme")

	codes := ada.post(t, "/ui/me/recovery-codes", ada.fill(t, "/ui/me/recovery-codes")).want(t, "new codes", 200)
	fresh := strings.Fields(codes.secret())
	if len(fresh) < 8 || strings.Contains(codes.body, ada.codes[3].Reveal()) {
		t.Errorf("the new codes are %d", len(fresh))
	}

	ada.grow(t)
	form = ada.fill(t, "/ui/me/factor", "fresh_password", another, "fresh_code", fresh[0])
	offer := ada.post(t, "/ui/me/factor", form).want(t, "another authenticator", 200)
	form = offer.form(t)
	ada.shared = secretText(form.Get("secret"))
	form.Set("code", "000000")
	page := ada.post(t, "/ui/me/enrol", form).want(t, "a wrong code", 401)
	form = page.form(t)
	if form.Get("secret") != ada.shared.Reveal() {
		t.Error("the offer is lost")
	}
	form.Set("code", ada.code(t, 0))
	ada.post(t, "/ui/me/enrol", form).want(t, "its code", 200).has(t, "it", "shown this once")
	ada.get(t, "/ui/me").want(t, "the session goes on", 200)
	ada.get(t, "/ui/me/enrol").want(t, "a step by itself", 404)
	ada.get(t, "/ui/me/role").want(t, "no step", 404)
	ada.post(t, "/ui/me/role", url.Values{"role": {"owner"}}).want(t, "no step", 404)
	if log := h.log.String(); strings.Contains(log, another) || strings.Contains(log, fresh[0]) {
		t.Error("the log has a secret")
	}
}
