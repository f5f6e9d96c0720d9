package adminui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
)

// TestTheLifeOfAKey goes through everything that a person does with a key.
func TestTheLifeOfAKey(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner).login(t)

	form := ada.fill(t, "/ui/keys/new", "name", "ci", "owner", "acme", "scopes", "orders:read\norders:write", "lifetime", "30", "metadata", "team=blue", "limits", "requests 600/1m 60")
	made := ada.post(t, "/ui/keys/new", form).want(t, "create", http.StatusOK)
	key := made.secret()
	info, err := apikey.Parse(key)
	if err != nil || !strings.Contains(made.text(), "curl -H 'X-API-Key: "+key+"' http://"+h.gateway+"/") {
		t.Fatalf("the answer shows %q, %v:\n%s", key, err, made.text())
	}
	id := string(info.ID)
	r := h.record(t, id)
	if r.Name != "ci" || r.Owner != "acme" || len(r.Scopes) != 2 || r.Metadata["team"] != "blue" || len(r.Limits) != 1 || r.Limits[0].Burst != 60 || r.Expires.IsZero() {
		t.Errorf("stored: %+v", r)
	}
	ada.get(t, "/ui/keys").want(t, "list", 200).has(t, "the list", "ci", "wrd_live_"+id+"...", "acme", "orders:read, orders:write", "expiring", "never")
	ada.get(t, "/ui/keys/"+id).want(t, "show", 200).has(t, "the key", "team blue", "600 per 1m, 60 at once", "create ada 127.0.0.1", "no. 1")

	form = ada.fill(t, "/ui/keys/"+id+"/edit", "name", "ci of the new team", "addresses", "192.0.2.0/24")
	ada.post(t, "/ui/keys/"+id+"/edit", form).leads(t, "edit", "/ui/keys/"+id)
	if after := h.record(t, id); after.Name != "ci of the new team" || len(after.Addresses) != 1 || !after.Expires.Equal(r.Expires) || after.Metadata["team"] != "blue" {
		t.Errorf("stored: %+v", after)
	}

	form = ada.fill(t, "/ui/keys/"+id+"/roll", "overlap", "any", "custom", "36h", "idle_retire", "1h")
	rolled := ada.post(t, "/ui/keys/"+id+"/roll", form).want(t, "roll", 200)
	if again := rolled.secret(); again == "" || again == key || h.record(t, id).Secrets[1].Retires.IsZero() {
		t.Errorf("after the roll: %q", again)
	}
	ada.get(t, "/ui/keys/"+id).has(t, "the key", "retiring", "in 36 hours or when unused for 1h", "End the overlap now")
	form = ada.fill(t, "/ui/keys/"+id+"/end-overlap")
	ada.post(t, "/ui/keys/"+id+"/end-overlap", form).want(t, "end the overlap", 200).has(t, "its page", "It holds on 1 of 1 nodes")
	if r := h.record(t, id); len(r.Secrets) != 1 {
		t.Errorf("%d secrets are left", len(r.Secrets))
	}

	for _, step := range []struct {
		action string
		state  string
		pairs  []string
	}{
		{"disable", "disabled", nil},
		{"enable", "active", nil},
		{"revoke", "revoked", []string{"reason", "key-compromise", "typed", "ci of the new team"}},
	} {
		form = ada.fill(t, "/ui/keys/"+id+"/"+step.action, step.pairs...)
		ada.post(t, "/ui/keys/"+id+"/"+step.action, form).want(t, step.action, 200).has(t, step.action, step.state, "It holds on 1 of 1 nodes", "Revision")
		ada.get(t, "/ui/keys/"+id).has(t, "after "+step.action, step.state)
	}
	if r := h.record(t, id); r.Reason != "key-compromise" {
		t.Errorf("the reason is %q", r.Reason)
	}
	form = ada.fill(t, "/ui/keys/"+id+"/delete", "typed", "ci of the new team")
	ada.post(t, "/ui/keys/"+id+"/delete", form).want(t, "delete", 200)
	ada.get(t, "/ui/keys/"+id).want(t, "a key that is no more", 404)
	ada.post(t, "/ui/keys/"+id+"/delete", form).want(t, "delete, reloaded", 200)

	me := " by account:" + string(ada.id) + " from 127.0.0.1"
	want := []string{"create" + me, "update" + me, "roll" + me, "end-overlap" + me, "disable" + me, "enable" + me, "revoke" + me, "delete" + me}
	if got := h.ops(t, id); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the audit has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	ada.get(t, "/ui/audit?subject="+id).want(t, "audit", 200).has(t, "the audit", "end-overlap", "delete", "key-compromise")
	if log := h.log.String(); strings.Contains(log, key) || strings.Contains(log, goodPassword) {
		t.Error("the log has a secret")
	}
}

