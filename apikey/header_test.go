package apikey_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

// row is one request of a table: the header's lines and what comes of them.
type row struct {
	name   string
	lines  []string
	status int
	reason string
}

// run sends each row; none may reach the handler, be echoed or cost a look-up.
func run(t *testing.T, rows []row) {
	t.Helper()
	h := newHouse(t)
	f := newFront(t, h.verifier)
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			before := h.store.lookups.Load()
			w := f.get(tt.lines...)
			if w.Code != tt.status || f.reason != tt.reason {
				t.Errorf("got %d %q, want %d %q", w.Code, f.reason, tt.status, tt.reason)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control = %q, want no-store", got)
			}
			if got := w.Header().Get("WWW-Authenticate"); (got != "") != (tt.status == 401) {
				t.Errorf("WWW-Authenticate = %q with status %d", got, tt.status)
			}
			if !strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem+json") {
				t.Errorf("Content-Type = %q, want a problem", w.Header().Get("Content-Type"))
			}
			if got := h.store.lookups.Load() - before; got != 0 {
				t.Errorf("%d look-ups, want none", got)
			}
			answer := fmt.Sprint(w.Header(), w.Body)
			for _, line := range append(tt.lines, "aaaaaaaa") { // the secret part of these keys, also where it is taken apart
				if len(line) > 6 && strings.Contains(answer, line) {
					t.Errorf("the answer repeats the value: %s", answer)
				}
			}
			if f.served.Load() != 0 {
				t.Error("the handler was reached")
			}
		})
	}
}

func TestHeaderShape(t *testing.T) {
	good := formatKey("wrd", "live", "0123456789Ab", strings.Repeat("a", 32))
	attack.Case(t, "KEY-01", attack.Library, func(t *testing.T) {
		run(t, []row{{"no credential", nil, 401, "no-credential"}})
	})
	attack.Case(t, "KEY-02", attack.Library, func(t *testing.T) {
		run(t, []row{
			{"empty", []string{""}, 401, "malformed"},
			{"a blank", []string{" "}, 401, "malformed"},
			{"tabs and blanks", []string{"\t  \t"}, 401, "malformed"},
		})
		emptyBesideGood(t)
	})
	attack.Case(t, "KEY-03", attack.Library, func(t *testing.T) {
		rows := []row{
			{"another prefix with the old check", []string{"wre" + good[3:]}, 401, "malformed"},
			{"upper case prefix", []string{formatKey("Wrd", "live", "0123456789Ab", strings.Repeat("a", 32))}, 401, "malformed"},
			{"prefix begins with a digit", []string{formatKey("1rd", "live", "0123456789Ab", strings.Repeat("a", 32))}, 401, "malformed"},
			{"no prefix", []string{formatKey("", "live", "0123456789Ab", strings.Repeat("a", 32))}, 401, "malformed"},
			{"prefix of 17", []string{formatKey(strings.Repeat("p", 17), "live", "0123456789Ab", strings.Repeat("a", 32))}, 401, "malformed"},
			{"environment of 17", []string{formatKey("wrd", strings.Repeat("e", 17), "0123456789Ab", strings.Repeat("a", 32))}, 401, "malformed"},
			{"no environment", []string{formatKey("wrd", "", "0123456789Ab", strings.Repeat("a", 32))}, 401, "malformed"},
			{"three words", []string{formatKey("wrd", "live_x", "0123456789Ab", strings.Repeat("a", 32))}, 401, "malformed"},
			{"alphabet: minus", []string{formatKey("wrd", "live", "0123456789Ab", strings.Repeat("a", 31)+"-")}, 401, "malformed"},
			{"alphabet: underscore", []string{formatKey("wrd", "live", "0123456789A_", strings.Repeat("a", 32))}, 401, "malformed"},
			{"shorter by one", []string{formatKey("wrd", "live", "0123456789Ab", strings.Repeat("a", 31))}, 401, "malformed"},
			{"longer by one", []string{formatKey("wrd", "live", "0123456789Ab", strings.Repeat("a", 33))}, 401, "malformed"},
			{"last character missing", []string{good[:len(good)-1]}, 401, "malformed"},
			{"one character more", []string{good + "0"}, 401, "malformed"},
		}
		for i := len(good) - 6; i < len(good); i++ {
			next := strings.IndexByte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0", good[i]) + 1
			digit := "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0"[next]
			rows = append(rows, row{"check digit by one", []string{good[:i] + string(digit) + good[i+1:]}, 401, "malformed"})
		}
		run(t, rows)
		if n := testing.AllocsPerRun(100, func() { _, _ = apikey.Parse(rows[len(rows)-1].lines[0]) }); n != 0 {
			t.Errorf("Parse of a wrong check allocates %v times, want 0", n)
		}
	})
	attack.Case(t, "KEY-04", attack.Library, func(t *testing.T) {
		values := []string{strings.Repeat("a", 8<<10), strings.Repeat("a", 1<<20), good + strings.Repeat("a", 8<<10)}
		for _, value := range values {
			run(t, []row{{"long value", []string{value}, 401, "malformed"}})
		}
		h := newHouse(t)
		scheme := newHeader(t, h.verifier)
		for _, value := range values {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("X-Api-Key", value)
			x := exchange.New(r)
			if n := testing.AllocsPerRun(100, func() { _, _ = scheme.Authenticate(x) }); n != 0 {
				t.Errorf("a value of %d bytes: %v allocations, want 0", len(value), n)
			}
		}
	})
	attack.Case(t, "KEY-06", attack.Library, func(t *testing.T) {
		run(t, []row{
			{"not ASCII", []string{good[:20] + "é" + good[22:]}, 401, "malformed"},
			{"look-alike", []string{strings.Replace(good, "a", "а", 1)}, 401, "malformed"},
			{"NUL", []string{good[:20] + "\x00" + good[21:]}, 401, "malformed"},
			{"NUL at the end", []string{good + "\x00"}, 401, "malformed"},
			{"inner blank", []string{good[:20] + " " + good[21:]}, 401, "malformed"},
			{"blank before", []string{" " + good}, 401, "malformed"},
			{"blank after", []string{good + " "}, 401, "malformed"},
			{"quotes", []string{`"` + good + `"`}, 401, "malformed"},
			{"single quotes", []string{"'" + good + "'"}, 401, "malformed"},
			{"Bearer", []string{"Bearer " + good}, 401, "malformed"},
		})
	})
}

