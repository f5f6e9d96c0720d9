package adminui_test

import (
	"encoding/csv"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/adminui"
	"github.com/warder-dev/warder/internal/attack"
)

// screens are the pages of a key and of everything else, all that GET shows.
func screens(id string) []string {
	of := "/ui/keys/" + id
	return []string{
		"/ui/keys", "/ui/keys?text=a&owner=b", "/ui/keys/new", of, of + "/edit", of + "/roll", of + "/end-overlap", of + "/disable", of + "/enable", of + "/revoke", of + "/delete",
		"/ui/audit", "/ui/audit?subject=" + id, "/ui/health", "/ui/live", "/ui/live?outcome=refused", "/ui/people", "/ui/people/new", "/ui/me", "/ui/me/password", "/ui/me/factor", "/ui/login", "/ui/setup", "/ui/none",
	}
}

// elements returns every element of a page with its attributes.
func elements(t *testing.T, page string) (all []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

// inert wants no element and no attribute of a page that runs something, leads
// elsewhere or loads what is not the page's own.
func inert(t *testing.T, where, page string) {
	t.Helper()
	for _, n := range elements(t, page) {
		switch n.Data {
		case "iframe", "object", "embed", "base", "style", "img", "marquee", "video", "math", "template", "animate":
			t.Errorf("%s has an element %s", where, n.Data)
		}
		src := false
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc", a.Key == "formaction", a.Key == "http-equiv":
				t.Errorf("%s: %s has %s=%q", where, n.Data, a.Key, a.Val)
			case a.Key == "src", a.Key == "href", a.Key == "action":
				src = a.Key == "src"
				if !strings.HasPrefix(a.Val, "/ui/") && a.Val != "#main" {
					t.Errorf("%s: %s leads to %q", where, n.Data, a.Val)
				}
			}
		}
		if n.Data == "script" && (!src || n.FirstChild != nil) {
			t.Errorf("%s has a script of its own", where)
		}
	}
}

func TestMarkupIsText(t *testing.T) {
	attack.Case(t, "UI-01", attack.Admin, func(t *testing.T) {
		h := start(t)
		ada := h.settle(t, "ada", account.Owner).login(t)
		if n := len(attack.Markup()); n != 40 {
			t.Fatalf("%d strings", n)
		}
		for i, text := range attack.Markup() {
			id, paths := "", []string(nil)
			if i%8 == 0 { // each screen has its texts from the same templates
				form := ada.fill(t, "/ui/keys/new", "name", text, "owner", text, "metadata", "note="+text)
				made := ada.post(t, "/ui/keys/new", form).want(t, text, 200)
				inert(t, "the answer to "+text, made.body)
				info, err := apikey.Parse(made.secret())
				if err != nil {
					t.Fatal(err)
				}
				id = string(info.ID)
				paths = screens(id)
			} else {
				r, _ := h.key(t, apikey.Spec{Name: text, Owner: text, Metadata: map[string]string{text[:min(len(text), 60)]: text}})
				id = string(r.ID)
				paths = []string{"/ui/keys/" + id, "/ui/keys/" + id + "/edit"}
			}
			for _, path := range paths {
				page := ada.get(t, path)
				inert(t, path+" with "+text, page.body)
				if strings.HasPrefix(path, "/ui/keys/"+id) && !strings.Contains(page.text(), strings.Join(strings.Fields(text), " ")) && !strings.Contains(html.UnescapeString(page.body), text) {
					t.Errorf("%s does not show %s", path, text)
				}
			}
			for path, name := range map[string]string{"/ui/keys": "owner", "/ui/health": "ill", "/ui/login": "next", "/ui/audit": text} {
				inert(t, path+" with "+text+" in the address", ada.get(t, path+"?"+url.Values{name: {text}}.Encode()).body)
			}
			if i%8 > 0 {
				continue
			}
			inert(t, "a login with "+text, ada.post(t, "/ui/login", url.Values{"name": {text}, "next": {text}}).body)
		}
	})
}