func TestWhatAFormSaysIsBlamedOnItsField(t *testing.T) {
	h := start(t)
	bob := h.settle(t, "bob", account.Developer).login(t)
	for name, tt := range map[string]struct{ field, value, says string }{
		"an address":   {"addresses", "192.0.2.0/24\nnowhere", "addresses[1]: want an address"},
		"a limit":      {"limits", "requests a lot", "want lines such as requests 600/1m"},
		"metadata":     {"metadata", "team", "want lines of the form name=value"},
		"a scope":      {"scopes", "ord\x01ers", "scopes"},
		"idle":         {"idle_revoke", "soon", "idle_revoke: want a duration"},
		"environment":  {"environment", "LIVE!", "environment: "},
		"certificate":  {"certificate", "sha256:abc", "certificate: want sha256:"},
		"a long name":  {"name", strings.Repeat("a", 129), "name: "},
		"NUL":          {"owner", "a\x00b", "owner"},
		"no lifetime":  {"lifetime", "0", "want one of the list"},
		"no such kind": {"kind", "root", "kind: "},
	} {
		form := bob.fill(t, "/ui/keys/new", "name", "kept", tt.field, tt.value)
		page := bob.post(t, "/ui/keys/new", form).want(t, name, http.StatusBadRequest)
		page.has(t, name, tt.says, "marked below")
		if got := page.form(t); strings.ReplaceAll(got.Get(tt.field), "\x00", "\ufffd") != strings.ReplaceAll(tt.value, "\x00", "\ufffd") && tt.field != "kind" && tt.field != "lifetime" {
			t.Errorf("%s: the field has %q, want what was typed", name, got.Get(tt.field))
		}
	}
	form := bob.fill(t, "/ui/keys/new", "lifetime", "at", "expires", "yesterday")
	bob.post(t, "/ui/keys/new", form).want(t, "no time", 400).has(t, "no time", "want a time such as")
	bob.get(t, "/ui/keys").has(t, "the list", "There are no keys yet.")
}

func TestRolesSeeWhatTheyMay(t *testing.T) {
	h := start(t)
	r, _ := h.key(t, apikey.Spec{Name: "ci", Owner: "acme"})
	page := "/ui/keys/" + string(r.ID)
	for role, allowed := range map[account.Role]map[string]int{
		account.Owner:     {"/ui/keys/new": 200, page + "/edit": 200, page + "/roll": 200, page + "/revoke": 200, page + "/delete": 200, "/ui/audit": 200, "/ui/audit.csv": 200, "/ui/health": 200, "/ui/live": 200},
		account.Developer: {"/ui/keys/new": 200, page + "/edit": 200, page + "/roll": 200, page + "/revoke": 200, page + "/delete": 403, "/ui/audit": 403, "/ui/audit.csv": 403, "/ui/health": 200, "/ui/live": 200},
		account.Auditor:   {"/ui/keys/new": 403, page + "/edit": 403, page + "/roll": 403, page + "/revoke": 403, page + "/delete": 403, "/ui/audit": 200, "/ui/audit.csv": 200, "/ui/health": 200, "/ui/live": 200},
	} {
		who := h.settle(t, string(role), role).login(t)
		shown := who.get(t, page).want(t, string(role), 200)
		for path, status := range allowed {
			who.get(t, path).want(t, string(role)+" opens "+path, status)
			if offered := strings.Contains(shown.body, `href="`+path+`"`); strings.HasPrefix(path, page) && offered != (status == 200) {
				t.Errorf("%s is offered %s: %v", role, path, offered)
			}
		}
		if role != account.Auditor {
			continue
		}
		for path, form := range map[string]url.Values{
			"/ui/keys/new": {"name": {"x"}}, page + "/edit": {"etag": {`"1"`}, "name": {"x"}}, page + "/disable": {}, page + "/revoke": {"typed": {"ci"}}, page + "/roll": {}, page + "/delete": {"typed": {"ci"}},
		} {
			form.Set("once", "k"+path[3:])
			who.post(t, path, form).want(t, "an auditor posts to "+path, 403)
		}
		if after := h.record(t, string(r.ID)); after.Revision != r.Revision {
			t.Error("an auditor has changed the key")
		}
	}
}

