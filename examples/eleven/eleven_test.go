package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	main "github.com/warder-dev/warder/examples/eleven"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/golden"
	"github.com/warder-dev/warder/openapi/openapitest"
)

const (
	origin = "https://localhost:8443"
	app    = "https://app.example.com"
	evil   = "https://evil.example"
)

// send sends a request with fields, "Name: value", and a form as its body.
func send(t *testing.T, w *main.World, method, target string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	if strings.HasPrefix(target, "/") {
		target = origin + target
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Body" {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(value)), int64(len(value))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			continue
		}
		r.Header.Add(name, value)
	}
	r.URL.Scheme, r.URL.Host = "", "" // as a server reads it
	r.RequestURI = r.URL.RequestURI()
	recorder := httptest.NewRecorder()
	w.API.Handler().ServeHTTP(recorder, r)
	return recorder
}

// expect sends a request and wants a status.
func expect(t *testing.T, w *main.World, status int, method, target string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	got := send(t, w, method, target, fields...)
	if got.Code != status {
		t.Errorf("%s %.80s %.80q: %d, want %d: %.200s", method, target, fields, got.Code, status, got.Body)
	}
	return got
}

// logIn returns the field Cookie of a new session.
func logIn(t *testing.T, w *main.World, fields ...string) string {
	t.Helper()
	form := url.Values{"username": {"ada"}, "password": {w.Password}}
	answer := expect(t, w, http.StatusSeeOther, http.MethodPost, "/login", append(fields, "Origin: "+origin, "Body: "+form.Encode())...)
	cookie, _, _ := strings.Cut(answer.Header().Get("Set-Cookie"), ";")
	return "Cookie: " + cookie
}

// TestTheDocumentIsEnforced: what /openapi.json says of each operation is what the
// service does.
func TestTheDocumentIsEnforced(t *testing.T) {
	w := main.NewWorld(t)
	openapitest.RequireDeclared(t, w.API, func(r *http.Request) { r.Host = "localhost:8443" })
	answer := expect(t, w, http.StatusOK, http.MethodGet, "/openapi.json")
	golden.Compare(t, "testdata/openapi.json", answer.Body.Bytes())
	var doc struct {
		Security   []map[string][]string
		Components struct {
			SecuritySchemes map[string]struct{ Type, In, Name, Scheme string }
		}
		Paths map[string]map[string]struct{ Security []map[string][]string }
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(doc.Components.SecuritySchemes), "map[apiKey:{apiKey header X-API-Key } apiKeyQuery:{apiKey query api_key } bearer:{http   bearer} session:{apiKey cookie __Host-session }]"; got != want {
		t.Errorf("schemes = %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(doc.Security, doc.Paths["/reports"]["get"], doc.Paths["/login"]["post"]), "[map[apiKey:[]]] {[map[apiKey:[reports:read]] map[bearer:[reports:read]]]} {[]}"; got != want {
		t.Errorf("security = %s, want %s", got, want)
	}
}

func TestAnAPIKeyInAHeader(t *testing.T) {
	w := main.NewWorld(t)
	key := w.Key(t)
	if got := expect(t, w, http.StatusOK, http.MethodGet, "/data", "X-API-Key: "+key).Body.String(); got != "data of acme\n" {
		t.Errorf("answer = %q", got)
	}
	attack.Case(t, "KEY-05", attack.Library, func(t *testing.T) {
		other := w.Key(t)
		for _, pair := range [][2]string{{key, other}, {key, "bad"}, {"bad", key}, {key, key}, {"", key}} {
			expect(t, w, http.StatusBadRequest, http.MethodGet, "/data", "X-API-Key: "+pair[0], "X-API-Key: "+pair[1])
		}
		expect(t, w, http.StatusUnauthorized, http.MethodGet, "/data", "X-API-Key: "+key+", "+other)
	})
	attack.Case(t, "KEY-07", attack.Library, func(t *testing.T) {
		for i, c := range key {
			swapped := strings.ToLower(string(c))
			if swapped == string(c) {
				swapped = strings.ToUpper(string(c))
			}
			if swapped != string(c) && i%8 == 0 { // the address limit would end it otherwise
				expect(t, w, http.StatusUnauthorized, http.MethodGet, "/data", "X-API-Key: "+key[:i]+swapped+key[i+1:])
			}
		}
	})
	t.Run("nothing", func(t *testing.T) {
		refusal := expect(t, w, http.StatusUnauthorized, http.MethodGet, "/data")
		if refusal.Header().Get("WWW-Authenticate") == "" || refusal.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("the refusal says nothing: %v", refusal.Header())
		}
	})
}

func TestAnAPIKeyInTheQuery(t *testing.T) {
	w := main.NewWorld(t)
	key := w.Key(t, "export:read")
	attack.Case(t, "KEY-23", attack.Library, func(t *testing.T) {
		answer := expect(t, w, http.StatusOK, http.MethodGet, "/export?a=%41&api_key="+key+"&b")
		if got := answer.Body.String(); got != "export of acme, query \"a=%41&b\"\n" {
			t.Errorf("the handler saw %q", got)
		}
		if answer.Header().Get("Cache-Control") != "no-store" || answer.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("the answer is stored or referred: %v", answer.Header())
		}
	})
	attack.Case(t, "KEY-21", attack.Library, func(t *testing.T) {
		expect(t, w, http.StatusUnauthorized, http.MethodGet, "/data?api_key="+key)
		if strings.Contains(w.Log(), key) {
			t.Error("the log holds the key")
		}
	})
	attack.Case(t, "KEY-22", attack.Library, func(t *testing.T) {
		for _, query := range []string{"api_key=" + key + "&api_key=" + key, "API_KEY=" + key, "api_key[]=" + key, "a;api_key=" + key, "api%5Fkey=x&api_key=" + key} {
			expect(t, w, http.StatusBadRequest, http.MethodGet, "/export?"+query)
		}
		if got := expect(t, w, http.StatusOK, http.MethodGet, "/export?"+strings.Repeat("a=1&", 1000)+"api%5Fkey="+key).Body.String(); strings.Contains(got, key) {
			t.Error("the handler sees the key")
		}
	})
}

