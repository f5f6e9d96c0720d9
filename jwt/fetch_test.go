package jwt_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/jwt"
)

// A provider serves keys over a real connection.
type provider struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc] // of the key set
	asked  atomic.Int64
}

func (p *provider) say(h http.HandlerFunc) { p.answer.Store(&h) }

func (p *provider) publish(keys ...members) {
	p.say(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(jwks(keys...)) })
}

func newProvider(t *testing.T, tls bool, keys ...members) *provider {
	t.Helper()
	p := new(provider)
	p.publish(keys...)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		(*p.answer.Load())(w, r)
	})
	if tls {
		p.Server = httptest.NewTLSServer(h)
	} else {
		p.Server = httptest.NewServer(h)
	}
	t.Cleanup(p.Close)
	return p
}

// insecure is for providers of tests.
func insecure() jwt.Fetch {
	return jwt.Fetch{InsecureHTTP: true, Every: time.Hour, MaxStale: 2 * time.Hour, Timeout: 30 * time.Second}
}

func at(address string) jwt.Issuer {
	return jwt.Issuer{Issuer: issuerName, Audience: []string{audience}, KeySetURL: address}
}

func fetching(t *testing.T, fetch jwt.Fetch, i jwt.Issuer) *jwt.Scheme {
	t.Helper()
	return newScheme(t, jwt.Config{Issuers: []jwt.Issuer{i}, Fetch: fetch})
}

// What an endpoint may answer in place of keys: the last good set goes on, and
// nothing that may be signed by a new key is 401.
func TestAnswersThatAreNoKeySet(t *testing.T) {
	attack.Case(t, "JWT-14", attack.Library, func(t *testing.T) {
		p := allPairs()
		other := newProvider(t, false, jwk(p.other, "new"))
		write := func(text string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
		}
		for name, answer := range map[string]http.HandlerFunc{
			"10 MiB": func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(append(jwks(jwk(p.other, "new")), bytes.Repeat([]byte(" "), 10<<20)...))
			},
			"never ends": func(w http.ResponseWriter, _ *http.Request) {
				for range 1000 {
					if _, err := w.Write(bytes.Repeat([]byte(" "), 10<<10)); err != nil {
						return
					}
				}
			},
			"500": func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write(jwks(jwk(p.other, "new")))
			},
			"204":               func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
			"cut in the middle": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"redirect elsewhere": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL, http.StatusFound)
			},
			"redirect to metadata": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
			},
			"HTML":            write("<html>"),
			"nothing":         write(""),
			"no keys":         write(`{}`),
			"keys null":       write(`{"keys":null}`),
			"keys is one":     write(`{"keys":{"kty":"EC"}}`),
			"keys of numbers": write(`{"keys":[1]}`),
			"empty":           write(`{"keys":[]}`),
			"keys twice":      write(`{"keys":[],"keys":[]}`),
			"nested deep":     write(strings.Repeat(`{"keys":[`, 5000)),
			"only others": func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(jwks(jwk(p.other, "new").with(members{"use": "enc"}), members{"kty": "oct", "kid": "new", "k": "AAAA"}, members{"kty": "XYZ", "kid": "new"}))
			},
			"101 keys": func(w http.ResponseWriter, _ *http.Request) {
				var many []members
				for n := range 101 {
					many = append(many, jwk(p.other, fmt.Sprint("new", n)))
				}
				_, _ = w.Write(jwks(many...))
			},
		} {
			t.Run(name, func(t *testing.T) {
				from := newProvider(t, false, jwk(p.p256, "p256"))
				s := fetching(t, insecure(), at(from.URL))
				want(t, s, "at first", es256().token(t, nil), 200, "")
				from.say(answer)
				want(t, s, "a new key's", signer{"ES256", p.other, "new"}.token(t, nil), 503, "unavailable")
				want(t, s, "the last good set", es256().token(t, members{"n": 1}), 200, "")
				if n := from.asked.Load(); n < 2 {
					t.Errorf("%d requests, want the second attempt", n)
				}
				first := newProvider(t, false)
				first.say(answer)
				want(t, fetching(t, insecure(), at(first.URL)), "no set yet", es256().token(t, nil), 503, "unavailable")
			})
		}
		if n := other.asked.Load(); n > 0 {
			t.Errorf("%d requests went to another host", n)
		}
	})
}