func TestNobodyFramesThePages(t *testing.T) {
	attack.Case(t, "UI-02", attack.Admin, func(t *testing.T) {
		h := start(t)
		r, _ := h.key(t, apikey.Spec{Name: "ci"})
		ada := h.settle(t, "ada", account.Owner).login(t)
		for _, path := range screens(string(r.ID)) {
			got := ada.get(t, path)
			if policy := got.header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || got.header.Get("X-Frame-Options") != "DENY" {
				t.Errorf("%s may be framed: %q", path, policy)
			}
		}
	})
}

// posts are the patterns of everything that takes a form.
func posts(t *testing.T) (patterns []string) {
	t.Helper()
	site, err := adminui.New(adminui.Config{API: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range site.Patterns() {
		if path, post := strings.CutPrefix(pattern, "POST "); post {
			patterns = append(patterns, path)
		}
	}
	if len(patterns) < 9 {
		t.Fatalf("only %d patterns take forms", len(patterns))
	}
	return patterns
}

func TestFormsOfOthersAreRefused(t *testing.T) {
	h := start(t)
	r, text := h.key(t, apikey.Spec{Name: "ci"})
	ada := h.settle(t, "ada", account.Owner).login(t)
	own := "http://" + h.admin
	attack.Case(t, "UI-03", attack.Admin, func(t *testing.T) {
		actions := []string{"roll", "end-overlap", "disable", "enable", "revoke", "delete"}
		for from, fields := range map[string]http.Header{
			"another site":        {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.test"}},
			"without Origin":      {"Sec-Fetch-Site": {"cross-site"}},
			"a sibling":           {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://127.0.0.1:1"}},
			"an old browser":      {"Origin": {"http://evil.test"}},
			"another scheme":      {"Origin": {"https://" + h.admin}},
			"a hidden page":       {"Origin": {"null"}},
			"nobody":              {},
			"one that says twice": {"Sec-Fetch-Site": {"same-origin", "same-origin"}, "Origin": {own}},
			"a lie":               {"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://evil.test"}},
		} {
			for _, pattern := range posts(t) {
				for _, action := range actions {
					path := strings.NewReplacer("{id}", string(r.ID), "{action}", action).Replace(pattern)
					form := url.Values{
						"name": {"ada"}, "password": {goodPassword}, "once": {"x"}, "typed": {"ci"}, "key": {text}, "etag": {`"` + fmt.Sprint(r.Revision) + `"`}, "overlap": {""},
					}
					before := ada.cookie
					got := ada.raw(t, http.MethodPost, path, form, fields)
					if got.status != http.StatusForbidden || ada.cookie != before {
						t.Fatalf("a form of %s to %s: %d, want 403", from, path, got.status)
					}
					if !strings.Contains(pattern, "{action}") {
						break
					}
				}
			}
		}
		if after := h.record(t, string(r.ID)); after.Revision != r.Revision {
			t.Error("the key was changed")
		}
		ada.get(t, "/ui/keys").want(t, "the session", 200)
	})
	attack.Case(t, "CSRF-07", attack.Admin, func(t *testing.T) {
		eve := &person{h: h}
		form := url.Values{"name": {"ada"}, "password": {goodPassword}}
		if got := eve.raw(t, http.MethodPost, "/ui/login", form, http.Header{"Origin": {"https://evil.test"}}); got.status != 403 || eve.cookie != "" {
			t.Errorf("a login from elsewhere: %d", got.status)
		}
	})
	attack.Case(t, "ADMIN-04", attack.Admin, func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, own+"/ui/login", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "evil.test"
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("a rebound name: %d, want 421", response.StatusCode)
		}
	})
}

func TestLoginLeadsToOwnPages(t *testing.T) {
	h := start(t)
	bob := h.settle(t, "bob", account.Developer) // without a second factor
	attack.Case(t, "UI-04", attack.Admin, func(t *testing.T) {
		evil := []string{
			"//evil.test", "///evil.test", `/\evil.test`, `\\evil.test`, "https:evil.test", "https://evil.test/ui/", "javascript:alert(1)", "/%09/evil.test", "/\t/evil.test",
			"/ui//evil.test", "/ui/../v1/keys", "/ui/%2e%2e/v1/keys", "/%2f%2fevil.test", "/ui/\r\nSet-Cookie: a=b", "/ui/%0d%0aSet-Cookie:a=b", "/v1/keys", "/metrics", "", "ui/keys",
			"/ui", "/UI/keys", "/ui/" + strings.Repeat("a", 4096), "/ui/keys#//evil.test", "/ui/logout", "/ui/login?next=/ui/login", `/ui/"><script>`,
		}
		for i, next := range evil {
			form := bob.get(t, "/ui/login?"+url.Values{"next": {next}}.Encode()).form(t)
			if got := form.Get("next"); got != "/ui/keys" {
				t.Errorf("next=%.60q became %q in the form", next, got)
			}
			if i%4 > 0 { // a login costs what a password costs
				continue
			}
			got := bob.post(t, "/ui/login", url.Values{"name": {"bob"}, "password": {goodPassword}, "next": {next}})
			got.leads(t, fmt.Sprintf("a login with next=%.60q", next), "/ui/keys")
			if got.header.Get("Set-Cookie") == "" || strings.Contains(got.header.Get("Set-Cookie"), "a=b") {
				t.Errorf("next=%.60q: the cookie is %q", next, got.header.Get("Set-Cookie"))
			}
		}
		for _, next := range []string{"/ui/keys?state=active", "/ui/health", "/ui/keys/AbcDef012345/roll"} {
			bob.post(t, "/ui/login", url.Values{"name": {"bob"}, "password": {goodPassword}, "next": {next}}).leads(t, next, next)
		}
	})
}

func TestAddressesGrantNothing(t *testing.T) {
	h := start(t)
	r, _ := h.key(t, apikey.Spec{Name: "ci", Owner: "acme"})
	bob := h.settle(t, "bob", account.Developer).login(t)
	attack.Case(t, "UI-05", attack.Admin, func(t *testing.T) {
		of := "/ui/keys/" + string(r.ID)
		for _, path := range []string{
			"/ui/keys?role=owner", of + "?role=owner", of + "?owner=acme", of + "/roll?role=owner", of + "/edit?owner=other", "/ui/keys/new?owner=acme", "/ui/health?role=owner",
			"/ui/keys?owner=acme&owner=other", "/ui/keys/000000000000", "/ui/keys/" + strings.ToLower(string(r.ID)) + "x", "/ui/keys/..", "/ui/keys/%2e%2e", of + "/promote", of + "/role", of + ":roll",
			"/ui/owner/keys", "/ui/accounts/1/role", "/ui/audit.csv/x", "/ui/file/../site.go", "/ui/file/", of + "/edit/x",
		} {
			got := bob.get(t, path)
			if got.status != 404 && (got.status != 400 || !strings.Contains(strings.ReplaceAll(path, "%2e", "."), "..")) || strings.Contains(got.text(), "acme") {
				t.Errorf("%s: %d, want 404 that tells nothing", path, got.status)
			}
		}
		ada, of := h.settle(t, "ada", account.Owner).login(t), "/ui/people/"+string(bob.id)
		for _, path := range []string{"/ui/people?role=owner", "/ui/people/new?role=owner", of + "?role=owner", of + "/role?role=owner", of + "/promote", of + "/new", "/ui/people/zz", "/ui/people/aaaaaaaaaaaaaaaa", of + "/role/owner"} {
			ada.get(t, path).want(t, path, 404)
		}
		form := url.Values{"name": {"x"}, "role": {"owner"}, "id": {"000000000000"}, "revision": {"1"}, "once": {"u5"}, "environment": {"live"}}
		made := bob.post(t, "/ui/keys/new", form).want(t, "more fields than there are", 200)
		if info, err := apikey.Parse(made.secret()); err != nil || string(info.ID) == "000000000000" {
			t.Errorf("the key is %v, %v", info.ID, err)
		}
	})
}

func TestFormulasInTheExport(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner).login(t)
	attack.Case(t, "UI-06", attack.Admin, func(t *testing.T) {
		formulas := []string{"=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "=HYPERLINK(\"http://evil.test\")"}
		for _, text := range formulas {
			if _, _, err := h.issuer.Create(t.Context(), apikey.By{Actor: text, Source: text}, apikey.Spec{Environment: "live", Name: text, Owner: text}); err != nil {
				t.Fatal(err)
			}
		}
		got := ada.get(t, "/ui/audit.csv").want(t, "the export", 200)
		if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/csv") || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("the export is %q, %q", kind, got.header.Get("Content-Disposition"))
		}
		rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("a cell is %q", cell)
				}
				seen[cell] = true
			}
		}
		for _, text := range formulas {
			if !seen["'"+text] {
				t.Errorf("the export lacks %q", text)
			}
		}
		filtered := ada.get(t, "/ui/audit.csv?actor="+url.QueryEscape("+1+1")).want(t, "a part", 200)
		if rows, err := csv.NewReader(strings.NewReader(filtered.body)).ReadAll(); err != nil || len(rows) != 2 {
			t.Errorf("a part has %d rows, %v", len(rows), err)
		}
	})
}

