package apikey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
)

// newCertificate returns a certificate of a key of its own.
func newCertificate(tb testing.TB) *x509.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return must[*x509.Certificate](tb)(x509.ParseCertificate(der))
}

// createBound makes a key that is bound to cert.
func (h *house) createBound(tb testing.TB, cert *x509.Certificate) (apikey.Record, string) {
	tb.Helper()
	return h.createSpec(tb, apikey.Spec{Environment: "live", Owner: "bound", Certificate: sha256.Sum256(cert.Raw)})
}

func TestKeysOfACertificate(t *testing.T) {
	attack.Case(t, "KEY-31", attack.Library, func(t *testing.T) {
		own, other := newCertificate(t), newCertificate(t)
		h := newHouse(t)
		record, bound := h.createBound(t, own)
		_, free := h.create(t, "free")
		if !record.Bound() || record.Certificate != sha256.Sum256(own.Raw) {
			t.Errorf("the record is bound to %x", record.Certificate)
		}
		for _, tt := range []struct {
			name, key, reason string
			cert              *x509.Certificate
			status            int
		}{
			{"its own certificate", bound, "", own, 200},
			{"none", bound, "certificate", nil, 401},
			{"another", bound, "certificate", other, 401},
			{"an empty one", bound, "certificate", new(x509.Certificate), 401},
			{"a wrong secret with the right certificate", wrongSecret(bound), "wrong-secret", own, 401},
			{"an unknown key with a certificate", unknownKey(3), "unknown", own, 401},
			{"a key that is bound to nothing, with a certificate", free, "", other, 200},
			{"a key that is bound to nothing, without", free, "", nil, 200},
		} {
			for _, path := range []string{"cached", "from the store"} {
				v := h.verifier
				if path != "cached" {
					v = newVerifier(t, apikey.VerifierConfig{Store: plainStore{h.store}, Peppers: h.peppers})
				}
				for _, p := range places(t, v) {
					f := newFrontOf(t, authn.Requirement{{{Scheme: p.scheme}}, {}}, func(x *exchange.Exchange) { x.ClientCert = tt.cert })
					w := f.do(request(p.field, p.put(tt.key)))
					if w.Code != tt.status || f.reason != tt.reason {
						t.Errorf("%s, %s, %s: got %d %q, want %d %q", tt.name, path, p.name, w.Code, f.reason, tt.status, tt.reason)
					}
				}
			}
		}
		wantReason(t, "Verify, which sees no certificate", verify(h.verifier, bound), "certificate")
		t.Run("a forwarded certificate of an unlisted peer", func(t *testing.T) { forwardedCertificate(t, h, bound, own) })
		t.Run("bound and set free", func(t *testing.T) {
			rev := h.change(t, record.ID, apikey.OpEnable, func(r *apikey.Record) { r.Certificate = [32]byte{} })
			eventually(t, func() bool { return h.verifier.Applied() >= rev })
			wantReason(t, "set free", verify(h.verifier, bound), "")
			rev = h.change(t, record.ID, apikey.OpEnable, func(r *apikey.Record) { r.Certificate = sha256.Sum256(other.Raw) })
			eventually(t, func() bool { return h.verifier.Applied() >= rev })
			wantReason(t, "bound again", verify(h.verifier, bound), "certificate")
		})
	})
}

// forwardedCertificate sends what proxies forward a certificate in, from a peer
// that nobody listed.
func forwardedCertificate(t *testing.T, h *house, key string, cert *x509.Certificate) {
	t.Helper()
	sum := sha256.Sum256(cert.Raw)
	pem := "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(cert.Raw) + "\n-----END CERTIFICATE-----\n"
	stage := must[*authn.Stage](t)(authn.New(authn.Config{Requirement: authn.Require(newHeader(t, h.verifier))}))
	stack := &warder.Stack{Edge: warder.Edge{Forwarded: forwarded.Direct()}, Policy: &warder.Policy{Authn: stage}}
	front := stack.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was reached") }))
	for name, value := range map[string]string{
		"X-Forwarded-Client-Cert": fmt.Sprintf(`Hash=%x;Cert="%s"`, sum, url.QueryEscape(pem)),
		"X-Client-Cert":           url.QueryEscape(pem), "X-SSL-Client-Cert": url.QueryEscape(pem),
		"Client-Cert": ":" + base64.StdEncoding.EncodeToString(cert.Raw) + ":",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-API-Key", key)
		r.Header.Set(name, value)
		w := httptest.NewRecorder()
		if front.ServeHTTP(w, r); w.Code != 401 {
			t.Errorf("%s: got %d, want 401", name, w.Code)
		}
	}
}

func TestBoundKeysAllocateNothing(t *testing.T) {
	own, other := newCertificate(t), newCertificate(t)
	h := newHouse(t)
	record, bound := h.createBound(t, own)
	eventually(t, func() bool { return h.verifier.Applied() >= record.Revision })
	scheme := newHeader(t, h.verifier)
	for name, cert := range map[string]*x509.Certificate{"own": own, "other": other, "none": nil} {
		x := exchange.New(request("X-API-Key", bound))
		x.ClientCert = cert
		if n := testing.AllocsPerRun(1000, func() { _, _ = scheme.Authenticate(x) }); n != 0 && !raceEnabled {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}