func TestSessions(t *testing.T) {
	w := main.NewWorld(t)
	attack.Case(t, "SESS-01", attack.Library, func(t *testing.T) {
		before := logIn(t, w)
		after := logIn(t, w, before)
		if before == after {
			t.Error("the login kept the id")
		}
		expect(t, w, http.StatusUnauthorized, http.MethodGet, "/profile", before)
		answer := expect(t, w, http.StatusOK, http.MethodGet, "/profile", after)
		if !strings.Contains(answer.Body.String(), `"name":"ada"`) {
			t.Errorf("profile = %s", answer.Body)
		}
	})
	attack.Case(t, "SESS-02", attack.Library, func(t *testing.T) {
		form := url.Values{"username": {"ada"}, "password": {w.Password}}.Encode()
		begun := expect(t, w, http.StatusSeeOther, http.MethodPost, "/login", "Origin: "+origin, "Body: "+form).Header().Get("Set-Cookie")
		cookie, _, _ := strings.Cut(begun, ";")
		ended := expect(t, w, http.StatusSeeOther, http.MethodPost, "/logout", "Origin: "+origin, "Cookie: "+cookie).Header().Get("Set-Cookie")
		for _, set := range []string{begun, ended} {
			parsed, err := http.ParseSetCookie(set)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Name != "__Host-session" || !parsed.Secure || !parsed.HttpOnly || parsed.SameSite != http.SameSiteLaxMode || parsed.Path != "/" || parsed.Domain != "" {
				t.Errorf("Set-Cookie: %s", set)
			}
			if lives := parsed.MaxAge > 0 || set == begun && !parsed.Expires.IsZero(); lives {
				t.Errorf("the cookie outlives the browser: %s", set)
			}
		}
		expect(t, w, http.StatusUnauthorized, http.MethodGet, "/profile", "Cookie: "+cookie)
	})
	t.Run("revoked", func(t *testing.T) {
		cookie := logIn(t, w)
		if n, err := w.Sessions.RevokeUser(t.Context(), "password", "ada"); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		expect(t, w, http.StatusUnauthorized, http.MethodGet, "/profile", cookie)
	})
	t.Run("one answer for unknown names and wrong passwords", func(t *testing.T) {
		unknown := expect(t, w, http.StatusUnauthorized, http.MethodPost, "/login", "Origin: "+origin, "Body: username=eve&password=x").Body.String()
		wrong := expect(t, w, http.StatusUnauthorized, http.MethodPost, "/login", "Origin: "+origin, "Body: username=ada&password=x").Body.String()
		if cutID(unknown) != cutID(wrong) {
			t.Errorf("%s and %s differ", unknown, wrong)
		}
	})
}

