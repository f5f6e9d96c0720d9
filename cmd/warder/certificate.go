package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// sumPrefix begins the fingerprint of a certificate.
const sumPrefix = "sha256:"

// maxCertificate is the longest file that is read as a certificate, in bytes.
const maxCertificate = 1 << 16

// certificateSum returns the SHA-256 of the certificate that arg names: a PEM
// file, or the fingerprint itself, as openssl x509 -fingerprint -sha256 prints it.
// Its errors name the file.
func certificateSum(arg string) (sum [sha256.Size]byte, err error) {
	if digits, ok := strings.CutPrefix(arg, sumPrefix); ok {
		return parseSum(digits)
	}
	text, err := readCertificate(arg)
	if err != nil {
		return sum, fmt.Errorf("%s: %w", arg, err)
	}
	cert, err := parseCertificate(text)
	if err != nil {
		return sum, fmt.Errorf("%s %w", arg, err)
	}
	return sha256.Sum256(cert.Raw), nil
}

// parseSum reads a fingerprint. Zeros would bind to nothing.
func parseSum(digits string) (sum [sha256.Size]byte, err error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(digits, ":", ""))
	if err != nil || len(raw) != len(sum) || sum == [sha256.Size]byte(raw) {
		return sum, fmt.Errorf("want %s and the 64 hexadecimal digits of a fingerprint", sumPrefix)
	}
	return [sha256.Size]byte(raw), nil
}

func readCertificate(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, cause.Err // the flag names the path already
		}
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it is only read
	text, err := io.ReadAll(io.LimitReader(f, maxCertificate+1))
	if err == nil && len(text) > maxCertificate {
		err = fmt.Errorf("longer than %d bytes", maxCertificate)
	}
	return text, err
}

// parseCertificate returns the one certificate in text. Of a chain nobody could
// tell which one the client proves.
func parseCertificate(text []byte) (found *x509.Certificate, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if found != nil {
			return nil, errors.New("holds several certificates: want the client's alone")
		}
		if found, err = x509.ParseCertificate(block.Bytes); err != nil {
			return nil, errors.New("holds a certificate that cannot be read")
		}
	}
	if found == nil {
		return nil, errors.New("holds no certificate in PEM form")
	}
	return found, nil
}