// Of a set, what cannot be used is left out, and the rest is used.
func TestKeysThatAreLeftOut(t *testing.T) {
	attack.Case(t, "JWT-14", attack.Library, func(t *testing.T) {
		p := allPairs()
		var log strings.Builder
		var mu sync.Mutex
		from := newProvider(t, false,
			jwk(p.p256, "p256"),
			jwk(p.rsa, "private").with(members{"d": "AQAB"}),
			jwk(p.other, "enc").with(members{"use": "enc"}),
			jwk(p.weak, "weak"),
			jwk(p.other, "twice"), jwk(p.ed, "twice"), jwk(p.p256, "twice"),
			jwk(p.other, "off").with(members{"x": "AA"}),
			members{"kty": "oct", "kid": "oct", "k": segment(make([]byte, 32))},
			members{"kty": "XYZ", "kid": "xyz"}, members{}, members{"kty": "EC"}, members{"kty": "RSA", "n": "", "e": ""}, members{"kty": 1},
			members{"kty": "RSA", "kid": "certificate", "x5u": "http://169.254.169.254/", "x5c": []string{"no certificate"}},
			jwk(p.ed, "ed").with(members{"x5u": "http://169.254.169.254/", "x5c": []string{"no certificate"}}),
		)
		s := newScheme(t, jwt.Config{Issuers: []jwt.Issuer{at(from.URL)}, Fetch: insecure(), Log: slog.New(slog.NewTextHandler(locked{&mu, &log}, nil))})
		want(t, s, "good", es256().token(t, nil), 200, "")
		want(t, s, "good beside a certificate that is none", signer{"EdDSA", p.ed, "ed"}.token(t, nil), 200, "")
		want(t, s, "its private part is published", signer{"RS256", p.rsa, "private"}.token(t, nil), 401, "")
		want(t, s, "for encryption", signer{"ES256", p.other, "enc"}.token(t, nil), 401, "")
		want(t, s, "weak", signer{"RS256", p.weak, "weak"}.token(t, nil), 401, "")
		want(t, s, "two of one kid and kind", signer{"ES256", p.other, "twice"}.token(t, nil), 401, "")
		want(t, s, "of one kid, and another kind", signer{"EdDSA", p.ed, "twice"}.token(t, nil), 200, "")
		want(t, s, "secret", signer{"HS256", make([]byte, 32), "oct"}.token(t, nil), 401, "algorithm")
		mu.Lock()
		defer mu.Unlock()
		for _, word := range []string{"private part", "weak", "kid of another", "malformed"} {
			if !strings.Contains(log.String(), word) {
				t.Errorf("the log does not say %q: %s", word, log.String())
			}
		}
	})
}

// locked is a log that a test may read while others write.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// A provider that dies takes nobody along who has a key that is known.
func TestAKilledProvider(t *testing.T) {
	attack.Case(t, "JWT-14", attack.Library, func(t *testing.T) {
		var log strings.Builder
		var mu sync.Mutex
		from := newProvider(t, false, jwk(allPairs().p256, "p256"))
		s := newScheme(t, jwt.Config{Issuers: []jwt.Issuer{at(from.URL)}, Fetch: insecure(), Log: slog.New(slog.NewTextHandler(locked{&mu, &log}, nil))})
		remembered := es256().token(t, nil)
		want(t, s, "alive", remembered, 200, "")
		from.Close()
		unknown := signer{"ES256", allPairs().other, "new"}
		for n := range 20 {
			want(t, s, "remembered", remembered, 200, "")
			want(t, s, "a key that is known", es256().token(t, members{"n": n}), 200, "")
			want(t, s, "a key that may exist", unknown.token(t, members{"n": n}), 503, "unavailable")
		}
		mu.Lock()
		defer mu.Unlock()
		if strings.Count(log.String(), "cannot be fetched") != 1 || !strings.Contains(log.String(), issuerName) {
			t.Errorf("the log does not tell once, of the issuer: %q", log.String())
		}
	})
}

func TestSlowKeySets(t *testing.T) {
	release := make(chan struct{})
	from := newProvider(t, false)
	from.say(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush() //nolint:errcheck // a test's server flushes
		<-release
	})
	defer close(release)
	fetch := insecure()
	fetch.Timeout = 20 * time.Millisecond
	want(t, fetching(t, fetch, at(from.URL)), "a body that does not come", es256().token(t, nil), 503, "unavailable")
}

// Nothing that an unverified token names is asked for, and neither is an issuer
// that is not configured.
func TestNoRequestForWhatATokenNames(t *testing.T) {
	attack.Case(t, "JWT-15", attack.Library, func(t *testing.T) {
		named := newProvider(t, false, jwk(allPairs().other, "p256"))
		from := newProvider(t, false, jwk(allPairs().p256, "p256"))
		s := fetching(t, insecure(), at(from.URL))
		forger := signer{"ES256", allPairs().other, "p256"}
		for _, address := range []string{named.URL, named.URL + "/.well-known/openid-configuration", "http://169.254.169.254/latest", "http://[::1]:1/", "file:///etc/passwd"} {
			want(t, s, "iss "+address, forger.token(t, members{"iss": address}), 401, "issuer")
			header := forger.header(members{"jku": address, "x5u": address, "kid": address})
			want(t, s, "jku "+address, forger.sign(t, header, claims(members{"jwks_uri": address})), 401, "")
		}
		if n := named.asked.Load(); n > 0 {
			t.Errorf("%d requests to an address in a token", n)
		}
	})
}

func TestAddressesThatAreRefused(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://a.example/keys": true, "http://a.example/keys": false, "a.example": false, "https://user:hunter2@a.example/": false, "file:///x": false,
	} {
		_, err := newAndClose(jwt.Config{Issuers: []jwt.Issuer{at(address)}})
		if (err == nil) != ok {
			t.Errorf("KeySetURL %q: %v", address, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %q repeats a password", err)
		}
	}
	s := fetching(t, insecure(), at("http://169.254.169.254/keys"))
	want(t, s, "a link-local address", es256().token(t, nil), 503, "unavailable")
}

