package portal_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/portal"
)

// The whole way of a holder: open, look, make, roll, revoke, leave; with what the audit
// says of it.
func TestTheWayOfAHolder(t *testing.T) {
	h := start(t)
	h.key(t, apikey.Spec{Name: "of another", Owner: "other"})
	h.key(t, apikey.Spec{Name: "a trap", Owner: "acme", Kind: apikey.KindHoneytoken})
	id, text := h.link(t, everything("acme"))
	p := &holder{h: h}
	for range 3 { // whoever looks at links uses nothing up
		p.get(t, "/open?utm_source=mail").want(t, "the page of the link", 200)
	}
	entered := p.post(t, "/open", url.Values{"link": {"http://localhost:8084/open#" + text}}).want(t, "open", 303)
	if c := entered.header.Get("Set-Cookie"); !strings.HasPrefix(c, portal.Cookie+"=wps_"+id+"_") || !strings.HasSuffix(c, "; Path=/; Max-Age=1800; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("the cookie is %q", c)
	}
	list := p.get(t, "/").want(t, "the list", 200)
	list.has(t, "the list", "of acme", "There are no keys.", "2 left with this link", "Back")
	if !strings.Contains(list.body, `href="https://app.test/settings"`) {
		t.Error("the list does not lead back")
	}

	form := p.fill(t, "/new", "name", "ci", "scope", "orders:read", "expires", "720h")
	made := p.post(t, "/new", form).want(t, "make", 200)
	first := made.secret()
	info, err := apikey.Parse(first)
	must(t, err)
	r := h.record(t, info.ID)
	if r.Owner != "acme" || r.Name != "ci" || len(r.Scopes) != 1 || r.Environment != "live" || time.Until(r.Expires) > 721*time.Hour || time.Until(r.Expires) < 719*time.Hour {
		t.Errorf("the key is %+v", r)
	}
	p.get(t, "/").has(t, "the list", "ci", "active", "never", "orders:read", "1 left with this link")
	of := "/keys/" + string(info.ID)
	p.get(t, of).has(t, "the key", "ci", string(info.ID), "Not used in the last 30 days.", "New text", "Revoke")

	rolled := p.post(t, of+"/roll", p.fill(t, of+"/roll", "overlap", "1h")).want(t, "roll", 200)
	if second := rolled.secret(); second == "" || second == first {
		t.Errorf("the new text is %q", second)
	}
	p.get(t, of).has(t, "the rolled key", "retiring", "works until")
	unsure := p.post(t, of+"/revoke", url.Values{"reason": {"superseded"}}).want(t, "revoke without being sure", 400)
	unsure.has(t, "the answer", "Say that you are sure")
	if r := h.record(t, info.ID); !r.Revoked.IsZero() {
		t.Error("it is revoked without being sure")
	}
	gone := p.post(t, of+"/revoke", url.Values{"reason": {"superseded"}, "sure": {"yes"}}).want(t, "revoke", 200)
	gone.has(t, "the answer", "no node takes it any more")
	if r := h.record(t, info.ID); r.Revoked.IsZero() || r.Reason != "superseded" {
		t.Errorf("the key is %+v", r)
	}
	p.get(t, of+"/roll").want(t, "roll what is revoked", 409)

	left := p.post(t, "/end", url.Values{}).want(t, "leave", 200)
	if c := left.header.Get("Set-Cookie"); !strings.Contains(c, "Max-Age=0") {
		t.Errorf("the cookie is %q", c)
	}
	p.cookie = strings.TrimPrefix(strings.Split(entered.header.Get("Set-Cookie"), ";")[0], portal.Cookie+"=")
	p.get(t, "/").want(t, "the list after the end", 401)

	who := "holder of acme through link " + id + " by admin-token from 127.0.0.1"
	for subject, want := range map[string]string{
		string(info.ID): "create by " + who + "\nroll by " + who + "\nrevoke by " + who,
		id:              "create by admin-token from 127.0.0.1\nuse by " + who + "\nend by " + who,
	} {
		if got := strings.Join(h.ops(t, subject), "\n"); got != want {
			t.Errorf("the audit of %s says\n%s\nwant\n%s", subject, got, want)
		}
	}
	log := h.log.String()
	for _, secret := range []string{text[21:], first, rolled.secret(), p.cookie[21:]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(log, `"route":"POST /keys/{id}/roll"`) {
		t.Errorf("the access log says nothing of the portal:\n%s", log)
	}
}

// A holder gets what the link says, and nothing beside it.
func TestTheLinkBounds(t *testing.T) {
	h := start(t)
	r, _ := h.key(t, apikey.Spec{Name: "ci", Owner: "acme", Scopes: []string{"admin"}})
	of := "/keys/" + string(r.ID)

	_, text := h.link(t, object{"owner": "acme"})
	looks := h.enter(t, text)
	page := looks.get(t, of).want(t, "look", 200)
	if strings.Contains(page.text(), "New text") || strings.Contains(page.text(), "Revoke") || strings.Contains(page.text(), "Use ") {
		t.Errorf("who may only look is offered more: %s", page.text())
	}
	for _, path := range []string{"/new", of + "/roll", of + "/revoke"} {
		looks.get(t, path).want(t, "GET "+path, 404)
		looks.post(t, path, url.Values{"overlap": {"0s"}, "reason": {"superseded"}, "sure": {"yes"}, "once": {"portal-ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, "expires": {""}}).want(t, "POST "+path, 404)
	}
	if after := h.record(t, r.ID); after.Revision != r.Revision || len(h.keys(t, "acme")) != 1 {
		t.Error("something was changed")
	}

	p := h.visitor(t, "acme")
	for name, pairs := range map[string][]string{
		"a scope beyond the link": {"scope", "admin", "expires", "720h"}, "an end beyond the link": {"expires", "8760h"}, "no end": {"expires", ""}, "an end of its own": {"expires", "1h"},
		"one good scope, one not": {"scope", "orders:read", "scope", "admin", "expires", "720h"}, "a name that is none": {"name", "a\x00b", "expires", "720h"},
	} {
		p.post(t, "/new", p.fill(t, "/new", pairs...)).want(t, name, 400)
	}
	// What the form does not have changes nothing.
	form := p.fill(t, "/new", "expires", "720h", "owner", "other", "environment", "test", "id", "000000000000", "kind", "public", "plan", "gold", "keys", "99")
	info, err := apikey.Parse(p.post(t, "/new", form).want(t, "more fields than there are", 200).secret())
	must(t, err)
	if made := h.record(t, info.ID); made.Owner != "acme" || made.Environment != "live" || made.KindOf() != apikey.KindSecret || made.Plan != "" || info.ID == "000000000000" {
		t.Errorf("the key is %+v", made)
	}
	last, third := p.fill(t, "/new", "expires", "720h"), p.fill(t, "/new", "expires", "720h")
	p.post(t, "/new", last).want(t, "the second key", 200)
	p.post(t, "/new", third).want(t, "the third of two keys", 409)
	p.get(t, "/new").want(t, "the form for a third", 409)
	if n := len(h.keys(t, "acme")); n != 3 {
		t.Errorf("there are %d keys, want 3", n)
	}
	// One that who administers has disabled comes back by nobody else.
	_, err = h.issuer.Disable(t.Context(), apikey.By{Actor: "system", Source: "test"}, r.ID)
	must(t, err)
	p.get(t, of+"/roll").want(t, "roll what is disabled", 409)
	p.post(t, of+"/roll", url.Values{"overlap": {"0s"}, "once": {"portal-ABCDEFGHIJKLMNOPQRSTUVWXYZ"}}).want(t, "roll what is disabled", 409)
}

// The policy of keys holds for holders too.
func TestThePolicyOfKeysHolds(t *testing.T) {
	h := start(t, "keys: {max_ttl: 60d}")
	spec := everything("acme")
	spec["create"] = object{"keys": 1}
	_, text := h.link(t, spec)
	p := h.enter(t, text)
	p.post(t, "/new", p.fill(t, "/new", "expires", "2160h")).want(t, "90 days with a policy of 60", 400).has(t, "the answer", "expires")
	p.post(t, "/new", p.fill(t, "/new", "expires", "720h")).want(t, "30 days, after one that was not made", 200)
}

func TestTheAPIsLinks(t *testing.T) {
	h := start(t)
	for field, spec := range map[string]object{
		"return":         {"owner": "acme", "return": "https://evil.test/"},
		"life":           {"owner": "acme", "life": "2d"},
		"session":        {"owner": "acme", "session": "1s"},
		"create.keys":    {"owner": "acme", "create": object{"keys": 101}},
		"create.scopes":  {"owner": "acme", "create": object{"keys": 1, "scopes": []string{"a b"}}},
		"create.max_ttl": {"owner": "acme", "create": object{"keys": 1, "max_ttl": "soon"}},
		"may[0]":         {"owner": "acme", "may": []string{"everything"}},
		"owner":          {"owner": "a\x01b"},
		"admin":          {"owner": "acme", "admin": true},
	} {
		answer := h.api(t, "/v1/portalLinks", spec, 400)
		faults, _ := answer["errors"].([]any)
		if len(faults) != 1 {
			t.Errorf("%s: %v", field, answer)
			continue
		}
		if fault, _ := faults[0].(object); fault["field"] != field {
			t.Errorf("%s: the fault is of %v", field, fault)
		}
	}
	id, text := h.link(t, everything("acme"))
	h.api(t, "/v1/portalLinks/"+id+":end", nil, 200)
	(&holder{h: h}).post(t, "/open", url.Values{"link": {text}}).want(t, "a link that was ended", 410)
	id, text = h.link(t, everything("acme"))
	p := h.enter(t, text)
	h.api(t, "/v1/portalLinks/"+id+":end", nil, 200)
	h.api(t, "/v1/portalLinks/"+id+":end", nil, 200)
	p.get(t, "/").want(t, "a stay that was ended", 401)
	h.api(t, "/v1/portalLinks/aaaaaaaaaaaaaaaa:end", nil, 404)
}

func TestWithoutAnAnswerOfTheStore(t *testing.T) {
	h := start(t)
	p := h.visitor(t, "acme")
	_, text := h.link(t, everything("acme"))
	h.passes.broken.Store(true)
	for _, got := range []shown{p.get(t, "/"), (&holder{h: h}).post(t, "/open", url.Values{"link": {text}})} {
		if got.want(t, "without an answer", http.StatusServiceUnavailable); got.header.Get("Retry-After") == "" || got.header.Get("Set-Cookie") != "" {
			t.Errorf("the answer is %v", got.header)
		}
	}
	h.passes.broken.Store(false)
	p.get(t, "/").want(t, "with an answer again", 200)
	h.enter(t, text)
}

func TestAddressesAreBounded(t *testing.T) {
	h := start(t, "portal: {listen: 127.0.0.1:0, url: 'http://localhost:8084', requests_per_minute: 10}")
	p, refused := &holder{h: h}, 0
	for range 8 {
		if got := p.get(t, "/open"); got.status == http.StatusTooManyRequests && got.header.Get("Retry-After") != "" {
			refused++
		}
	}
	if refused == 0 {
		t.Error("an address may ask for ever")
	}
}

// Two nodes of one database: what one knows, the other does.
func TestTwoNodes(t *testing.T) {
	first := start(t)
	second := startBeside(t, first)
	_, text := first.link(t, everything("acme"))
	p := second.enter(t, text)
	(&holder{h: first}).post(t, "/open", url.Values{"link": {text}}).want(t, "a link that the other node has used", 410)
	(&holder{h: first, cookie: p.cookie}).get(t, "/").want(t, "a stay that the other node has begun", 200)
	p.post(t, "/end", url.Values{}).want(t, "leave", 200)
	(&holder{h: first, cookie: p.cookie}).get(t, "/").want(t, "a stay that the other node has ended", 401)
}