func TestLoginAndLogout(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner)
	ada.get(t, "/ui/keys?state=active").leads(t, "without a login", "/ui/login?next=%2Fui%2Fkeys%3Fstate%3Dactive")
	ada.post(t, "/ui/login", url.Values{"name": {"ada"}, "password": {"wrong wrong wrong"}}).want(t, "a wrong password", 401).has(t, "it", "Name or password is wrong.")
	ada.post(t, "/ui/login", url.Values{"name": {"nobody"}, "password": {"wrong wrong wrong"}}).want(t, "nobody", 401).has(t, "it", "Name or password is wrong.")
	page := ada.post(t, "/ui/login", url.Values{"name": {"ada"}, "password": {goodPassword}, "next": {"/ui/health"}}).want(t, "the password", 200)
	form := page.form(t)
	form.Set("code", "000000")
	page = ada.post(t, "/ui/login/code", form).want(t, "a wrong code", 401)
	page.has(t, "it", "The code is wrong")
	form = page.form(t)
	form.Set("code", ada.codes[0].Reveal())
	ada.post(t, "/ui/login/code", form).leads(t, "a recovery code", "/ui/health")
	before := ada.cookie
	ada.get(t, "/ui/health").want(t, "logged in", 200)
	ada.post(t, "/ui/logout", url.Values{}).leads(t, "logout", "/ui/login")
	if ada.cookie != "" {
		t.Error("the cookie is still there")
	}
	ada.cookie = before
	ada.get(t, "/ui/health").leads(t, "the cookie from before", "/ui/login?next=%2Fui%2Fhealth")
}

func TestGuessesAreSlowedDown(t *testing.T) {
	h := start(t)
	eve := &person{h: h}
	h.settle(t, "ada", account.Owner)
	for i := range 40 {
		page := eve.post(t, "/ui/login", url.Values{"name": {"ada"}, "password": {"guess of the day"}})
		if page.status == http.StatusTooManyRequests {
			if page.header.Get("Retry-After") == "" {
				t.Error("429 does not say when to try again")
			}
			page.has(t, "it", "Too many wrong attempts.")
			return
		}
		page.want(t, "guess "+string(rune('a'+i)), 401)
	}
	t.Error("40 guesses were let through")
}

func TestFreshLogin(t *testing.T) {
	h := start(t)
	r, _ := h.key(t, apikey.Spec{Name: "ci"})
	ada := h.settle(t, "ada", account.Owner).login(t)
	ada.grow(t) // an old session
	path := "/ui/keys/" + string(r.ID) + "/roll"
	form := ada.fill(t, path, "overlap", "1h")
	if _, asked := form["fresh_password"]; !asked {
		t.Fatal("the page does not ask for a proof")
	}
	page := ada.post(t, path, form).want(t, "without it", 403)
	page.has(t, "it", "Prove that it is you")
	form = page.form(t)
	if form.Get("overlap") != "1h" {
		t.Error("the choice is lost")
	}
	form.Set("fresh_password", "a wrong password")
	form.Set("fresh_code", ada.proof(t))
	ada.post(t, path, form).want(t, "a wrong password", 401)
	if n := len(h.record(t, string(r.ID)).Secrets); n != 1 {
		t.Fatalf("the key has %d secrets", n)
	}
	form.Set("fresh_password", goodPassword)
	old := ada.cookie
	if text := ada.post(t, path, form).want(t, "with it", 200).secret(); text == "" {
		t.Error("no secret is shown")
	}
	if ada.cookie == old {
		t.Error("the session has the id of before")
	}
	ada.get(t, path).want(t, "then", 200)
	if _, asked := ada.fill(t, path)["fresh_password"]; asked {
		t.Error("the page asks for a proof that was given")
	}
	disable := strings.Replace(path, "roll", "disable", 1)
	ada.grow(t)
	if _, asked := ada.fill(t, disable)["fresh_password"]; asked {
		t.Error("what is urgent asks for a proof")
	}
}

