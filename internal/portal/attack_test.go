package portal_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/portal"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/usage/tally"
)

// Whatever is wrong with a link, the answer is one and the same page.
func TestLinksThatOpenNothing(t *testing.T) {
	attack.Case(t, "UI-09", attack.Admin, func(t *testing.T) {
		h := start(t)
		fresh := func() (id, text string) { return h.link(t, everything("acme")) }
		expiredID, expired := fresh()
		h.exec(t, `UPDATE portal_passes SET expires = created WHERE id = ?1`, expiredID)
		_, used := fresh()
		user := h.enter(t, used)
		endedID, ended := fresh()
		h.api(t, "/v1/portalLinks/"+endedID+":end", nil, 200)
		movedID, moved := fresh()
		h.exec(t, `UPDATE portal_passes SET owner = 'other' WHERE id = ?1`, movedID)
		goodID, good := fresh()
		_, others := h.link(t, everything("other"))
		last := map[bool]string{true: "B", false: "A"}[strings.HasSuffix(good, "A")]

		var first *shown
		for what, text := range map[string]string{
			"expired": expired, "used": used, "ended": ended, "another owner's, by its row": moved, "altered": good[:len(good)-1] + last,
			"the id of one and the text of another owner's": "wpl_" + goodID + others[20:], "the text of one with the id of another owner's": others[:21] + good[21:],
			"lower case": strings.ToLower(good), "a session's": strings.Replace(good, "wpl_", "wps_", 1), "an id alone": "wpl_" + goodID, "nothing": "", "a blank": " ",
			"too long": strings.Repeat("a", 4000), "another address": "https://evil.test/#" + good[1:], "none that there is": "wpl_aaaaaaaaaaaaaaaa_" + strings.Repeat("A", 26),
		} {
			p := &holder{h: h}
			got := p.post(t, "/open", url.Values{"link": {text}}).want(t, what, http.StatusGone)
			if p.cookie != "" {
				t.Errorf("%s: there is a cookie", what)
			}
			for _, name := range []string{"Date", "X-Request-Id"} {
				got.header.Del(name)
			}
			if first == nil {
				first = &got
			}
			if got.body != first.body || fmt.Sprint(got.header) != fmt.Sprint(first.header) {
				t.Errorf("%s is told apart:\n%v %s\n%v %s", what, got.header, got.body, first.header, first.body)
			}
		}
		h.enter(t, good) // none of that used it up
		user.get(t, "/").want(t, "who came by the used one", 200)

		// Of many who use one at once, one comes in.
		_, text := fresh()
		statuses := make(chan int, 8)
		for range cap(statuses) {
			go func() { statuses <- (&holder{h: h}).post(t, "/open", url.Values{"link": {text}}).status }()
		}
		in := 0
		for range cap(statuses) {
			if <-statuses == http.StatusSeeOther {
				in++
			}
		}
		if in != 1 {
			t.Errorf("%d came in by one link", in)
		}
		// GET opens nothing, whatever it carries.
		_, text = fresh()
		p := &holder{h: h}
		if got := p.get(t, "/open?link="+text); got.status == http.StatusSeeOther || p.cookie != "" {
			t.Errorf("a look at the link: %d", got.status)
		}
		h.enter(t, text)
	})
}

