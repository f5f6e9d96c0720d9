package adminui_test

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/internal/attack"
)

// watch begins to read events as the page does; header is what a browser adds.
func (p *person) watch(t *testing.T, query string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.h.admin+"/ui/live/events"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	if p.cookie != "" {
		r.Header.Set("Cookie", login.Cookie+"="+p.cookie)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// TestLive watches as the page does: for as long as somebody is logged in.
func TestLive(t *testing.T) {
	h := start(t, "limits: {viewers: 1}")
	ada := h.settle(t, "ada", account.Auditor).login(t)
	page := ada.get(t, "/ui/live?outcome=refused&route=&key=none").want(t, "the page", 200)
	page.has(t, "it", "Of several gateways, each shows its own.", "Without it, warder tail shows the same.")
	if policy := page.header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; connect-src 'self'") || strings.Contains(ada.get(t, "/ui/keys").header.Get("Content-Security-Policy"), "connect-src") {
		t.Errorf("the policy is %q, and should let this page alone ask for what it shows", policy)
	}
	if !strings.Contains(page.body, `data-feed="/ui/live/events?key=none&amp;outcome=refused"`) {
		t.Errorf("the page is fed with something else:\n%s", page.body)
	}
	own := http.Header{"Sec-Fetch-Site": {"same-origin"}}

	attack.Case(t, "UI-10", attack.Admin, func(t *testing.T) {
		for site, header := range map[string]http.Header{
			"another site": {"Sec-Fetch-Site": {"cross-site"}}, "another host of it": {"Sec-Fetch-Site": {"same-site"}}, "an old browser, of another origin": {"Origin": {"https://evil.example"}},
		} {
			if r := ada.watch(t, "", header); r.StatusCode != http.StatusForbidden || r.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %d %v, want 403", site, r.StatusCode, r.Header)
			}
		}
		if r := (&person{h: h}).watch(t, "", own); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/ui/login?next=%2Fui%2Flive%2Fevents" {
			t.Errorf("nobody: %d %v, want to be led to the login", r.StatusCode, r.Header)
		}
		for query, status := range map[string]int{"?code=A": 400, "?owner=acme": 404, "?key=none&key=none": 404} {
			if r := ada.watch(t, query, own); r.StatusCode != status {
				t.Errorf("%s: %d, want %d", query, r.StatusCode, status)
			}
		}
	})
	attack.Case(t, "UI-10", attack.Admin, func(t *testing.T) {
		r := ada.watch(t, "?outcome=refused", own)
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/event-stream" || r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%d %v, want events that nobody keeps", r.StatusCode, r.Header)
		}
		if second := ada.watch(t, "", own); second.StatusCode != http.StatusTooManyRequests || second.Header.Get("Retry-After") == "" {
			t.Errorf("a second one: %d %v, want 429", second.StatusCode, second.Header)
		}
		if got := (&person{h: &house{admin: h.gateway}}).raw(t, http.MethodGet, "/orders/1?token=canary7", nil, http.Header{"X-Api-Key": {"canary7"}}); got.status != 401 && got.status != 400 {
			t.Fatalf("the gateway: %d %s", got.status, got.body)
		}
		lines := bufio.NewReader(r.Body)
		var text string
		for !strings.Contains(text, `"path":"/orders/1"`) {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			text += line
		}
		if strings.Contains(text, "canary7") {
			t.Errorf("the page is told a secret: %s", text)
		}
		ada.post(t, "/ui/logout", url.Values{})
		if _, err := lines.WriteTo(new(strings.Builder)); err != nil {
			t.Errorf("after the logout the stream breaks off: %v", err)
		}
	})
}