// cutID returns a problem without the id of its request.
func cutID(problem string) string {
	before, rest, _ := strings.Cut(problem, `"request_id":"`)
	_, after, _ := strings.Cut(rest, `"`)
	return before + after
}

// TestASessionEndsWhenItIsNotUsed: what is used every 20 minutes goes on, what is
// not used for 30 ends.
func TestASessionEndsWhenItIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := main.NewWorld(t)
		cookie := logIn(t, w)
		for range 3 {
			time.Sleep(20 * time.Minute) //nolint:forbidigo // no time passes in a bubble
			expect(t, w, http.StatusOK, http.MethodGet, "/profile", cookie)
		}
		time.Sleep(30 * time.Minute) //nolint:forbidigo // no time passes in a bubble
		expect(t, w, http.StatusUnauthorized, http.MethodGet, "/profile", cookie)
	})
}

func TestSeveralSchemes(t *testing.T) {
	w := main.NewWorld(t)
	key, token := "X-API-Key: "+w.Key(t, "reports:read"), "Authorization: Bearer "+w.Token(t, "", "reports:read")
	badKey, badToken := key[:len(key)-6]+"aaaaaa", token[:len(token)-6]+"aaaaaa"
	attack.Case(t, "MULTI-01", attack.Library, func(t *testing.T) {
		challenges := expect(t, w, http.StatusUnauthorized, http.MethodGet, "/reports").Header().Values("WWW-Authenticate")
		if len(challenges) != 2 || !strings.HasPrefix(challenges[0], "ApiKey ") || !strings.HasPrefix(challenges[1], "Bearer ") {
			t.Errorf("challenges = %q, want ApiKey and Bearer", challenges)
		}
	})
	attack.Case(t, "MULTI-02", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			fields []string
			scheme string // whose principal it is; "" for a refusal
		}{
			{"key", []string{key}, "apiKey"},
			{"token", []string{token}, "bearer"},
			{"both", []string{token, key}, "apiKey"},
			{"bad key", []string{badKey}, ""},
			{"bad token", []string{badToken}, ""},
			{"key, bad token", []string{key, badToken}, ""},
			{"bad key, token", []string{badKey, token}, ""},
			{"bad key, bad token", []string{badKey, badToken}, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if tt.scheme == "" {
					expect(t, w, http.StatusUnauthorized, http.MethodGet, "/reports", tt.fields...)
					return
				}
				if got := expect(t, w, http.StatusOK, http.MethodGet, "/reports", tt.fields...).Body.String(); !strings.HasSuffix(got, "by "+tt.scheme+"\n") {
					t.Errorf("answer = %q, want the principal of %s", got, tt.scheme)
				}
			})
		}
	})
	attack.Case(t, "MULTI-06", attack.Library, func(t *testing.T) {
		expect(t, w, http.StatusForbidden, http.MethodGet, "/reports", "X-API-Key: "+w.Key(t, "export:read"), "Authorization: Bearer "+w.Token(t, "", "users:read"))
	})
	attack.Case(t, "JWT-01", attack.Library, func(t *testing.T) {
		_, body, _ := strings.Cut(strings.TrimPrefix(token, "Authorization: Bearer "), ".")
		claims, signature, _ := strings.Cut(body, ".")
		for _, alg := range []string{`"none"`, `"NONE"`, `"nOnE"`, `null`, `1`, `""`} {
			head := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":` + alg + `}`))
			expect(t, w, http.StatusUnauthorized, http.MethodGet, "/reports", "Authorization: Bearer "+head+"."+claims+".")
			expect(t, w, http.StatusUnauthorized, http.MethodGet, "/reports", "Authorization: Bearer "+head+"."+claims+"."+signature)
		}
		expect(t, w, http.StatusUnauthorized, http.MethodGet, "/reports", strings.TrimSuffix(token, signature))
	})
	t.Run("a token for somebody else", func(t *testing.T) {
		expect(t, w, http.StatusUnauthorized, http.MethodGet, "/reports", "Authorization: Bearer "+w.Token(t, "https://other.example", "reports:read"))
	})
}