// Cookies that prove nothing.
func TestSessionsThatAreNone(t *testing.T) {
	h := start(t)
	_, link := h.link(t, everything("acme"))
	acme, other := h.visitor(t, "acme"), h.visitor(t, "other")
	good := acme.cookie
	for what, cookie := range map[string]string{
		"none": "", "a link": link, "the id of one and the text of another": good[:21] + other.cookie[21:], "altered": good[:len(good)-1] + map[bool]string{true: "B", false: "A"}[strings.HasSuffix(good, "A")],
		"longer": good + "A", "twice": good + "; " + portal.Cookie + "=" + good, "without its text": good[:21],
	} {
		got := (&holder{h: h, cookie: cookie}).get(t, "/").want(t, what, http.StatusUnauthorized)
		if strings.Contains(got.text(), "acme") {
			t.Errorf("%s is told %s", what, got.text())
		}
	}
	h.exec(t, `UPDATE portal_passes SET session_expires = used WHERE session IS NOT NULL AND owner = 'acme'`)
	acme.get(t, "/").want(t, "an expired one", http.StatusUnauthorized)
	acme.post(t, "/new", url.Values{}).want(t, "an expired one", http.StatusUnauthorized)
	h.exec(t, `UPDATE portal_passes SET owner = 'acme' WHERE session IS NOT NULL AND owner = 'other'`)
	other.get(t, "/").want(t, "one whose row was moved to another owner", http.StatusUnauthorized)
}

func screens(id apikey.ID) []string {
	of := "/keys/" + string(id)
	return []string{"/", "/open", "/new", of, of + "/roll", of + "/revoke", "/none"}
}

// framing are the fields that say who may show a page in a frame.
func framing(s shown) string {
	_, ancestors, _ := strings.Cut(s.header.Get("Content-Security-Policy"), "frame-ancestors ")
	return ancestors + "|" + s.header.Get("X-Frame-Options")
}

func TestWhoFramesThePortal(t *testing.T) {
	attack.Case(t, "UI-02", attack.Admin, func(t *testing.T) {
		for yaml, want := range map[string]string{
			"portal: {listen: 127.0.0.1:0, url: 'http://localhost:8084', requests_per_minute: 1000, return_urls: ['https://app.test/settings']}":                                                       "'none'|DENY",
			"portal: {listen: 127.0.0.1:0, url: 'http://localhost:8084', requests_per_minute: 1000, return_urls: ['https://app.test/settings'], parents: ['https://app.test', 'https://b.test:8443']}": "https://app.test https://b.test:8443|",
		} {
			h := start(t, yaml)
			r, _ := h.key(t, apikey.Spec{Owner: "acme"})
			_, text := h.link(t, everything("acme"))
			p := &holder{h: h}
			entered := p.post(t, "/open", url.Values{"link": {text}}).want(t, "open", 303)
			if got := framing(entered); got != want {
				t.Errorf("the answer to the link may be framed by %q, want %q", got, want)
			}
			for _, path := range screens(r.ID) {
				if got := framing(p.get(t, path)); got != want {
					t.Errorf("%s may be framed by %q, want %q", path, got, want)
				}
			}
			cookie := entered.header.Get("Set-Cookie")
			if framed := strings.HasSuffix(cookie, "; Secure; SameSite=None; Partitioned"); framed != strings.Contains(yaml, "parents") || !framed && !strings.HasSuffix(cookie, "; Secure; SameSite=Lax") {
				t.Errorf("the cookie is %q", cookie)
			}
		}
	})
}

// posts are the patterns of everything that takes a form.
func posts(t *testing.T) (patterns []string) {
	t.Helper()
	site, err := portal.New(portal.Config{
		Passes: new(portallink.Memory), Keys: struct {
			apikey.Store
			apikey.Finder
		}{new(apikey.MemoryStore), nil}, Issuer: new(apikey.Issuer), Registry: fleet.Registry(nilRegistry{}), Attempts: new(idempotency.Memory),
		Log: slog.New(slog.DiscardHandler), URL: "http://localhost:8084", PerMinute: 10,
	})
	must(t, err)
	for _, pattern := range site.Patterns() {
		if path, post := strings.CutPrefix(pattern, "POST "); post {
			patterns = append(patterns, path)
		}
	}
	if len(patterns) != 5 {
		t.Fatalf("%q take forms", patterns)
	}
	return patterns
}

type nilRegistry struct{ fleet.Registry }