func TestShownOnce(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner).login(t)
	attack.Case(t, "UI-07", attack.Admin, func(t *testing.T) {
		form := ada.fill(t, "/ui/keys/new", "name", "ci")
		made := ada.post(t, "/ui/keys/new", form).want(t, "create", 200)
		first := made.secret()
		if first == "" || made.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("the first answer shows %q, and may be kept: %q", first, made.header.Get("Cache-Control"))
		}
		info, err := apikey.Parse(first)
		if err != nil {
			t.Fatal(err)
		}
		id := string(info.ID)
		again := ada.post(t, "/ui/keys/new", form).want(t, "reload", 200)
		again.has(t, "a reload", "It is shown once: here it is gone.")
		roll := ada.fill(t, "/ui/keys/"+id+"/roll", "overlap", "1h")
		second := ada.post(t, "/ui/keys/"+id+"/roll", roll).want(t, "roll", 200).secret()
		rolledAgain := ada.post(t, "/ui/keys/"+id+"/roll", roll).want(t, "roll, reloaded", 200)
		if n := len(h.record(t, id).Secrets); n != 2 || second == "" {
			t.Errorf("the key has %d secrets after one roll that was sent twice", n)
		}
		pages := []shown{again, rolledAgain}
		for _, path := range screens(id) {
			pages = append(pages, ada.get(t, path))
		}
		pages = append(pages, ada.get(t, "/ui/audit.csv"))
		for _, page := range pages {
			for _, text := range []string{first, second} {
				if strings.Contains(page.body, text[len(text)-20:]) {
					t.Errorf("the key is shown again:\n%s", page.text())
				}
			}
			if page.header.Get("Cache-Control") != "no-store" {
				t.Errorf("a page may be kept: %q", page.header.Get("Cache-Control"))
			}
		}
		if log := h.log.String(); strings.Contains(log, first) || strings.Contains(log, second) {
			t.Error("the log has the key")
		}
	})
	attack.Case(t, "ADMIN-16", attack.Admin, func(t *testing.T) {
		r, text := h.key(t, apikey.Spec{Name: "pasted"})
		ada.post(t, "/ui/keys/search", url.Values{"key": {" " + text + " "}}).leads(t, "search", "/ui/keys/"+string(r.ID))
		for what, tt := range map[string]struct {
			text   string
			status int
		}{"half a key": {text[:20], 400}, "no key": {"hello", 400}} {
			if page := ada.post(t, "/ui/keys/search", url.Values{"key": {tt.text}}).want(t, what, tt.status); strings.Contains(page.body, tt.text) {
				t.Errorf("%s: the page repeats it", what)
			}
		}
		ada.get(t, "/ui/keys?key="+text).want(t, "in an address", 404)
		ada.raw(t, http.MethodGet, "/ui/keys/search?key="+text, nil, ada.browser()).want(t, "by GET", 404)
		if strings.Contains(h.log.String(), text) {
			t.Error("the log has the key")
		}
	})
}

