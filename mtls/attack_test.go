package mtls_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/mtls"
)

// A house issues keys, and finds them in a header.
type house struct {
	issuer *apikey.Issuer
	header *apikey.Header
}

func newHouse(tb testing.TB) *house {
	tb.Helper()
	line, err := apikey.NewPepper(nil)
	if err != nil {
		tb.Fatal(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		tb.Fatal(err)
	}
	store := struct{ apikey.Store }{new(apikey.MemoryStore)} // no feed: nothing to follow
	h := new(house)
	if h.issuer, err = apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers}); err != nil {
		tb.Fatal(err)
	}
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := verifier.Close(); err != nil {
			tb.Error(err)
		}
	})
	if h.header, err = apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier}); err != nil {
		tb.Fatal(err)
	}
	return h
}

func (h *house) key(ctx context.Context, tb testing.TB, owner string, scopes ...string) (apikey.Record, string) {
	tb.Helper()
	record, text, err := h.issuer.Create(ctx, apikey.By{Actor: "user:ada", Source: "test"}, apikey.Spec{Environment: "live", Owner: owner, Scopes: scopes})
	if err != nil {
		tb.Fatal(err)
	}
	return record, text.Reveal()
}

// answer is what came of a request with a key and a certificate.
type answer struct {
	status     int
	issuer     string   // of the principal
	challenges []string // first words
}

func judge(tb testing.TB, r authn.Requirement, key string, cert *x509.Certificate) answer {
	tb.Helper()
	stage, err := authn.New(authn.Config{Requirement: r})
	if err != nil {
		tb.Fatal(err)
	}
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	x.ClientCert = cert
	if key != "" {
		x.Request.Header.Set("X-API-Key", key)
	}
	v := stage.Check(x)
	got := answer{status: http.StatusOK, issuer: x.Principal.Issuer}
	if p := v.Problem(); p != nil {
		got.status = p.Type.Status()
		for _, line := range p.Header.Values("WWW-Authenticate") {
			word, _, _ := strings.Cut(line, " ")
			got.challenges = append(got.challenges, word)
		}
	}
	return got
}

func TestKeyAndCertificate(t *testing.T) {
	attack.Case(t, "MULTI-03", attack.Library, func(t *testing.T) {
		h, ca := newHouse(t), newAuthority(t, "ca")
		_, good := h.key(t.Context(), t, "acme")
		keys := map[string]string{"absent": "", "good": good, "bad": good[:len(good)-1]}
		certs := map[string]*x509.Certificate{
			"absent": nil, "good": ca.client(t, named("web")), "bad": newAuthority(t, "ca").client(t, named("web")),
		}
		scheme := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Issuers: []mtls.Issuer{{Name: "ca", Certificate: ca.cert}}})
		both := []string{"ApiKey", "MutualTLS"}
		tests := []struct {
			key, cert string
			want      answer
		}{
			{"good", "good", answer{200, "warder", nil}},
			{"good", "absent", answer{401, "", both[1:]}},
			{"absent", "good", answer{401, "", both[:1]}},
			{"good", "bad", answer{401, "", both[1:]}},
			{"bad", "good", answer{401, "", both[:1]}},
			{"absent", "absent", answer{401, "", both}},
			{"absent", "bad", answer{401, "", both}},
			{"bad", "absent", answer{401, "", both}},
			{"bad", "bad", answer{401, "", both}},
		}
		for _, tt := range tests {
			t.Run(tt.key+" key and "+tt.cert+" certificate", func(t *testing.T) {
				got := judge(t, authn.Requirement{{{Scheme: h.header}, {Scheme: scheme}}}, keys[tt.key], certs[tt.cert])
				if got.status != tt.want.status || got.issuer != tt.want.issuer || !slices.Equal(got.challenges, tt.want.challenges) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		}
	})
}