func TestFormsOfOthersAreRefused(t *testing.T) {
	h := start(t)
	r, _ := h.key(t, apikey.Spec{Name: "ci", Owner: "acme"})
	p := h.visitor(t, "acme")
	_, text := h.link(t, everything("acme"))
	attack.Case(t, "UI-03", attack.Admin, func(t *testing.T) {
		for from, fields := range map[string]http.Header{
			"another site":        {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.test"}},
			"without Origin":      {"Sec-Fetch-Site": {"cross-site"}},
			"a sibling":           {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://localhost:1"}},
			"an old browser":      {"Origin": {"http://evil.test"}},
			"a page in a sandbox": {"Origin": {"null"}},
			"nobody":              {},
			"a lie":               {"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://evil.test"}},
		} {
			for _, pattern := range posts(t) {
				form := url.Values{
					"link": {text}, "overlap": {"0s"}, "reason": {"superseded"}, "sure": {"yes"}, "expires": {"720h"}, "once": {"portal-ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
				}
				before := p.cookie
				got := p.raw(t, http.MethodPost, strings.Replace(pattern, "{id}", string(r.ID), 1), form, fields)
				if got.status != http.StatusForbidden || p.cookie != before {
					t.Fatalf("a form of %s to %s: %d, want 403", from, pattern, got.status)
				}
			}
		}
		if after := h.record(t, r.ID); after.Revision != r.Revision || len(h.keys(t, "acme")) != 1 {
			t.Error("something was changed")
		}
		p.get(t, "/").want(t, "the session", 200)
		h.enter(t, text) // it was not used up
	})
	attack.Case(t, "ADMIN-04", attack.Admin, func(t *testing.T) {
		header := browser()
		header.Set("Host", "evil.test")
		p.raw(t, http.MethodGet, "/", nil, header).want(t, "a rebound name", http.StatusMisdirectedRequest)
	})
}

// Whose keys they are is said by the session, and by nothing in the address or a form.
func TestAddressesGrantNothing(t *testing.T) {
	attack.Case(t, "UI-05", attack.Admin, func(t *testing.T) {
		h := start(t)
		own, _ := h.key(t, apikey.Spec{Name: "own", Owner: "acme"})
		theirs, _ := h.key(t, apikey.Spec{Name: "theirs", Owner: "other"})
		nobodys, _ := h.key(t, apikey.Spec{Name: "nobodys"})
		trap, _ := h.key(t, apikey.Spec{Name: "trap", Owner: "acme", Kind: apikey.KindHoneytoken})
		p := h.visitor(t, "acme")
		none := p.get(t, "/keys/000000000000").want(t, "a key that there is not", 404)
		strip := func(s shown) string { return strings.Join(strings.Fields(s.text())[:8], " ") }
		for _, id := range []apikey.ID{theirs.ID, nobodys.ID, trap.ID} {
			for _, action := range []string{"", "/roll", "/revoke"} {
				path := "/keys/" + string(id) + action
				got := p.get(t, path).want(t, path, 404)
				if strip(got) != strip(none) {
					t.Errorf("%s is told apart: %s", path, got.text())
				}
				if action != "" {
					p.post(t, path, url.Values{"overlap": {"0s"}, "reason": {"superseded"}, "sure": {"yes"}, "once": {"portal-ABCDEFGHIJKLMNOPQRSTUVWXYZ"}}).want(t, "POST "+path, 404)
				}
			}
		}
		of := "/keys/" + string(own.ID)
		for _, path := range []string{
			"/?owner=other", "/?after=x", "/?after=1-000000000000&owner=other", "/?after=1-000000000000&after=2-000000000000", of + "?owner=other", of + "/roll?owner=other", "/new?owner=other", "/new?environment=test",
			of + "/promote", of + "/edit", "/keys", "/keys/", "/owner/other", "/keys/" + strings.ToLower(string(own.ID)) + "x", "/v1/keys", "/ui/keys", "/metrics", "/healthz", "/open/" + string(own.ID),
		} {
			got := p.get(t, path)
			if got.status != 404 || strings.Contains(got.text(), "theirs") {
				t.Errorf("%s: %d, want 404", path, got.status)
			}
		}
		list := p.get(t, "/").want(t, "the list", 200)
		if strings.Contains(list.text(), "theirs") || strings.Contains(list.text(), "nobodys") || strings.Contains(list.text(), "trap") || !strings.Contains(list.text(), "own") {
			t.Errorf("the list shows %s", list.text())
		}
		for _, r := range []apikey.Record{theirs, nobodys, trap, own} {
			if after := h.record(t, r.ID); after.Revision != r.Revision {
				t.Errorf("%s was changed", r.Name)
			}
		}
		// Many keys: the parts of the list are all, each once.
		for i := range 60 {
			h.key(t, apikey.Spec{Owner: "many", Name: fmt.Sprint("number", i)})
		}
		m, seen, next := h.visitor(t, "many"), map[string]bool{}, "/"
		for parts := 0; next != "" && parts < 5; parts++ {
			page := m.get(t, next).want(t, next, 200)
			next = ""
			for n := range elements(t, page.body) {
				for _, a := range n.Attr {
					if id, is := strings.CutPrefix(a.Val, "/keys/"); is && a.Key == "href" {
						if seen[id] {
							t.Errorf("%s is there twice", id)
						}
						seen[id] = true
					}
					if a.Key == "href" && strings.HasPrefix(a.Val, "/?after=") {
						next = a.Val
					}
				}
			}
		}
		if len(seen) != 60 {
			t.Errorf("%d of 60 keys are shown", len(seen))
		}
	})
}

// elements are every element of a page.
func elements(t *testing.T, page string) func(func(*html.Node) bool) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	must(t, err)
	return func(yield func(*html.Node) bool) {
		for n := range root.Descendants() {
			if n.Type == html.ElementNode && !yield(n) {
				return
			}
		}
	}
}

// What somebody typed is text, on every screen; nothing is loaded from elsewhere, and
// nothing runs that is written into a page.
func TestMarkupIsText(t *testing.T) {
	h := start(t)
	attack.Case(t, "UI-01", attack.Admin, func(t *testing.T) {
		for i, text := range attack.Markup() {
			r, _ := h.key(t, apikey.Spec{Name: text, Owner: text})
			paths := []string{"/", "/keys/" + string(r.ID)}
			if i%8 == 0 {
				paths = append(screens(r.ID), "/?"+url.Values{text: {text}}.Encode(), "/"+url.PathEscape(text))
			}
			p := h.visitor(t, text)
			for _, path := range paths {
				page := p.get(t, path)
				inert(t, path+" of "+text, page)
				if path == "/" && !strings.Contains(page.text(), strings.Join(strings.Fields(text), " ")) && !strings.Contains(html.UnescapeString(page.body), text) {
					t.Errorf("%s does not show %s", path, text)
				}
			}
			if i%8 == 0 {
				inert(t, "a form with "+text, p.post(t, "/new", url.Values{"name": {text}, "scope": {text}, "expires": {text}, "once": {text}}))
				inert(t, "a link with "+text, (&holder{h: h}).post(t, "/open", url.Values{"link": {text}}))
			}
		}
	})
}

// inert wants no element and no attribute of a page that runs something, leads
// elsewhere but back, or loads what is not the page's own.
func inert(t *testing.T, where string, page shown) {
	t.Helper()
	if policy := page.header.Get("Content-Security-Policy"); page.status < 400 && (!strings.HasPrefix(policy, "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; ") || strings.Contains(policy, "unsafe")) {
		t.Errorf("%s: the policy is %q", where, policy)
	}
	if !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") {
		return
	}
	for n := range elements(t, page.body) {
		if slices.Contains([]string{"iframe", "object", "embed", "base", "style", "img", "svg", "math", "template"}, n.Data) {
			t.Errorf("%s has an element %s", where, n.Data)
		}
		src := false
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc", a.Key == "formaction", a.Key == "http-equiv":
				t.Errorf("%s: %s has %s=%q", where, n.Data, a.Key, a.Val)
			case a.Key == "src", a.Key == "href", a.Key == "action":
				src = a.Key == "src"
				if (!strings.HasPrefix(a.Val, "/") || strings.HasPrefix(a.Val, "//")) && a.Val != "https://app.test/settings" {
					t.Errorf("%s: %s leads to %q", where, n.Data, a.Val)
				}
			}
		}
		if n.Data == "script" && (!src || n.FirstChild != nil) {
			t.Errorf("%s has a script of its own", where)
		}
	}
}

