package csrf_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
)

// with is a request that needs its token.
func with(token string) sent { return sent{fields: fields("X-CSRF-Token: " + token)} }

func TestCSRF03Tokens(t *testing.T) {
	attack.Case(t, "CSRF-03", attack.Library, func(t *testing.T) {
		s := newStage(t, csrf.Config{})
		good := tokenFor(t, s, alice("s1"))
		before := alice("s1") // the same session, before somebody logged in to it
		before.Subject = "guest"
		other := alice("s1")
		other.Issuer = "elsewhere"
		rows := []row{
			{"good", with(good), ""},
			{"absent", sent{}, "no-origin"},
			{"empty", with(""), "bad-token"},
			{"of another session", with(tokenFor(t, s, alice("s2"))), "bad-token"},
			{"from before login", with(tokenFor(t, s, before)), "bad-token"},
			{"of somebody of the same name", with(tokenFor(t, s, other)), "bad-token"},
			{"after logout and login", sent{cookie: "sid=s2", fields: fields("X-CSRF-Token: " + good)}, "bad-token"},
			{"longer", with(good + "A"), "bad-token"},
			{"of 64 KiB", with(strings.Repeat("A", 64<<10)), "bad-token"},
			{"another alphabet", with(strings.ReplaceAll(strings.ReplaceAll(good, "-", "+"), "_", "/") + "="), "bad-token"},
			{"twice", sent{fields: fields("X-CSRF-Token: "+good, "X-CSRF-Token: "+good)}, "bad-token"},
			{"zeroes", with(strings.Repeat("A", len(good))), "bad-token"},
		}
		for _, n := range []int{1, 10, len(good) / 2, len(good) - 1} {
			rows = append(rows, row{fmt.Sprintf("cut to %d", n), with(good[:n]), "bad-token"})
		}
		for i := range good { // every letter counts, also the last one's spare bits
			b := []byte(good)
			b[i] = map[bool]byte{true: 'A', false: 'B'}[b[i] != 'A']
			rows = append(rows, row{fmt.Sprintf("letter %d changed", i), with(string(b)), "bad-token"})
		}
		run(t, csrf.Config{}, rows)
		run(t, csrf.Config{Keys: []secret.Text{key2()}}, []row{{"under another key", with(good), "bad-token"}})
	})
}

func TestATokenHasOneSpelling(t *testing.T) {
	s := newStage(t, csrf.Config{})
	good := tokenFor(t, s, alice("s1"))
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, last := range alphabet {
		text := good[:len(good)-1] + string(last)
		same, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || string(same) != string(raw) || text == good {
			continue
		}
		if v := s.Check(with(text).exchangeOf(alice("s1"))); v.Passed() {
			t.Errorf("%q passes as %q does", text, good)
		}
	}
}

func TestLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, csrf.Config{Lifetime: time.Hour})
		token := tokenFor(t, s, alice("s1"))
		check := func(when, reason string) {
			t.Helper()
			if v := s.Check(with(token).exchangeOf(alice("s1"))); v.Reason() != reason {
				t.Errorf("%s: %q, want %q", when, v.Reason(), reason)
			}
		}
		check("at once", "")
		pause(time.Hour - time.Second)
		check("within the hour", "")
		pause(time.Second)
		check("after it", "expired-token")
	})
}

func TestTokensOfAClockThatIsAhead(t *testing.T) {
	for _, tt := range []struct {
		ahead  time.Duration
		reason string
	}{{30 * time.Second, ""}, {5 * time.Minute, "bad-token"}} {
		var token string
		synctest.Test(t, func(t *testing.T) {
			pause(tt.ahead)
			token = tokenFor(t, newStage(t, csrf.Config{}), alice("s1"))
		})
		synctest.Test(t, func(t *testing.T) { // every bubble begins at the same time
			if v := newStage(t, csrf.Config{}).Check(with(token).exchangeOf(alice("s1"))); v.Reason() != tt.reason {
				t.Errorf("%v ahead: %q, want %q", tt.ahead, v.Reason(), tt.reason)
			}
		})
	}
}