func TestHTTPS(t *testing.T) {
	w := main.NewWorld(t)
	key := w.Key(t, "export:read")
	const plain = "http://localhost:8080"
	if hsts := expect(t, w, http.StatusOK, http.MethodGet, "/data", "X-API-Key: "+key).Header().Get("Strict-Transport-Security"); hsts != "max-age=3600" {
		t.Errorf("HSTS = %q", hsts)
	}
	attack.Case(t, "TLS-03", attack.Library, func(t *testing.T) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			answer := expect(t, w, http.StatusPermanentRedirect, method, plain+"/users?name=ada")
			if got, want := answer.Header().Get("Location"), origin+"/users?name=ada"; got != want {
				t.Errorf("Location = %q, want %q", got, want)
			}
			if answer.Header().Get("Strict-Transport-Security") != "" {
				t.Error("HSTS over plain HTTP")
			}
		}
		answer := expect(t, w, http.StatusMisdirectedRequest, http.MethodGet, "http://evil.example/data")
		if got := answer.Header().Get("Location"); got != "" {
			t.Errorf("Location = %q for a host that is not ours", got)
		}
	})
	attack.Case(t, "KEY-24", attack.Library, func(t *testing.T) {
		for _, sent := range []struct{ target, field string }{
			{"/data", "X-API-Key: " + key},
			{"/export?api_key=" + key, "Accept: */*"},
			{"/profile", "Cookie: __Host-session=x"},
			{"/reports", "Authorization: Bearer x"},
			{"/data", "X-API-Key: "},
		} {
			if answer := expect(t, w, http.StatusForbidden, http.MethodGet, plain+sent.target, sent.field); answer.Header().Get("Location") != "" {
				t.Errorf("%s is redirected", sent.target)
			}
		}
		if log := w.Log(); !strings.Contains(log, `"reason":"credential-over-http"`) || strings.Contains(log, key) {
			t.Errorf("the log does not tell of it, or holds the key:\n%s", log)
		}
	})
}

func TestCORS(t *testing.T) {
	w := main.NewWorld(t)
	key := "X-API-Key: " + w.Key(t)
	allowed := func(answer *httptest.ResponseRecorder) string {
		return answer.Header().Get("Access-Control-Allow-Origin")
	}
	preflight := func(t *testing.T, from, method string) *httptest.ResponseRecorder {
		t.Helper()
		return expect(t, w, http.StatusNoContent, http.MethodOptions, "/data", "Origin: "+from, "Access-Control-Request-Method: "+method, "Access-Control-Request-Headers: x-api-key")
	}
	attack.Case(t, "CORS-01", attack.Library, func(t *testing.T) {
		for _, answer := range []*httptest.ResponseRecorder{
			preflight(t, app, "GET"), expect(t, w, http.StatusOK, http.MethodGet, "/data", key, "Origin: "+app), expect(t, w, http.StatusUnauthorized, http.MethodGet, "/data", "Origin: "+app),
		} {
			if allowed(answer) != app || !strings.Contains(strings.Join(answer.Header().Values("Vary"), ","), "Origin") {
				t.Errorf("%d: %v", answer.Code, answer.Header())
			}
			if answer.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
		}
	})
	attack.Case(t, "CORS-02", attack.Library, func(t *testing.T) {
		for _, from := range []string{evil, app + ".evil.example", "https://evilapp.example.com", "https://app.example.com:444", "http://app.example.com", "https://APP.example.com", "https://app.example.com/"} {
			if got := allowed(preflight(t, from, "GET")); got != "" {
				t.Errorf("preflight from %s: %q", from, got)
			}
			if got := allowed(expect(t, w, http.StatusOK, http.MethodGet, "/data", key, "Origin: "+from)); got != "" {
				t.Errorf("from %s: %q", from, got)
			}
		}
	})
	attack.Case(t, "CORS-03", attack.Library, func(t *testing.T) {
		if got := allowed(preflight(t, "null", "GET")) + allowed(expect(t, w, http.StatusOK, http.MethodGet, "/data", key, "Origin: null")); got != "" {
			t.Errorf("null: %q", got)
		}
	})
	attack.Case(t, "CORS-06", attack.Library, func(t *testing.T) {
		preflight(t, app, "GET") // without a key
		expect(t, w, http.StatusMethodNotAllowed, http.MethodOptions, "/data", key, "Origin: "+app)
	})
}