// emptyBesideGood sends an empty credential in one place and a good one in another,
// where either is enough, where both are wanted, and where none is.
func emptyBesideGood(t *testing.T) {
	t.Helper()
	h := newHouse(t)
	_, good := h.create(t, "a")
	all := places(t, h.verifier)
	for _, empty := range all {
		for _, other := range all {
			if other.field == empty.field { // one field has room for one of them
				continue
			}
			for name, requirement := range map[string]authn.Requirement{
				"either":                {{{Scheme: empty.scheme}}, {{Scheme: other.scheme}}},
				"either, the other way": {{{Scheme: other.scheme}}, {{Scheme: empty.scheme}}},
				"both":                  {{{Scheme: empty.scheme}, {Scheme: other.scheme}}},
				"or nothing":            {{{Scheme: other.scheme}}, {{Scheme: empty.scheme}}, {}},
			} {
				f := newFrontOf(t, requirement, nil)
				for _, blank := range []string{"", " ", "\t"} {
					r := request(other.field, other.put(good))
					if empty.field == "?" {
						r.URL.RawQuery = empty.put(url.QueryEscape(blank))
					} else {
						r.Header.Set(empty.field, empty.put(blank))
					}
					if w := f.do(r); w.Code != 401 || f.served.Load() != 0 {
						t.Errorf("%s: empty in %s (%q), good in %s: got %d %q, want 401", name, empty.name, blank, other.name, w.Code, f.reason)
					}
				}
			}
		}
	}
}

func TestHeaderRepeated(t *testing.T) {
	attack.Case(t, "KEY-05", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		bad := unknownKey(1)
		f := newFront(t, h.verifier)
		if w := f.get(good); w.Code != 200 {
			t.Fatalf("the good key alone: %d", w.Code)
		}
		served, lookups := f.served.Load(), h.store.lookups.Load()
		for _, tt := range []row{
			{"good and bad", []string{good, bad}, 400, "repeated"},
			{"bad and good", []string{bad, good}, 400, "repeated"},
			{"good and good", []string{good, good}, 400, "repeated"},
			{"good and empty", []string{good, ""}, 400, "repeated"},
			{"list in one line", []string{good + ", " + bad}, 401, "malformed"},
			{"list without a blank", []string{good + "," + good}, 401, "malformed"},
		} {
			if w := f.get(tt.lines...); w.Code != tt.status || f.reason != tt.reason {
				t.Errorf("%s: got %d %q, want %d %q", tt.name, w.Code, f.reason, tt.status, tt.reason)
			}
		}
		if f.served.Load() != served || h.store.lookups.Load() != lookups {
			t.Error("one of the repeated credentials was used")
		}
	})
}

