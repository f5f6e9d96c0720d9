package forwarded

import (
	"crypto/x509"
	"encoding/base64"
	"net/url"
	"strings"
)

// maxCert bounds a forwarded certificate, in bytes as it is sent.
const maxCert = 16 << 10

// The lines around a certificate in PEM form (RFC 7468, section 5.1).
const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
)

// forwardedCert reads the certificate that a proxy forwards: nil when it forwards
// none. It reports false for what is not one certificate. A list is none either:
// nobody knows who wrote its first entry.
func forwardedCert(values []string) (*x509.Certificate, bool) {
	text, present := lone(values)
	switch {
	case !present:
		return nil, true
	case len(values) > 1 || len(text) > maxCert:
		return nil, false
	case text == "":
		return nil, true
	}
	text, err := url.PathUnescape(text) // "+" is a digit of base64
	if err != nil {
		return nil, false
	}
	if inner, ok := strings.CutPrefix(text, ":"); ok { // RFC 9440, section 2.1
		if text, ok = strings.CutSuffix(inner, ":"); !ok {
			return nil, false
		}
	}
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, pemBegin); ok {
		if text, ok = strings.CutSuffix(inner, pemEnd); !ok {
			return nil, false
		}
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, false
	}
	cert, err := x509.ParseCertificate(der)
	return cert, err == nil
}