func TestCSRF(t *testing.T) {
	w := main.NewWorld(t)
	cookie := logIn(t, w)
	token := func(t *testing.T, cookie string) string {
		t.Helper()
		var page struct {
			Token string `json:"csrf_token"`
		}
		if err := json.Unmarshal(expect(t, w, http.StatusOK, http.MethodGet, "/profile", cookie).Body.Bytes(), &page); err != nil || page.Token == "" {
			t.Fatalf("%q: %v", page.Token, err)
		}
		return page.Token
	}
	order := func(t *testing.T, status int, fields ...string) {
		t.Helper()
		expect(t, w, status, http.MethodPost, "/orders", append(fields, cookie)...)
	}
	attack.Case(t, "CSRF-01", attack.Library, func(t *testing.T) {
		order(t, http.StatusCreated, "Origin: "+origin)
		order(t, http.StatusCreated, "Sec-Fetch-Site: same-origin")
		order(t, http.StatusForbidden, "Sec-Fetch-Site: same-site", "Origin: https://sibling.localhost")
		order(t, http.StatusForbidden, "Sec-Fetch-Site: cross-site", "Origin: "+evil)
		order(t, http.StatusForbidden, "Origin: "+evil)
		order(t, http.StatusForbidden)
		order(t, http.StatusCreated, "X-CSRF-Token: "+token(t, cookie))
		order(t, http.StatusCreated, "Body: "+url.Values{"csrf_token": {token(t, cookie)}}.Encode())
	})
	attack.Case(t, "CSRF-02", attack.Library, func(t *testing.T) {
		for _, from := range []string{"null", "http://localhost:8443", "https://localhost", "https://localhost:8444", origin + ".evil.example", "https://evil.example/" + origin} {
			order(t, http.StatusForbidden, "Origin: "+from)
		}
		order(t, http.StatusForbidden, "Referer: "+origin+"/profile")
	})
	attack.Case(t, "CSRF-07", attack.Library, func(t *testing.T) {
		form := "Body: " + url.Values{"username": {"ada"}, "password": {w.Password}}.Encode()
		for _, from := range []string{"Origin: " + evil, "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"} {
			if got := expect(t, w, http.StatusForbidden, http.MethodPost, "/login", from, form).Header().Get("Set-Cookie"); got != "" {
				t.Errorf("%s: Set-Cookie %q", from, got)
			}
		}
	})
	t.Run("the token of another session", func(t *testing.T) {
		order(t, http.StatusForbidden, "X-CSRF-Token: "+token(t, logIn(t, w)))
	})
	t.Run("no other site logs anybody out", func(t *testing.T) {
		expect(t, w, http.StatusForbidden, http.MethodPost, "/logout", cookie, "Origin: "+evil)
		expect(t, w, http.StatusOK, http.MethodGet, "/profile", cookie)
	})
}