func TestHeaderOnly(t *testing.T) {
	h := newHouse(t)
	_, good := h.create(t, "a")
	f := newFront(t, h.verifier)
	attack.Case(t, "KEY-30", attack.Library, func(t *testing.T) {
		for contentType, body := range map[string]string{
			"application/x-www-form-urlencoded": "X-API-Key=" + good + "&api_key=" + good,
			"application/json":                  `{"X-API-Key":"` + good + `","api_key":"` + good + `"}`,
			"multipart/form-data; boundary=b":   "--b\r\nContent-Disposition: form-data; name=\"X-API-Key\"\r\n\r\n" + good + "\r\n--b--\r\n",
		} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			if w := f.do(r); w.Code != 401 || f.reason != "no-credential" {
				t.Errorf("%s: got %d %q, want 401 no-credential", contentType, w.Code, f.reason)
			}
		}
	})
	attack.Case(t, "KEY-32", attack.Library, func(t *testing.T) {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "FOO", "POST", "DELETE"} {
			for _, tt := range []struct {
				key    string
				status int
			}{{"", 401}, {unknownKey(1), 401}, {good, 200}} {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Method = method
				r.Header.Set("X-API-Key", tt.key)
				served := f.served.Load()
				w := f.do(r)
				if passed := f.served.Load() > served; w.Code != tt.status || passed != (tt.status == 200) {
					t.Errorf("%s: got %d, passed %v, want %d", method, w.Code, passed, tt.status)
				}
			}
		}
	})
}

func newHeader(tb testing.TB, v *apikey.Verifier) *apikey.Header {
	tb.Helper()
	scheme, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: v})
	if err != nil {
		tb.Fatal(err)
	}
	return scheme
}

func TestHeaderPrincipal(t *testing.T) {
	h := newHouse(t)
	record, good := h.create(t, "customer-7", "orders:*")
	scheme := newHeader(t, h.verifier)
	if got := scheme.Field(); got != "X-Api-Key" {
		t.Errorf("Field = %q", got)
	}
	if got, want := scheme.Challenge("warder"), `ApiKey realm="warder", in="header", name="X-API-Key"`; got != want {
		t.Errorf("Challenge = %s, want %s", got, want)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-API-Key", good)
	x := exchange.New(r)
	p, err := scheme.Authenticate(x)
	if err != nil {
		t.Fatal(err)
	}
	if p.Issuer != "warder" || p.Subject != string(record.ID) || p.KeyID != p.Subject || p.Owner != "customer-7" ||
		p.Environment != "live" || p.Scheme != "apiKey" || p.Retiring || !p.Scopes.Allow("orders:read") || p.Scopes.Allow("x") {
		t.Errorf("principal = %+v", p)
	}
	if x.Claim != string(record.ID) {
		t.Errorf("Claim = %q, want %q", x.Claim, record.ID)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = scheme.Authenticate(x) }); n != 0 && !raceEnabled {
		t.Errorf("a cached key: %v allocations, want 0", n)
	}
	x.Claim = ""
	r.Header.Set("X-API-Key", good[:len(good)-1])
	if _, err := scheme.Authenticate(x); reasonOf(err) != "malformed" || x.Claim != "" {
		t.Errorf("malformed: %v, Claim %q", err, x.Claim)
	}
}

func TestNewHeaderReportsEveryErrorAtOnce(t *testing.T) {
	for _, name := range []string{"host", "Cookie", "X Key", "X-Key:", "\x00", strings.Repeat("x", 65), "é"} {
		_, err := apikey.NewHeader(apikey.HeaderConfig{Name: name})
		if err == nil || !strings.Contains(err.Error(), "Verifier") || !strings.Contains(err.Error(), "field name") {
			t.Errorf("Name %q: error %v, want both", name, err)
		}
	}
}

func TestRefusalsLookAlike(t *testing.T) {
	var bodies [][]byte
	h := newHouse(t)
	_, good := h.create(t, "a")
	f := newFront(t, h.verifier)
	for _, line := range []string{"", unknownKey(1), wrongSecret(good)} {
		bodies = append(bodies, f.get(line).Body.Bytes())
	}
	if !bytes.Equal(bodies[0], bodies[1]) || !bytes.Equal(bodies[0], bodies[2]) {
		t.Errorf("bodies differ: %s", bodies)
	}
}