func TestScopesOfKeyAndCertificate(t *testing.T) {
	attack.Case(t, "MULTI-06", attack.Library, func(t *testing.T) {
		h, ca := newHouse(t), newAuthority(t, "ca")
		_, key := h.key(t.Context(), t, "acme", "orders:read")
		scheme := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Grants: []mtls.Grant{{Match: "web", Scopes: []string{"orders:write"}, Owner: "acme"}}})
		cert := ca.client(t, named("web"))
		read, edit := []string{"orders:read"}, []string{"orders:write"}
		tests := []struct {
			name string
			r    authn.Requirement
			want int
		}{
			{"each has its own", authn.Requirement{{{Scheme: h.header, Scopes: read}, {Scheme: scheme, Scopes: edit}}}, 200},
			{"each has the other's", authn.Requirement{{{Scheme: h.header, Scopes: edit}, {Scheme: scheme, Scopes: read}}}, 403},
			{"the key would need both", authn.Requirement{{{Scheme: h.header, Scopes: slices.Concat(read, edit)}, {Scheme: scheme}}}, 403},
			{"the certificate would need both", authn.Requirement{{{Scheme: h.header}, {Scheme: scheme, Scopes: slices.Concat(read, edit)}}}, 403},
			{"either would need both", authn.Requirement{{{Scheme: h.header, Scopes: slices.Concat(read, edit)}}, {{Scheme: scheme, Scopes: slices.Concat(read, edit)}}}, 403},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if got := judge(t, tt.r, key, cert); got.status != tt.want {
					t.Errorf("status = %d, want %d", got.status, tt.want)
				}
			})
		}
	})
}

// token is a scheme as jwt's: somebody else's issuer, with any subject.
type token struct{ issuer, subject string }

func (token) Name() string            { return "bearer" }
func (token) Challenge(string) string { return "Bearer" }
func (s token) Authenticate(*exchange.Exchange) (exchange.Principal, error) {
	return exchange.Principal{Issuer: s.issuer, Subject: s.subject, Scheme: "bearer"}, nil
}

func TestEqualSubjects(t *testing.T) {
	attack.Case(t, "MULTI-12", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		record, key := h.key(t.Context(), t, "web")
		one, two := newAuthority(t, "one"), newAuthority(t, "two")
		twin := newAuthority(t, "one")                                                          // the name of one, another key
		byName := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName})                       // tells issuers by their name
		byKey := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Issuers: []mtls.Issuer{ // and by their key
			{Certificate: one.cert}, {Certificate: two.cert}, {Certificate: twin.cert},
		}})
		prove := func(s authn.Scheme, cert *x509.Certificate) *exchange.Principal {
			x := request(cert)
			x.Request.Header.Set("X-API-Key", key)
			p, err := s.Authenticate(x)
			if err != nil {
				t.Fatal(err)
			}
			return &p
		}
		web := func(a *authority) *x509.Certificate { return a.client(t, named("web")) }
		tests := []struct {
			name string
			all  []*exchange.Principal
		}{
			{"of two authorities", []*exchange.Principal{prove(byName, web(one)), prove(byName, web(two))}},
			{"of two authorities of one name", []*exchange.Principal{prove(byKey, web(one)), prove(byKey, web(two)), prove(byKey, web(twin))}},
			{"of a certificate, of a token, and the owner of a key", []*exchange.Principal{
				prove(byName, web(one)), prove(token{"https://id.example", "web"}, nil), prove(token{"https://other.example", "web"}, nil), prove(h.header, nil),
			}},
			{"of a token that is the id of a key", []*exchange.Principal{prove(token{"https://id.example", string(record.ID)}, nil), prove(h.header, nil)}},
		}
		for _, tt := range tests {
			for i, a := range tt.all {
				for j, b := range tt.all {
					if a.Same(b) != (i == j) {
						t.Errorf("%s: %s/%s and %s/%s: same = %v", tt.name, a.Issuer, a.Subject, b.Issuer, b.Subject, a.Same(b))
					}
				}
			}
		}
		again := prove(byKey, web(one))
		if !again.Same(prove(byKey, web(one))) {
			t.Error("two certificates of one subject, by one authority, are not the same")
		}
	})
}
