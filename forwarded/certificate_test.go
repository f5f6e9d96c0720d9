package forwarded_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/problem"
)

// issued is a fresh certificate of name with its key.
func issued(tb testing.TB, name string) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func pemOf(c tls.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
}

func TestForwardedCertificate(t *testing.T) {
	client, other := issued(t, "client"), issued(t, "other")
	der := base64.StdEncoding.EncodeToString(client.Certificate[0])
	text := pemOf(client)
	const listed, unlisted = "10.0.0.1:1", "198.51.100.7:1"
	for _, tt := range []struct {
		name, peer string
		values     []string
		want       string // "" for none, "400"
	}{
		{"none", listed, nil, ""},
		{"empty: the proxy saw none", listed, []string{""}, ""},
		{"PEM, percent-encoded", listed, []string{url.PathEscape(text)}, "client"},
		{"PEM, plus signs encoded too", listed, []string{strings.ReplaceAll(url.PathEscape(text), "+", "%2B")}, "client"},
		{"PEM, blanks for line breaks", listed, []string{strings.ReplaceAll(text, "\n", " ")}, "client"},
		{"base64", listed, []string{der}, "client"},
		{"base64, percent-encoded", listed, []string{url.QueryEscape(der)}, "client"},
		{"RFC 9440", listed, []string{":" + der + ":"}, "client"},
		{"unlisted", unlisted, []string{der}, ""},
		{"unlisted, nonsense", unlisted, []string{"nonsense"}, ""},

		{"two lines", listed, []string{der, der}, "400"},
		{"an empty line beside it", listed, []string{"", der}, "400"},
		{"a list", listed, []string{der + "," + der}, "400"},
		{"two in PEM", listed, []string{url.PathEscape(text + pemOf(other))}, "400"},
		{"a key in PEM", listed, []string{url.PathEscape(strings.ReplaceAll(text, "CERTIFICATE", "PRIVATE KEY"))}, "400"},
		{"no end", listed, []string{url.PathEscape(strings.Split(text, "-----END")[0])}, "400"},
		{"RFC 9440 without its end", listed, []string{":" + der}, "400"},
		{"a byte less", listed, []string{base64.StdEncoding.EncodeToString(client.Certificate[0][:len(client.Certificate[0])-1])}, "400"},
		{"a broken percent-encoding", listed, []string{der + "%z"}, "400"},
		{"a word", listed, []string{"(null)"}, "400"},
		{"more than 16 KiB", listed, []string{der + strings.Repeat(" ", 16<<10)}, "400"},
	} {
		for model, s := range everyModel(t, forwarded.Config{ClientCertHeader: "Ssl-Client-Cert"}) {
			if model == "Direct" {
				continue
			}
			x := via(tt.peer)
			x.Request.Header["Ssl-Client-Cert"] = tt.values
			v := s.Check(x)
			if got := nameOf(x, v); got != tt.want {
				t.Errorf("%s, %s: %q, want %q", model, tt.name, got, tt.want)
			}
			if !v.Passed() && (v.Problem().Type != problem.InvalidForwarded || v.Reason() != "forwarded-certificate") {
				t.Errorf("%s, %s: refused with %v, %s", model, tt.name, v.Problem(), v.Reason())
			}
		}
	}
}

func nameOf(x *exchange.Exchange, v exchange.Verdict) string {
	switch {
	case !v.Passed():
		return "400"
	case x.ClientCert == nil:
		return ""
	default:
		return x.ClientCert.Subject.CommonName
	}
}

func TestOnlyAVerifiedCertificateIsTheClients(t *testing.T) {
	client, anybody := issued(t, "client"), issued(t, "anybody")
	pool := x509.NewCertPool()
	pool.AddCert(client.Leaf)
	direct, proxied := forwarded.Direct(), stage(t, forwarded.XForwardedFor, forwarded.Config{TrustedProxies: prefixes("127.0.0.0/8"), ClientCertHeader: "Ssl-Client-Cert"})
	elsewhere := stage(t, forwarded.XForwardedFor, forwarded.Config{})
	for _, tt := range []struct {
		name string
		s    *forwarded.Stage
		auth tls.ClientAuthType
		cert *tls.Certificate
		want string
	}{
		{"verified", direct, tls.VerifyClientCertIfGiven, &client, "client"},
		{"none given", direct, tls.VerifyClientCertIfGiven, new(tls.Certificate), ""},
		{"sent, and not verified", direct, tls.RequireAnyClientCert, &anybody, ""},
		{"asked for, and not verified", direct, tls.RequestClientCert, &client, ""},
		{"verified, of an unlisted peer", elsewhere, tls.RequireAndVerifyClientCert, &client, "client"},
		{"verified, of a listed proxy: not the client's", proxied, tls.RequireAndVerifyClientCert, &client, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := make(chan string, 1)
			server := httptest.NewUnstartedServer(tt.s.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				seen <- nameOf(exchange.From(r.Context()), exchange.Pass())
			})))
			server.TLS = &tls.Config{ClientAuth: tt.auth, ClientCAs: pool}
			server.StartTLS()
			defer server.Close()
			c := server.Client()
			transport, _ := c.Transport.(*http.Transport)
			transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return tt.cert, nil // whichever authorities the server names
			}
			response, err := c.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if got := <-seen; got != tt.want {
				t.Errorf("certificate %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzCertificate(f *testing.F) {
	c := issued(f, "client")
	for _, text := range []string{"", ":", "::", "-----BEGIN CERTIFICATE-----", "%", pemOf(c), base64.StdEncoding.EncodeToString(c.Certificate[0]), "AA=="} {
		f.Add(text)
	}
	s := stage(f, forwarded.XForwardedFor, forwarded.Config{ClientCertHeader: "Client-Cert"})
	f.Fuzz(func(t *testing.T, text string) {
		x := via("10.0.0.1:1", "Client-Cert", text)
		if v := s.Check(x); v.Passed() == (x.ClientCert == nil) && text != "" {
			t.Errorf("%q: %v with certificate %v", text, v.Kind(), x.ClientCert)
		}
	})
}