func TestSetUpByLink(t *testing.T) {
	h := start(t)
	operator := account.Actor{By: "user:root", Source: "cli", Operator: true}
	_, link, err := h.people.Create(t.Context(), operator, account.Spec{Name: "ada", Role: account.Owner}, account.Link{Anywhere: true})
	if err != nil {
		t.Fatal(err)
	}
	ada := &person{h: h, name: "ada"}
	ada.post(t, "/ui/setup", url.Values{"link": {"wset_nothing"}}).want(t, "no link", 410).has(t, "it", "The link was used, has expired, or is none.")
	form := ada.post(t, "/ui/setup", url.Values{"link": {link.Reveal()}}).want(t, "the link", 200).form(t)
	form.Set("password", goodPassword)
	form.Set("again", "something else")
	page := ada.post(t, "/ui/setup/finish", form).want(t, "two passwords", 400)
	page.has(t, "it", "The two passwords differ.")
	form = page.form(t)
	ada.shared = secretText(form.Get("secret"))
	form.Set("password", "short")
	form.Set("again", "short")
	form.Set("code", ada.code(t, 0))
	ada.post(t, "/ui/setup/finish", form).want(t, "a short password", 400).has(t, "it", "password: ")
	form.Set("password", goodPassword)
	form.Set("again", goodPassword)
	form.Set("code", "000000")
	ada.post(t, "/ui/setup/finish", form).want(t, "a wrong code", 401)
	form.Set("code", ada.code(t, 0))
	done := ada.post(t, "/ui/setup/finish", form).want(t, "set up", 200)
	if codes := strings.Fields(told.FindStringSubmatch(done.body)[1]); len(codes) < 8 {
		t.Errorf("recovery codes: %d", len(codes))
	}
	ada.post(t, "/ui/setup/finish", form).want(t, "again", 410)
	ada.login(t)
	if strings.Contains(h.log.String(), link.Reveal()) {
		t.Error("the log has the link")
	}
}

// The command that tries a new key asks the gateway by its name.
func TestTheCommandThatTriesAKey(t *testing.T) {
	for yaml, want := range map[string]string{
		"hosts: ['*.example.com', api.example.com]": "curl -H 'X-API-Key: %s' http://api.example.com:PORT/",
		"hosts: ['api.example.com:8443']":           "curl -H 'X-API-Key: %s' http://api.example.com:8443/",
		"hosts: ['api.example.com:80']":             "curl -H 'X-API-Key: %s' http://api.example.com/",
		"keys: {header: X-Token}":                   "curl -H 'X-Token: %s' http://127.0.0.1:PORT/",
	} {
		h := start(t, yaml)
		bob := h.settle(t, "bob", account.Developer).login(t)
		made := bob.post(t, "/ui/keys/new", bob.fill(t, "/ui/keys/new")).want(t, yaml, 200)
		_, port, _ := strings.Cut(h.gateway, ":")
		made.has(t, yaml, strings.ReplaceAll(strings.Replace(want, "%s", made.secret(), 1), "PORT", port))
	}
}

// What is off is not there, and neither is the page where nobody can log in.
func TestOff(t *testing.T) {
	h := start(t, "admin_page: false")
	eve := &person{h: h}
	eve.get(t, "/ui/login").want(t, "off", 404)
	eve.get(t, "/healthz").want(t, "the rest", 200)
}
