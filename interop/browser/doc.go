// Package browser drives Debian's Chromium, for tests of what only a browser
// decides: which cookies go along, what Origin and Sec-Fetch-Site say, and what a
// script may read.
//
// A test package starts one Chromium, however many tests it has:
//
//	func TestMain(m *testing.M) { browser.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		b := browser.Start(t)               // a profile of its own: no cookies
//		site := browser.ServeTLS(t, handler) // one listener, every name under .test
//		b.Open(site.URL("app.site.test", "/"))
//		got := b.Fetch(site.URL("evil.test", "/"), `{method: "POST", credentials: "include"}`)
//	}
//
// # Names
//
// Every name under .test leads to 127.0.0.1, so that one listener is as many
// origins as a test needs: app.site.test and evil.site.test are the same site,
// other.test is another, and two listeners are two ports of one host. Chromium
// takes the last two labels for the site, since test is in no list of public
// suffixes. All of them are in one address space: a test of requests that go from
// a public address to a local one is not possible with them.
//
// # HTTPS
//
// [Serve] speaks plain HTTP: .test is not a trustworthy origin then, and Secure
// cookies are refused. [ServeTLS] speaks HTTPS under a certificate whose key
// Chromium was told to believe when it started
// (--ignore-certificate-errors-spki-list), so that names, schemes, Secure and
// __Host- cookies are judged as on the web. Nothing is installed in any trust
// store, and all other certificates stay untrusted.
//
// # Time
//
// Each step has a deadline of a minute, for machines that are busy; a step that
// waits, waits for an event, and never for a time.
package browser