func TestShownOnce(t *testing.T) {
	h := start(t)
	p := h.visitor(t, "acme")
	attack.Case(t, "UI-07", attack.Admin, func(t *testing.T) {
		form := p.fill(t, "/new", "name", "ci", "expires", "720h")
		made := p.post(t, "/new", form).want(t, "make", 200)
		first := made.secret()
		info, err := apikey.Parse(first)
		must(t, err)
		of := "/keys/" + string(info.ID)
		again := p.post(t, "/new", form).want(t, "reload", 200)
		roll := p.fill(t, of+"/roll", "overlap", "1h")
		rolled := p.post(t, of+"/roll", roll).want(t, "roll", 200)
		rolledAgain := p.post(t, of+"/roll", roll).want(t, "roll, reloaded", 200)
		second := rolled.secret()
		if first == "" || second == "" || len(h.record(t, info.ID).Secrets) != 2 || len(h.keys(t, "acme")) != 1 {
			t.Errorf("the key has %d secrets, and there are %d keys", len(h.record(t, info.ID).Secrets), len(h.keys(t, "acme")))
		}
		again.has(t, "a reload", "It is shown once: here it is gone.")
		pages := []shown{again, rolledAgain, p.get(t, of), p.get(t, "/")}
		for _, page := range append(pages, made, rolled) {
			if page.header.Get("Cache-Control") != "no-store" || page.header.Get("Referrer-Policy") != "same-origin" {
				t.Errorf("a page may be kept: %v", page.header)
			}
		}
		for _, page := range pages {
			for _, text := range []string{first, second} {
				if strings.Contains(page.body, text[len(text)-38:]) {
					t.Error("a later page shows the text of the key")
				}
			}
		}
		if log := h.log.String(); strings.Contains(log, first) || strings.Contains(log, second) {
			t.Error("the log has the text of a key")
		}
	})
}

