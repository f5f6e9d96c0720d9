package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // G505: RFC 6238, section 1.2; HMAC does not need its collisions to be hard, and authenticators know no other
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/warder-dev/warder/secret"
)

const (
	totpPeriod = 30 * time.Second // RFC 6238, section 4.1
	totpDigits = 6
	totpModulo = 1_000_000
	totpWindow = 1  // steps early and late, RFC 6238, section 5.2
	totpLength = 20 // bytes of a shared secret: as long as the digest (RFC 4226, section 4, R6)
)

// base32Text is how authenticators take a shared secret (RFC 4648, section 6).
func base32Text() *base32.Encoding { return base32.StdEncoding.WithPadding(base32.NoPadding) }

var errShared = errors.New("account: not the base32 of a shared secret")

// Code returns what an authenticator with the shared secret, in base32 as
// [Offer.Secret] has it, shows at t (RFC 6238, section 4).
func Code(shared secret.Text, t time.Time) (string, error) {
	key, err := base32Text().DecodeString(strings.ToUpper(strings.ReplaceAll(shared.Reveal(), " ", "")))
	if err != nil || len(key) == 0 {
		return "", errShared
	}
	return codeAt(key, step(t)), nil
}

// step is the number of the period that t is in.
func step(t time.Time) int64 { return t.Unix() / int64(totpPeriod/time.Second) }

// codeAt is HOTP at the counter n (RFC 4226, section 5.3).
func codeAt(key []byte, n int64) string {
	h := hmac.New(sha1.New, key)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(n)) //nolint:gosec // G115: a step is not negative after 1970
	_, _ = h.Write(counter[:])                        // a hash.Hash never returns an error
	sum := h.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, number%totpModulo)
}

// accept returns the step whose code is given at now, among those after the last
// one that was accepted. Its time depends on none of them.
func accept(key []byte, last int64, code string, now time.Time) (int64, bool) {
	found := int64(-1)
	for n := step(now) - totpWindow; n <= step(now)+totpWindow; n++ {
		same := subtle.ConstantTimeCompare([]byte(codeAt(key, n)), []byte(code))
		if same == 1 && n > last {
			found = n
		}
	}
	return found, found >= 0
}

// normalCode returns code without the blanks that people type, and whether it can
// be one.
func normalCode(code string) (string, bool) {
	if len(code) > 2*totpDigits {
		return "", false
	}
	code = strings.ReplaceAll(code, " ", "")
	return code, len(code) == totpDigits && strings.Trim(code, "0123456789") == ""
}

// newShared draws a shared secret.
func newShared() []byte {
	key := make([]byte, totpLength)
	_, _ = rand.Read(key) // never fails: it ends the program first
	return key
}

// otpauth returns the address that authenticators read from a QR code.
func otpauth(issuer, name string, key []byte) secret.Text {
	query := url.Values{
		"secret": {base32Text().EncodeToString(key)}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"},
	}
	// Some authenticators take "+" for itself.
	return secret.New("otpauth://totp/" + url.PathEscape(issuer+":"+name) + "?" + strings.ReplaceAll(query.Encode(), "+", "%20"))
}
