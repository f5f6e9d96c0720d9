package browser_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/warder-dev/warder/interop/browser"
)

func TestMain(m *testing.M) { browser.Main(m) }

// echo answers with what the browser said of where the request comes from.
func echo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html")
		if r.URL.Path == "/cookie" {
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: "x", Secure: r.TLS != nil, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		}
		if r.URL.Path == "/open" {
			h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		}
		_ = r.ParseForm()
		fields := []string{r.Method, r.Host, "site=" + r.Header.Get("Sec-Fetch-Site"), "cookie=" + r.Header.Get("Cookie"), "a=" + r.PostForm.Get("a")}
		_, _ = w.Write([]byte(strings.Join(fields, " ")))
	})
}

func TestNamesAreSites(t *testing.T) {
	for scheme, site := range map[string]*browser.Site{"http": browser.Serve(t, echo()), "https": browser.ServeTLS(t, echo())} {
		b := browser.Start(t) // cookies are shared between ports
		if got := b.Open(site.URL("app.site.test", "/cookie")); got.Status != 200 || (scheme == "https" && !strings.Contains(got.Text, "site=none")) {
			t.Fatalf("%s: %+v, want 200, and from no other page", scheme, got)
		}
		if got := b.Cookies(site.URL("app.site.test", "/"))["sid"]; got != "x" {
			t.Errorf("%s: the cookie is %q, want x", scheme, got)
		}
		// Only a trustworthy origin is told where a request comes from.
		for host, want := range map[string]string{"app.site.test": "same-origin", "evil.site.test": "same-site", "other.test": "cross-site"} {
			if scheme == "http" {
				want = ""
			}
			got := b.Fetch(site.URL(host, "/open"), "")
			if got.Failed != "" || !strings.Contains(got.Body, "site="+want+" ") {
				t.Errorf("%s to %s: %+v, want %q", scheme, host, got, want)
			}
		}
		if got := b.Fetch(site.URL("evil.site.test", "/closed"), ""); got.Failed == "" {
			t.Errorf("%s: another origin's answer was read: %+v", scheme, got)
		}
		if !strings.Contains(strings.Join(b.Console(), "\n"), "Access-Control-Allow-Origin") {
			t.Errorf("%s: the console does not tell why: %q", scheme, b.Console())
		}
	}
}

func TestForms(t *testing.T) {
	site := browser.ServeTLS(t, echo())
	b := browser.Start(t)
	b.Open(site.URL("app.site.test", "/cookie"))
	page := b.Submit(browser.Form{Action: site.URL("app.site.test", "/"), Fields: map[string]string{"a": `1"&2`}})
	if want := `POST ` + strings.TrimPrefix(site.Origin("app.site.test"), "https://") + ` site=same-origin cookie=sid=x a=1"&2`; page.Text != want {
		t.Errorf("got %q, want %q", page.Text, want)
	}
	b.Open(site.URL("other.test", "/"))
	page = b.Submit(browser.Form{Action: site.URL("app.site.test", "/"), Fields: map[string]string{"a": "1"}})
	if !strings.Contains(page.Text, "site=cross-site cookie= a=1") {
		t.Errorf("got %q, want a request from another site without the Lax cookie", page.Text)
	}
	b.Open(site.URL("other.test", "/"))
	if page = b.Follow(site.URL("app.site.test", "/")); !strings.Contains(page.Text, "site=cross-site cookie=sid=x") {
		t.Errorf("got %q, want a link that brings the Lax cookie", page.Text)
	}
}

func TestProfilesAreApart(t *testing.T) {
	site := browser.ServeTLS(t, echo())
	first, second := browser.Start(t), browser.Start(t)
	first.Open(site.URL("app.site.test", "/cookie"))
	if got := second.Cookies(site.URL("app.site.test", "/")); len(got) != 0 {
		t.Errorf("another profile's cookies are seen: %v", got)
	}
}

func TestEval(t *testing.T) {
	var hits atomic.Int64
	site := browser.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		browser.Page("<p id=a>text").ServeHTTP(w, r)
	}))
	b := browser.Start(t)
	b.Open(site.URL("a.test", "/"))
	var got struct {
		Text string
		N    int
	}
	b.Eval(`Promise.resolve({Text: document.getElementById("a").innerText, N: 2})`, &got)
	if got.Text != "text" || got.N != 2 {
		t.Errorf("got %+v, want text and 2", got)
	}
	before := hits.Load()
	res, err := site.Client().Get(site.URL("b.test", "/"))
	if err != nil || res.StatusCode != 200 || hits.Load() != before+1 {
		t.Errorf("a client without a browser: %v, %d requests", err, hits.Load()-before)
	}
	_ = res.Body.Close()
}