func newAndClose(cfg jwt.Config) (*jwt.Scheme, error) {
	s, err := jwt.New(cfg)
	if err == nil {
		_ = s.Close()
	}
	return s, err
}

func TestDiscovery(t *testing.T) {
	p := allPairs()
	other := newProvider(t, false, jwk(p.p256, "p256"))
	for _, tt := range []struct {
		name     string
		metadata func(issuer string) string
		status   int
	}{
		{"as it should be", func(i string) string { return `{"issuer":"` + i + `","jwks_uri":"` + i + `/keys"}` }, 200},
		{"another issuer", func(i string) string { return `{"issuer":"https://x.example","jwks_uri":"` + i + `/keys"}` }, 503},
		{"a slash more", func(i string) string { return `{"issuer":"` + i + `/","jwks_uri":"` + i + `/keys"}` }, 503},
		{"no issuer", func(i string) string { return `{"jwks_uri":"` + i + `/keys"}` }, 503},
		{"no keys", func(i string) string { return `{"issuer":"` + i + `"}` }, 503},
		{"keys over http elsewhere", func(i string) string { return `{"issuer":"` + i + `","jwks_uri":"` + other.URL + `"}` }, 503},
		{"keys in a file", func(i string) string { return `{"issuer":"` + i + `","jwks_uri":"file:///etc/passwd"}` }, 503},
		{"keys are metadata of a cloud", func(i string) string { return `{"issuer":"` + i + `","jwks_uri":"https://169.254.169.254/"}` }, 503},
		{"keys by a relative address", func(i string) string { return `{"issuer":"` + i + `","jwks_uri":"/keys"}` }, 503},
		{"the issuer twice", func(i string) string {
			return `{"issuer":"x","issuer":"` + i + `","jwks_uri":"` + i + `/keys"}`
		}, 503},
		{"no JSON", func(string) string { return "<html>" }, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from := newProvider(t, false)
			from.say(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/.well-known/openid-configuration":
					_, _ = io.WriteString(w, tt.metadata(from.URL))
				case "/keys":
					_, _ = w.Write(jwks(jwk(p.p256, "p256")))
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			})
			s := fetching(t, insecure(), jwt.Issuer{Issuer: from.URL, Audience: []string{audience}, Discovery: true})
			want(t, s, tt.name, es256().token(t, members{"iss": from.URL}), tt.status, "")
		})
	}
	if n := other.asked.Load(); n > 0 {
		t.Errorf("%d requests went to another host", n)
	}
	if _, err := newAndClose(jwt.Config{Issuers: []jwt.Issuer{{Issuer: "no-url", Audience: []string{"a"}, Discovery: true}}}); err == nil {
		t.Error("New accepted discovery for an issuer that is no URL")
	}
}

func TestTLS(t *testing.T) {
	from := newProvider(t, true, jwk(allPairs().p256, "p256"))
	from.Config.ErrorLog = nil
	pool := x509.NewCertPool()
	pool.AddCert(from.Certificate())
	want(t, fetching(t, jwt.Fetch{RootCAs: pool, Timeout: 30 * time.Second}, at(from.URL)), "a certificate that is trusted", es256().token(t, nil), 200, "")
	want(t, fetching(t, jwt.Fetch{Timeout: 30 * time.Second}, at(from.URL)), "one that is not", es256().token(t, nil), 503, "unavailable")
}

// Keys change under load: no good token is refused, and none of a key that left
// passes once that is known.
func TestRotationUnderLoad(t *testing.T) {
	p := allPairs()
	rounds := 4
	by := []signer{{"ES256", p.p256, ""}, {"EdDSA", p.ed, ""}, {"ES256", p.other, ""}}
	name := func(round int) string { return fmt.Sprintf("round-%d", round) }
	key := func(round int) members { return jwk(by[round%len(by)].key, name(round)) }
	from := newProvider(t, false, key(0))
	fetch := insecure()
	fetch.UnknownEvery, fetch.Every = time.Second, time.Second
	s := fetching(t, fetch, at(from.URL))
	for round := range rounds {
		signing := by[round%len(by)]
		signing.id = name(round)
		// The one before stays for a while, as providers do it.
		from.publish(key(max(round-1, 0)), key(round))
		for got := present(t, s, signing.token(t, nil)); got.reason == "unknown-key"; got = present(t, s, signing.token(t, nil)) {
			select { // one fetch a second is allowed, and the round before may have had it
			case <-t.Context().Done():
				t.Fatal("the new key is not found")
			case <-time.After(10 * time.Millisecond):
			}
		}
		var wait sync.WaitGroup
		for worker := range 8 {
			wait.Go(func() {
				for n := range 20 {
					want(t, s, "a good token", signing.token(t, members{"w": worker, "n": n}), 200, "")
				}
			})
		}
		wait.Wait()
		if round >= 2 {
			gone := by[(round-2)%len(by)]
			gone.id = name(round - 2)
			want(t, s, "a key that left", gone.token(t, nil), 401, "")
		}
	}
}
