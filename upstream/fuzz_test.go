package upstream_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/upstream"
)

func newUpstream(tb testing.TB) *upstream.Upstream {
	tb.Helper()
	u, err := upstream.New(upstream.Config{URL: "http://127.0.0.1:1", RemoveHeaders: []string{"X-API-Key"}})
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// FuzzTraceFields holds the check of traceparent against the standard's form,
// written down once more as an expression.
func FuzzTraceFields(f *testing.F) {
	const valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, parent := range []string{
		valid, "", "00", strings.ToUpper(valid), "01" + valid[2:], valid + "-x", valid + "\n", valid[:54] + "g", " " + valid[1:],
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
	} {
		for _, state := range []string{"", "a=1", "a=\x00", "a=1\tb", strings.Repeat("a", 512), strings.Repeat("a", 513), "a=\u00e9"} {
			f.Add(parent, state)
		}
	}
	form := regexp.MustCompile(`\A00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\z`)
	text := regexp.MustCompile(`\A[\t -~]{0,512}\z`)
	f.Fuzz(func(t *testing.T, parent, state string) {
		h := http.Header{"Traceparent": {parent}, "Tracestate": {state}}
		upstream.CleanTrace(h)
		m := form.FindStringSubmatch(parent)
		want := m != nil && strings.Trim(m[1], "0") != "" && strings.Trim(m[2], "0") != ""
		if got := slices.Equal(h["Traceparent"], []string{parent}); got != want || !want && h["Traceparent"] != nil {
			t.Errorf("traceparent %q: passed on is %v, want %v", parent, got, want)
		}
		want = want && text.MatchString(state)
		if _, got := h["Tracestate"]; got != want {
			t.Errorf("tracestate %q after traceparent %q: passed on is %v, want %v", state, parent, got, want)
		}
		h = http.Header{"Traceparent": {parent, parent}, "Tracestate": {state}}
		if upstream.CleanTrace(h); len(h) != 0 {
			t.Errorf("of two traceparent fields %v was passed on", h)
		}
	})
}

// reserved are fields that a client must not bring; a prefix ends in "-".
func reserved() []string {
	return []string{
		"X-API-Key", "X-Warder-", "X-Forwarded-", "X-Envoy-", "Forwarded", "X-Real-IP", "X-Request-Id", "True-Client-IP",
		"CF-Connecting-IP", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "Proxy", "Proxy-Authorization", "Connection",
		"Keep-Alive", "TE", "Upgrade", "Transfer-Encoding", "Content-Length", "Host", "Expect",
	}
}

// FuzzFolding: a name that a server like CGI makes the same variable of as of a
// reserved one (RFC 3875, section 4.1.18) never passes, in no spelling.
func FuzzFolding(f *testing.F) {
	for i := range reserved() {
		f.Add(uint8(i), uint64(0), "-", "")
		f.Add(uint8(i), ^uint64(0), "_.", "Owner")
		f.Add(uint8(i), uint64(0xaaaa), " ", strings.Repeat("x", 200))
	}
	other := regexp.MustCompile(`[^A-Za-z0-9]`)
	variable := func(name string) string { return strings.ToUpper(other.ReplaceAllLiteralString(name, "_")) }
	u := newUpstream(f)
	f.Fuzz(func(t *testing.T, which uint8, capitals uint64, divisors, rest string) {
		want := reserved()[int(which)%len(reserved())]
		divisors = strings.Map(func(r rune) rune {
			if r < '!' || r > '~' || !other.MatchString(string(r)) {
				return -1
			}
			return r
		}, divisors) + "-"
		var spelled strings.Builder
		for i := range len(want) {
			switch b := want[i]; {
			case b == '-':
				spelled.WriteByte(divisors[i%len(divisors)])
			case capitals>>(i%64)&1 == 1:
				spelled.WriteString(strings.ToUpper(string(b)))
			default:
				spelled.WriteString(strings.ToLower(string(b)))
			}
		}
		name := spelled.String()
		if strings.HasSuffix(want, "-") {
			name += rest
		}
		if !u.Removes(name) {
			t.Errorf("%q is %s to a server like CGI, and passes", name, variable(name))
		}
		for _, taken := range reserved() { // and whatever the rest alone may be
			prefix := strings.HasSuffix(taken, "-") && strings.HasPrefix(variable(rest), variable(taken))
			if (prefix || variable(rest) == variable(taken)) && !u.Removes(rest) {
				t.Errorf("%q is %s to a server like CGI, and passes", rest, taken)
			}
		}
	})
}

// FuzzIdentityValues: an upstream reads back what was meant, and nothing else.
func FuzzIdentityValues(f *testing.F) {
	for _, value := range []string{"acme", "", "a b", "a,b", "100%", "%41", "a\r\nX-Evil: 1", "caf\u00e9", "\x00\x7f\xff", "\u202e", "+", "\""} {
		f.Add(value, "orders:read")
		f.Add("orders:read", value)
	}
	visible := regexp.MustCompile(`\A[!-+\--~]*\z`) // without the comma
	f.Fuzz(func(t *testing.T, first, second string) {
		var got []string
		for part := range strings.FieldsSeq(upstream.EncodeAll(first, second)) {
			if !visible.MatchString(part) {
				t.Errorf("%q holds more than visible ASCII without a comma", part)
			}
			back, err := url.PathUnescape(part)
			if err != nil {
				t.Errorf("%q cannot be decoded: %v", part, err)
			}
			got = append(got, back)
		}
		want := slices.DeleteFunc([]string{first, second}, func(s string) bool { return s == "" })
		if !slices.Equal(got, want) {
			t.Errorf("read back %q, want %q", got, want)
		}
		x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
		x.Principal = exchange.Principal{KeyID: first, Owner: second}
		h := newUpstream(t).RequestHeader(x)
		for name, value := range map[string]string{"X-Warder-Key-Id": first, "X-Warder-Owner": second} {
			values := h[name]
			if value == "" && values != nil || value != "" && !slices.Equal(values, []string{upstream.EncodeAll(value)}) {
				t.Errorf("%s = %q for %q, want one value, or none for nobody", name, values, value)
			}
		}
	})
}

func TestRequestFieldsAllocate(t *testing.T) {
	u := newUpstream(t)
	r := httptest.NewRequest(http.MethodGet, "http://api.example.com/a", nil)
	for _, name := range []string{"Accept", "Accept-Language", "User-Agent", "Traceparent", "X-Forwarded-For", "X_Warder_Owner", "X-API-Key"} {
		r.Header[name] = []string{"value"}
	}
	x := exchange.New(r)
	x.ID, x.Scheme, x.Host, x.Client, x.Principal = "id-1", "https", "api.example.com", netip.MustParseAddr("192.0.2.1"), principal()
	const want = 18 // the map and its growth, a value for each field of ours, and what is joined for Forwarded and the scopes
	if got := testing.AllocsPerRun(1000, func() { u.RequestHeader(x) }); got > want {
		t.Errorf("%v allocations, want at most %d", got, want)
	}
	names := append(reserved(), "Accept", strings.Repeat("x", 1000))
	if got := testing.AllocsPerRun(1000, func() {
		for _, name := range names {
			u.Removes(name)
		}
	}); got != 0 {
		t.Errorf("looking names up: %v allocations, want none", got)
	}
}