// What keys are used for is shown as far as the link says.
func TestUseIsShown(t *testing.T) {
	h := start(t)
	r, _ := h.key(t, apikey.Spec{Name: "ci", Owner: "acme"})
	p, now := h.visitor(t, "acme"), time.Now().UTC()
	for _, at := range []time.Time{now.AddDate(0, 0, -1), now, now.AddDate(0, 0, -31)} {
		must(t, h.db.Usage().Add(t.Context(), &tally.Batch{
			Minute:  at.Truncate(time.Minute),
			Counts:  []tally.Count{{Key: string(r.ID), Route: "GET /", Outcome: tally.OK, N: 40}, {Key: string(r.ID), Route: "GET /", Outcome: tally.Limited, N: 2}, {Key: "another", Outcome: tally.OK, N: 7}},
			Secrets: []tally.SecretUse{{Key: string(r.ID), Secret: 1, At: at.Truncate(time.Minute)}},
		}))
	}
	today, yesterday := now.Format(time.DateOnly), now.AddDate(0, 0, -1).Format(time.DateOnly)
	page := p.get(t, "/keys/"+string(r.ID)).want(t, "the key", 200)
	page.has(t, "the key", "Day Requests Passed "+today+" 42 40 "+yesterday+" 42 40 All keys", "Last used "+now.Format("2006-01-02 15:04")+" UTC")
	p.get(t, "/").has(t, "the list", now.Format("2006-01-02 15:04")+" UTC")
	_, link := h.link(t, object{"owner": "acme"})
	if page := h.enter(t, link).get(t, "/keys/"+string(r.ID)).text(); strings.Contains(page, "Requests") {
		t.Errorf("who may not see it sees the use: %s", page)
	}
}