func TestKeysAreReplaced(t *testing.T) {
	old := newStage(t, csrf.Config{Keys: []secret.Text{key1()}})
	both := newStage(t, csrf.Config{Keys: []secret.Text{key2(), key1()}})
	for _, tt := range []struct {
		name       string
		signs, has *csrf.Stage
		pass       bool
	}{
		{"the old key's, while both are listed", old, both, true},
		{"the new key's, on a node that has the old one only", both, old, false},
		{"the new key's", both, newStage(t, csrf.Config{Keys: []secret.Text{key2()}}), true},
		{"the old key's, when it is gone", old, newStage(t, csrf.Config{Keys: []secret.Text{key2()}}), false},
	} {
		x := with(tokenFor(t, tt.signs, alice("s1"))).exchangeOf(alice("s1"))
		if got := tt.has.Check(x).Passed(); got != tt.pass {
			t.Errorf("%s: passed = %v, want %v", tt.name, got, tt.pass)
		}
	}
}

func TestCSRF12TokensAreMasked(t *testing.T) {
	attack.Case(t, "CSRF-12", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { // the clock stands still: only the mask differs
			s := newStage(t, csrf.Config{})
			texts := map[string]bool{}
			var common []byte
			for range 100 {
				token := tokenFor(t, s, alice("s1"))
				if v := s.Check(with(token).exchangeOf(alice("s1"))); !v.Passed() {
					t.Errorf("%q is refused: %s", token, v.Reason())
				}
				texts[token] = true
				if common == nil {
					common = []byte(token)
				}
				for i := range common {
					if token[i] != common[i] {
						common[i] = 0
					}
				}
			}
			if len(texts) != 100 {
				t.Errorf("%d texts of 100 tokens", len(texts))
			}
			for i, b := range common {
				if b != 0 {
					t.Errorf("letter %d is always %q", i, b)
				}
			}
		})
	})
}

func TestCSRF04ASiblingsCookie(t *testing.T) {
	attack.Case(t, "CSRF-04", attack.Library, func(t *testing.T) {
		s := newStage(t, csrf.Config{Cookie: true})
		own, stolen := tokenFor(t, s, alice("s1")), tokenFor(t, s, alice("s2"))
		run(t, csrf.Config{Cookie: true}, []row{
			{"the sender's own", sent{cookie: "sid=s1; __Host-csrf=" + own, fields: fields("X-CSRF-Token: " + own)}, ""},
			{"another's in both places", sent{cookie: "sid=s1; __Host-csrf=" + stolen, fields: fields("X-CSRF-Token: " + stolen)}, "bad-token"},
			{"made up in both places", sent{cookie: "sid=s1; __Host-csrf=x", fields: fields("X-CSRF-Token: x")}, "bad-token"},
			{"the cookie alone", sent{cookie: "sid=s1; __Host-csrf=" + own}, "no-origin"},
			{"another's cookie beside the own token: only the token counts", sent{cookie: "sid=s1; __Host-csrf=" + stolen, fields: fields("X-CSRF-Token: " + own)}, ""},
		})
	})
}

func TestCookie(t *testing.T) {
	s := newStage(t, csrf.Config{Cookie: true})
	h := guarded(t, s)
	set := func(x sent) string { return x.to(h).Header().Get("Set-Cookie") }
	first := set(sent{method: "GET"})
	value, attributes, _ := strings.Cut(strings.TrimPrefix(first, csrf.CookieName+"="), ";")
	if !strings.HasPrefix(first, csrf.CookieName+"=") || attributes != " Path=/; Secure; SameSite=Lax" {
		t.Fatalf("Set-Cookie: %q", first)
	}
	run(t, csrf.Config{Cookie: true}, []row{{"its value is a token", with(value), ""}})
	for _, tt := range []struct {
		name string
		sent sent
		set  bool
	}{
		{"the browser has it", sent{method: "GET", cookie: "sid=s1; __Host-csrf=" + value}, false},
		{"it is another session's", sent{method: "GET", cookie: "sid=s2; __Host-csrf=" + value}, true},
		{"it is nonsense", sent{method: "GET", cookie: "sid=s1; __Host-csrf=x"}, true},
		{"it is there twice", sent{method: "GET", cookie: "sid=s1; __Host-csrf=" + value + "; __Host-csrf=" + value}, true},
		{"nobody", sent{method: "GET", cookie: "-"}, false},
		{"a key in a header", sent{method: "GET", cookie: "-", fields: fields("X-API-Key: good")}, false},
		{"on a refusal too", sent{fields: fields("Sec-Fetch-Site: cross-site")}, true},
	} {
		if got := set(tt.sent); (got != "") != tt.set {
			t.Errorf("%s: Set-Cookie %q, want one: %v", tt.name, got, tt.set)
		}
	}
	if got := (sent{method: "GET"}).to(guarded(t, newStage(t, csrf.Config{}))).Header(); got.Get("Set-Cookie") != "" {
		t.Errorf("a cookie that was not asked for: %v", got)
	}
}

func TestTheCookieIsRenewedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, csrf.Config{Cookie: true, Lifetime: time.Hour})
		has := sent{method: "GET", cookie: "sid=s1; __Host-csrf=" + tokenFor(t, s, alice("s1"))}
		h := guarded(t, s)
		pause(29 * time.Minute)
		if got := has.to(h).Header().Get("Set-Cookie"); got != "" {
			t.Errorf("after 29 minutes of 60: %q", got)
		}
		pause(time.Minute)
		if got := has.to(h).Header().Get("Set-Cookie"); got == "" {
			t.Error("not renewed after half of its life")
		}
	})
}

func TestTheCookieIsInNoSharedCache(t *testing.T) {
	s := newStage(t, csrf.Config{Cookie: true})
	x := sent{method: "GET"}.exchangeOf(alice("s1"))
	for _, tt := range []struct {
		control, after string
		set            bool
	}{
		{"", "private", true},
		{"no-store", "no-store", true},
		{"private, max-age=60", "private, max-age=60", true},
		{"public, max-age=60", "public, max-age=60", false},
		{"max-age=0, S-MaxAge=60", "max-age=0, S-MaxAge=60", false},
	} {
		h := map[string][]string{}
		if tt.control != "" {
			h["Cache-Control"] = []string{tt.control}
		}
		s.Headers(x, h)
		if got := strings.Join(h["Cache-Control"], "|"); got != tt.after || (len(h["Set-Cookie"]) == 1) != tt.set {
			t.Errorf("Cache-Control %q: %q and %v, want %q and a cookie: %v", tt.control, got, h["Set-Cookie"], tt.after, tt.set)
		}
	}
}

func TestTokenOfNobody(t *testing.T) {
	s := newStage(t, csrf.Config{})
	for name, p := range map[string]exchange.Principal{
		"nobody": {}, "a key in a header": {Subject: "k9"}, "ambient and nobody": {Ambient: true},
	} {
		if got := s.Token(sent{}.exchangeOf(p)); got != "" {
			t.Errorf("%s: there is a token", name)
		}
	}
	none, err := csrf.New(csrf.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got := none.Token(sent{}.exchangeOf(alice("s1"))); got != "" {
		t.Error("there is a token without a key")
	}
	if v := none.Check(with(tokenFor(t, s, alice("s1"))).exchangeOf(alice("s1"))); v.Reason() != "no-origin" {
		t.Errorf("a token without a key: %q, want no-origin", v.Reason())
	}
}

// isToken says the same as the package does, by the format's description alone:
// a mask, and under it the time and the HMAC of everything with its lengths.
func isToken(text string, key []byte, p exchange.Principal) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != 80 || strings.ContainsAny(text, "\r\n") {
		return false
	}
	for i := range 40 {
		raw[40+i] ^= raw[i]
	}
	h := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(h, "warder csrf token 1\x00%s", raw[40:48])
	for _, part := range []string{p.Session, p.Issuer, p.Subject, p.KeyID} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part)))
		_, _ = io.WriteString(h, part)
	}
	return bytes.Equal(h.Sum(nil), raw[48:])
}

// What passes is a token by the description of the format, and a token passes
// under whatever mask.
func FuzzToken(f *testing.F) {
	s := newStage(f, csrf.Config{})
	good := tokenFor(f, s, alice("s1"))
	if !isToken(good, []byte(key1().Reveal()), alice("s1")) || isToken(good, []byte(key1().Reveal()), alice("s2")) {
		f.Fatalf("%q is not as described", good)
	}
	f.Add(good)
	f.Add(tokenFor(f, s, alice("s2")))
	f.Add("")
	f.Add(strings.Repeat("A", len(good)))
	f.Fuzz(func(t *testing.T, text string) {
		x := sent{}.exchangeOf(alice("s1"))
		x.Request.Header["X-Csrf-Token"] = []string{text}
		if got, want := s.Check(x).Passed(), isToken(text, []byte(key1().Reveal()), alice("s1")); got && !want {
			t.Errorf("%q passes", text)
		}
	})
}
