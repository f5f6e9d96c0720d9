package ticket_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/ticket"
)

func keyOf(letter string) secret.Text { return secret.New(strings.Repeat(letter, 32)) }

func newSigner(tb testing.TB, key secret.Text, carriers ...string) *ticket.Signer {
	tb.Helper()
	s, err := ticket.NewSigner(ticket.SignerConfig{Key: key, Carriers: carriers})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func newVerifier(tb testing.TB, cfg ticket.VerifierConfig) *ticket.Verifier {
	tb.Helper()
	v, err := ticket.NewVerifier(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// judged is a request as forwarded and target leave it, with the fields.
func judged(method, host, path, query, client string, fields ...string) *exchange.Exchange {
	r := httptest.NewRequest(method, "http://"+host+path, http.NoBody)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	x := exchange.New(r)
	x.Host, x.Path, x.RawQuery, x.Client = host, path, query, netip.MustParseAddr(client)
	return x
}

// identity are the fields of a pass, as warder answers them.
func identity() http.Header {
	return http.Header{"X-Warder-Key-Id": {"k1"}, "X-Warder-Issuer": {""}, "X-Warder-Subject": {""}, "X-Warder-Owner": {"acme"}, "X-Warder-Scopes": {"orders:read"}}
}

// arrives is the request at the service: without the credential and empty fields,
// with the ticket.
func arrives(text string) *exchange.Exchange {
	return judged("GET", "api.example.com", "/orders/1", "a=b", "192.0.2.7",
		"X-Warder-Key-Id", "k1", "X-Warder-Owner", "acme", "X-Warder-Scopes", "orders:read", ticket.Field, text)
}

func TestFwd18Tickets(t *testing.T) {
	signer := newSigner(t, keyOf("k"), "X-API-Key")
	asked := judged("GET", "api.example.com", "/orders/1", "a=b", "192.0.2.7", "X-Api-Key", "secret")
	expires := time.Now().Add(time.Hour)
	text := signer.Sign(asked, identity(), 42, expires)
	v := newVerifier(t, ticket.VerifierConfig{Keys: []secret.Text{keyOf("k")}})
	got, err := v.Verify(arrives(text))
	if err != nil || !got.Expires.Equal(expires.Truncate(time.Millisecond)) || got.Revision != 42 || got.Key == "" {
		t.Fatalf("%+v, %v; want it to hold until %s, of revision 42", got, err, expires)
	}
	for name, change := range map[string]func(x *exchange.Exchange){
		"method":          func(x *exchange.Exchange) { x.Request.Method = "DELETE" },
		"host":            func(x *exchange.Exchange) { x.Host = "admin.example.com" },
		"path":            func(x *exchange.Exchange) { x.Path = "/orders/2" },
		"query":           func(x *exchange.Exchange) { x.RawQuery = "a=c" },
		"address":         func(x *exchange.Exchange) { x.Client = netip.MustParseAddr("192.0.2.8") },
		"path into query": func(x *exchange.Exchange) { x.Path, x.RawQuery = "/orders/1a", "=b" },
		"owner":           func(x *exchange.Exchange) { x.Request.Header.Set("X-Warder-Owner", "globex") },
		"key":             func(x *exchange.Exchange) { x.Request.Header.Del("X-Warder-Key-Id") },
		"more scopes":     func(x *exchange.Exchange) { x.Request.Header.Set("X-Warder-Scopes", "orders:read admin") },
		"two owners":      func(x *exchange.Exchange) { x.Request.Header.Add("X-Warder-Owner", "globex") },
		"another subject": func(x *exchange.Exchange) { x.Request.Header.Set("X-Warder-Subject", "ada") },
	} {
		attack.Case(t, "FWD-18", attack.Library, func(t *testing.T) {
			x := arrives(text)
			change(x)
			if _, err := v.Verify(x); !errors.Is(err, ticket.ErrMismatch) {
				t.Errorf("another %s: %v, want %v", name, err, ticket.ErrMismatch)
			}
		})
	}
	attack.Case(t, "FWD-18", attack.Library, func(t *testing.T) { altered(t, v, text) })
	attack.Case(t, "FWD-18", attack.Library, func(t *testing.T) { synctest.Test(t, ends) })
}

// ends waits for the end of a ticket, in a bubble.
func ends(t *testing.T) {
	asked := judged("GET", "api.example.com", "/orders/1", "a=b", "192.0.2.7")
	text := newSigner(t, keyOf("k")).Sign(asked, identity(), 42, time.Now().Add(4*time.Second))
	v := newVerifier(t, ticket.VerifierConfig{Keys: []secret.Text{keyOf("k")}})
	later := newVerifier(t, ticket.VerifierConfig{Keys: []secret.Text{keyOf("k")}, Leeway: time.Second})
	<-time.After(4*time.Second - time.Millisecond)
	if _, err := v.Verify(arrives(text)); err != nil {
		t.Errorf("just before its end: %v", err)
	}
	<-time.After(time.Millisecond)
	if _, err := v.Verify(arrives(text)); !errors.Is(err, ticket.ErrExpired) {
		t.Errorf("at its end: %v, want %v", err, ticket.ErrExpired)
	}
	if _, err := later.Verify(arrives(text)); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
}

// altered changes every byte of a ticket, and cuts it everywhere.
func altered(t *testing.T, v *ticket.Verifier, text string) {
	t.Helper()
	for i := range len(text) {
		for _, b := range []byte{'0', '.', 'A', '_'} {
			if text[i] == b {
				continue
			}
			if _, err := v.Verify(arrives(text[:i] + string(b) + text[i+1:])); err == nil {
				t.Errorf("byte %d as %q: it holds", i, b)
			}
		}
		if _, err := v.Verify(arrives(text[:i])); err == nil {
			t.Errorf("cut to %d bytes: it holds", i)
		}
	}
	for name, other := range map[string]string{
		"a zero before a number": strings.Replace(text, ".42.", ".042.", 1), "a sign": strings.Replace(text, ".42.", ".+42.", 1),
		"more behind it": text + ".x", "twice": text + text, "no algorithm": "e30.e30.", "long": strings.Repeat("a", 1<<20),
	} {
		if _, err := v.Verify(arrives(other)); err == nil {
			t.Errorf("%s: it holds", name)
		}
	}
	x := arrives(text)
	x.Request.Header.Add(ticket.Field, text)
	if _, err := v.Verify(x); !errors.Is(err, ticket.ErrMalformed) {
		t.Errorf("two tickets: %v, want %v", err, ticket.ErrMalformed)
	}
}

func TestKeysAreReplacedWithoutAGap(t *testing.T) {
	asked := judged("GET", "api.example.com", "/orders/1", "a=b", "192.0.2.7")
	end := time.Now().Add(time.Hour)
	before, after := newSigner(t, keyOf("a")).Sign(asked, identity(), 1, end), newSigner(t, keyOf("b")).Sign(asked, identity(), 1, end)
	both := newVerifier(t, ticket.VerifierConfig{Keys: []secret.Text{keyOf("b"), keyOf("a")}})
	for _, text := range []string{before, after} {
		if _, err := both.Verify(arrives(text)); err != nil {
			t.Errorf("while both keys are listed: %v", err)
		}
	}
	alone := newVerifier(t, ticket.VerifierConfig{Keys: []secret.Text{keyOf("b")}})
	if _, err := alone.Verify(arrives(before)); !errors.Is(err, ticket.ErrKey) {
		t.Errorf("a key that is not listed any more: %v, want %v", err, ticket.ErrKey)
	}
}

func TestATicketIsForACredential(t *testing.T) {
	asked := judged("GET", "api.example.com", "/orders/1", "a=b", "192.0.2.7", "X-Api-Key", "one")
	text := newSigner(t, keyOf("k"), "x-api-key", "Authorization").Sign(asked, identity(), 1, time.Now().Add(time.Hour))
	if strings.Contains(text, "one") {
		t.Error("the ticket shows the credential")
	}
	v := newVerifier(t, ticket.VerifierConfig{Keys: []secret.Text{keyOf("k")}, Carriers: []string{"Authorization", "X-API-Key"}})
	for _, tt := range []struct {
		name   string
		fields []string
		want   error
	}{
		{"the same", []string{"X-Api-Key", "one"}, nil},
		{"another", []string{"X-Api-Key", "two"}, ticket.ErrMismatch},
		{"none", nil, ticket.ErrMismatch},
		{"in another field", []string{"Authorization", "one"}, ticket.ErrMismatch},
		{"one more", []string{"X-Api-Key", "one", "Authorization", "Bearer x"}, ticket.ErrMismatch},
	} {
		x := arrives(text)
		for i := 0; i < len(tt.fields); i += 2 {
			x.Request.Header.Add(tt.fields[i], tt.fields[i+1])
		}
		if _, err := v.Verify(x); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestTheStage(t *testing.T) {
	v := newVerifier(t, ticket.VerifierConfig{Keys: []secret.Text{keyOf("k")}})
	clients, err := forwarded.XForwardedFor(forwarded.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	targets, err := target.New(target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	reached := 0
	guarded := clients.Wrap(targets.Wrap(v.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))))
	asked := judged("GET", "api.example.com", "/orders/1", "a=b", "192.0.2.7")
	text := newSigner(t, keyOf("k")).Sign(asked, http.Header{"X-Warder-Owner": {"acme"}}, 1, time.Now().Add(time.Hour))
	send := func(h http.Handler, text string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "http://api.example.com/orders/1?a=b", http.NoBody)
		r.RemoteAddr = "127.0.0.1:1234"
		r.Header["X-Forwarded-For"], r.Header["X-Warder-Owner"], r.Header[ticket.Field] = []string{"192.0.2.7"}, []string{"acme"}, []string{text}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if w := send(guarded, text); w.Code != http.StatusOK || reached != 1 {
		t.Errorf("with a ticket: %d, the service was reached %d times", w.Code, reached)
	}
	for _, bad := range []string{"", "x", text[:len(text)-1] + "~"} {
		if w := send(guarded, bad); w.Code != http.StatusForbidden || reached != 1 {
			t.Errorf("%q: %d, want 403", bad, w.Code)
		}
	}
	bare := v.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	if w := send(bare, text); w.Code != http.StatusServiceUnavailable || reached != 1 {
		t.Errorf("without forwarded and target: %d, want 503", w.Code)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	if _, err := ticket.NewSigner(ticket.SignerConfig{Key: secret.New("short"), Carriers: []string{""}}); err == nil || strings.Contains(err.Error(), "short") ||
		!strings.Contains(err.Error(), "Key: want at least 32 bytes") || !strings.Contains(err.Error(), "Carriers[0]") {
		t.Errorf("a signer: %v", err)
	}
	if _, err := ticket.NewVerifier(ticket.VerifierConfig{Leeway: time.Hour}); err == nil || !strings.Contains(err.Error(), "0 Keys") || !strings.Contains(err.Error(), "Leeway") {
		t.Errorf("a verifier: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	asked := judged("GET", "api.example.com", "/orders/1", "a=b", "192.0.2.7")
	text := newSigner(f, keyOf("k")).Sign(asked, identity(), 42, time.Unix(1<<34, 0))
	for _, seed := range []string{text, "", "1.....", text[:len(text)-1], "1.00000000.-1.0." + text[len(text)-66:], strings.Replace(text, "1.", "2.", 1)} {
		f.Add(seed)
	}
	v := newVerifier(f, ticket.VerifierConfig{Keys: []secret.Text{keyOf("k")}})
	f.Fuzz(func(t *testing.T, other string) {
		if _, err := v.Verify(arrives(other)); err == nil && other != text {
			t.Errorf("%q holds", other)
		}
	})
}

func BenchmarkTicket(b *testing.B) {
	signer, v := newSigner(b, keyOf("k"), "X-API-Key"), newVerifier(b, ticket.VerifierConfig{Keys: []secret.Text{keyOf("k")}})
	asked, end, h := judged("GET", "api.example.com", "/orders/1", "a=b", "192.0.2.7", "X-Api-Key", "secret"), time.Now().Add(time.Hour), identity()
	x := arrives(signer.Sign(asked, h, 1, end))
	b.Run("sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = signer.Sign(asked, h, 1, end)
		}
	})
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(x); err != nil {
				b.Fatal(err)
			}
		}
	})
}