func TestTwoEditors(t *testing.T) {
	h := start(t)
	r, _ := h.key(t, apikey.Spec{Name: "ci", Owner: "acme", Scopes: []string{"orders:read"}})
	path := "/ui/keys/" + string(r.ID)
	ada, bob := h.settle(t, "ada", account.Owner).login(t), h.settle(t, "bob", account.Developer).login(t)
	attack.Case(t, "UI-08", attack.Admin, func(t *testing.T) {
		hers := ada.fill(t, path+"/edit", "name", "ci of ada", "scopes", "orders:read\norders:write")
		his := bob.fill(t, path+"/edit", "name", "ci of bob", "metadata", "team=bob")
		roll := ada.fill(t, path+"/roll", "overlap", "1h")
		ada.post(t, path+"/edit", hers).leads(t, "the first", path)
		page := bob.post(t, path+"/edit", his).want(t, "the second", http.StatusPreconditionFailed)
		page.has(t, "the second's page", "Somebody else has changed this key", "Stored now: ci of ada", "Changed by somebody else meanwhile.")
		mine := page.form(t)
		if mine.Get("name") != "ci of bob" || mine.Get("metadata") != "team=bob" || mine.Get("scopes") != "orders:read\norders:write" {
			t.Errorf("the second sees %q, %q, %q", mine.Get("name"), mine.Get("metadata"), mine.Get("scopes"))
		}
		if now := h.record(t, string(r.ID)); now.Name != "ci of ada" || len(now.Scopes) != 2 || now.Metadata["team"] != "" {
			t.Errorf("stored is %q, %q", now.Name, now.Scopes)
		}
		ada.post(t, path+"/roll", roll).want(t, "a roll of what was seen before", http.StatusPreconditionFailed).has(t, "its page", "Somebody else has changed this key")
		if n := len(h.record(t, string(r.ID)).Secrets); n != 1 {
			t.Errorf("the key has %d secrets", n)
		}
		bob.post(t, path+"/edit", mine).leads(t, "the second again", path)
		if now := h.record(t, string(r.ID)); now.Name != "ci of bob" || len(now.Scopes) != 2 || now.Metadata["team"] != "bob" {
			t.Errorf("stored is %q, %q, %q", now.Name, now.Scopes, now.Metadata)
		}

		// A form without what it was filled with: everything is the person's.
		bare := bob.fill(t, path+"/edit", "owner", "zeta")
		bare.Del("base")
		ada.post(t, path+"/edit", ada.fill(t, path+"/edit", "scopes", "orders:read")).leads(t, "the first again", path)
		again := bob.post(t, path+"/edit", bare).want(t, "a bare form", http.StatusPreconditionFailed)
		again.has(t, "its page", "Stored now: orders:read", "Stored now: acme")
		if got := again.form(t); got.Get("scopes") != "orders:read\norders:write" || got.Get("owner") != "zeta" {
			t.Errorf("a bare form became %q, %q", got.Get("scopes"), got.Get("owner"))
		}

		// At once: one is told, whoever it is.
		form := [2]url.Values{ada.fill(t, path+"/edit", "name", "left"), bob.fill(t, path+"/edit", "name", "right")}
		var status [2]int
		var both sync.WaitGroup
		for i, who := range []*person{ada, bob} {
			both.Go(func() { status[i] = who.post(t, path+"/edit", form[i]).status })
		}
		both.Wait()
		if slices.Sort(status[:]); status != [2]int{http.StatusSeeOther, http.StatusPreconditionFailed} {
			t.Errorf("two at once: %v, want one that is told", status)
		}
	})
}