func TestRateLimits(t *testing.T) {
	t.Run("by principal", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := main.NewWorld(t)
			key := "X-API-Key: " + w.Key(t)
			for range 5 {
				expect(t, w, http.StatusOK, http.MethodGet, "/items", key)
			}
			refusal := expect(t, w, http.StatusTooManyRequests, http.MethodGet, "/items", key)
			if got := refusal.Header().Get("Retry-After"); got != "720" {
				t.Errorf("Retry-After = %q, want 720", got)
			}
			expect(t, w, http.StatusOK, http.MethodGet, "/items", "X-API-Key: "+w.Key(t)) // somebody else
			time.Sleep(720 * time.Second)                                                 //nolint:forbidigo // no time passes in a bubble
			expect(t, w, http.StatusOK, http.MethodGet, "/items", key)
			expect(t, w, http.StatusTooManyRequests, http.MethodGet, "/items", key) // a window would begin anew here
		})
	})
	attack.Case(t, "LIMIT-03", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := main.NewWorld(t)
			for i := range 100 {
				forged := fmt.Sprintf("192.0.2.%d", i)
				expect(t, w, http.StatusUnauthorized, http.MethodGet, "/data", "X-Forwarded-For: "+forged, "X-Real-IP: "+forged, "Forwarded: for="+forged, "X-API-Key: guess")
			}
			expect(t, w, http.StatusTooManyRequests, http.MethodGet, "/data", "X-Forwarded-For: 198.51.100.1", "X-API-Key: guess")
		})
	})
	attack.Case(t, "LIMIT-06", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := main.NewWorld(t)
			key := "X-API-Key: " + w.Key(t)
			for range 20 { // refused, and so at nobody's cost but the address's
				expect(t, w, http.StatusBadRequest, http.MethodGet, "/items", key, key)
				expect(t, w, http.StatusForbidden, http.MethodGet, "/users?name=a", key)
			}
			for range 5 {
				expect(t, w, http.StatusOK, http.MethodGet, "/items", key)
			}
			for range 100 - 45 { // the address's has counted each
				expect(t, w, http.StatusUnauthorized, http.MethodGet, "/items")
			}
			expect(t, w, http.StatusTooManyRequests, http.MethodGet, "/items")
		})
	})
}

func TestNoSecretsInLogs(t *testing.T) {
	w := main.NewWorld(t)
	key, token := w.Key(t, "export:read", "reports:read"), w.Token(t, "", "reports:read")
	cookie := logIn(t, w)
	_, id, _ := strings.Cut(cookie, "=")
	expect(t, w, http.StatusOK, http.MethodGet, "/export?api_key="+key)
	expect(t, w, http.StatusOK, http.MethodGet, "/reports", "Authorization: Bearer "+token)
	expect(t, w, http.StatusOK, http.MethodGet, "/profile", cookie)
	expect(t, w, http.StatusUnauthorized, http.MethodPost, "/login", "Origin: "+origin, "Body: username="+w.Password+"&password=ada") // in the wrong field
	for _, canary := range []string{key, "canary"} {
		expect(t, w, http.StatusNotFound, http.MethodGet, "/nowhere?q="+canary, "X-API-Key: "+canary, "Authorization: "+canary, "Cookie: a="+canary, "User-Agent: "+canary, "Referer: "+canary, "X-Request-Id: "+canary)
	}
	expect(t, w, http.StatusNotFound, http.MethodGet, "/by-mistake/"+key)
	log := w.Log()
	for _, secret := range []string{key, token, id, w.Password, "canary"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
	if n := strings.Count(log, `"msg":"request"`); n != 8 {
		t.Errorf("%d records, want one for each of 8 requests:\n%s", n, log)
	}
}

func TestTrustedHosts(t *testing.T) {
	w := main.NewWorld(t)
	key := "X-API-Key: " + w.Key(t)
	attack.Case(t, "HOST-01", attack.Library, func(t *testing.T) {
		for _, host := range []string{"localhost", "LOCALHOST", "localhost:8443", "localhost."} {
			expect(t, w, http.StatusOK, http.MethodGet, "https://"+host+"/data", key)
		}
	})
	attack.Case(t, "HOST-03", attack.Library, func(t *testing.T) {
		for _, host := range []string{"evil.example", "localhost.evil.example", "evil-localhost", "a.localhost", "127.0.0.1"} {
			expect(t, w, http.StatusMisdirectedRequest, http.MethodGet, "https://"+host+"/data", key)
		}
	})
	attack.Case(t, "HOST-08", attack.Library, func(t *testing.T) {
		expect(t, w, http.StatusMisdirectedRequest, http.MethodGet, "https://evil.example/data", key, "X-Forwarded-Host: localhost")
		expect(t, w, http.StatusOK, http.MethodGet, "/data", key, "X-Forwarded-Host: evil.example")
	})
}
