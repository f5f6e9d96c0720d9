package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/secret"
)

// The fields of a delivery, as net/http spells them.
const (
	FieldID        = "Webhook-Id"
	FieldTimestamp = "Webhook-Timestamp" // seconds since 1970
	FieldSignature = "Webhook-Signature" // one or more, with spaces between
)

// Tolerance is how far the time stamp of a delivery may be from the receiver's
// clock.
const Tolerance = 5 * time.Minute

const (
	secretPrefix = "whsec_"
	minSecret    = 24 // bytes
	maxSecret    = 64
)

var errSecret = fmt.Errorf("webhook: a secret wants the base64 of %d to %d random bytes, with or without %q before it", minSecret, maxSecret, secretPrefix)

// keyOf returns the bytes of a secret: its base64, which may begin with "whsec_".
func keyOf(s secret.Text) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Reveal(), secretPrefix))
	if err != nil || len(key) < minSecret || len(key) > maxSecret {
		return nil, errSecret // not err: it quotes the secret
	}
	return key, nil
}

// CheckSecret reports whether s can sign.
func CheckSecret(s secret.Text) error {
	_, err := keyOf(s)
	return err
}

// signature returns the signature of a delivery by key.
func signature(key []byte, id string, at int64, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(id + "." + strconv.FormatInt(at, 10) + "."))
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// ErrSignature means that a delivery is not what its sender signed, or is older or
// newer than [Tolerance] allows.
var ErrSignature = errors.New("webhook: the signature or the time stamp does not hold")

// Verify reports whether a delivery with these fields and body was signed with one
// of the secrets, now: what a receiver does before it reads the body. It returns
// the event's id, by which the receiver knows one that it has had. An error is
// [ErrSignature], or tells that a secret is none.
func Verify(h http.Header, body []byte, now time.Time, secrets ...secret.Text) (id string, err error) {
	id, stamp := h.Get(FieldID), h.Get(FieldTimestamp)
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || !validID(id) || strconv.FormatInt(at, 10) != stamp || now.Sub(time.Unix(at, 0)).Abs() > Tolerance {
		return "", ErrSignature
	}
	found := false
	for _, s := range secrets {
		key, err := keyOf(s)
		if err != nil {
			return "", err
		}
		want := []byte(signature(key, id, at, body))
		for got := range strings.FieldsSeq(h.Get(FieldSignature)) {
			if hmac.Equal([]byte(got), want) {
				found = true
			}
		}
	}
	if !found {
		return "", ErrSignature
	}
	return id, nil
}
