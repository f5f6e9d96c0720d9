package leak_test

import (
	"encoding/base64"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/leak"
)

func by() apikey.By { return apikey.By{Actor: "user:test", Source: "test"} }

func peppers(tb testing.TB) *apikey.Peppers {
	tb.Helper()
	p, err := apikey.ParsePeppers(base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// made returns a key with the prefix, in a store of its own.
func made(tb testing.TB, prefix string, environment apikey.Environment) string {
	tb.Helper()
	_, text := issue(tb, new(apikey.MemoryStore), prefix, environment)
	return text
}

func issue(tb testing.TB, store apikey.Store, prefix string, environment apikey.Environment) (apikey.Record, string) {
	tb.Helper()
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers(tb), Prefix: prefix})
	if err != nil {
		tb.Fatal(err)
	}
	record, text, err := issuer.Create(tb.Context(), by(), apikey.Spec{Environment: environment})
	if err != nil {
		tb.Fatal(err)
	}
	return record, text.Reveal()
}

func scanner(tb testing.TB, prefixes ...string) *leak.Scanner {
	tb.Helper()
	s, err := leak.NewScanner(leak.ScannerConfig{Prefixes: prefixes})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// spoil returns key with another check digit.
func spoil(key string) string {
	last := "0"
	if strings.HasSuffix(key, "0") {
		last = "1"
	}
	return key[:len(key)-1] + last
}

// recheck returns body with its check digits, as anybody can compute them.
func recheck(body string) string {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum, check := crc32.ChecksumIEEE([]byte(body)), [6]byte{}
	for i := range check {
		check[len(check)-1-i] = base62[sum%62]
		sum /= 62
	}
	return body + string(check[:])
}