func TestNothingFromElsewhere(t *testing.T) {
	h := start(t)
	r, _ := h.key(t, apikey.Spec{Name: "ci"})
	ada := h.settle(t, "ada", account.Owner).login(t)
	attack.Case(t, "UI-11", attack.Admin, func(t *testing.T) {
		files := map[string]string{}
		for _, path := range screens(string(r.ID)) {
			page := ada.get(t, path)
			policy := page.header.Get("Content-Security-Policy")
			if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") || !strings.Contains(policy, "default-src 'none'") {
				t.Errorf("%s has the policy %q", path, policy)
			}
			for field, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"} {
				if got := page.header.Get(field); got != want {
					t.Errorf("%s has %s: %q, want %q", path, field, got, want)
				}
			}
			inert(t, path, page.body)
			for _, n := range elements(t, page.body) {
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Val, "/ui/file/") {
						files[a.Val] = path
					}
				}
			}
		}
		for _, address := range slices.Sorted(maps.Keys(files)) {
			file := (&person{h: h}).get(t, address).want(t, address, 200)
			if strings.Contains(file.body, "://") && !strings.Contains(address, "icon.svg") || !strings.Contains(file.header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s names another host, or may not be kept: %q", address, file.header.Get("Cache-Control"))
			}
		}
		if len(files) != 3 {
			t.Errorf("pages load %v", files)
		}
	})
}
