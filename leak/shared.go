package leak

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/secret"
)

// The fields of a report that is signed with a shared secret.
const (
	TimestampField = "Leak-Timestamp" // when it was signed: seconds since 1970 (UTC)
	SharedField    = "Leak-Signature" // "sha256=" and in hex the HMAC of the timestamp, ".", and the body
)

const (
	minShared   = 32 // bytes
	sharedDrift = 5 * time.Minute
)

// Shared is a [Sender] who shares a secret with us: a scanner of one's own. Its
// reports carry the time and an HMAC (RFC 2104) over the time and the body; they
// are believed within five minutes of that time.
type Shared struct {
	name   string
	secret secret.Text
}

// NewShared returns the sender of that name, 1 to 32 lower case letters, digits
// and "-", who signs with the secret, of at least 32 bytes.
func NewShared(name string, shared secret.Text) (*Shared, error) {
	var errs []error
	if name == "" || len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		errs = append(errs, fmt.Errorf("leak: name of a sender %q: want 1 to 32 lower case letters, digits and \"-\"", name))
	}
	if len(shared.Reveal()) < minShared {
		errs = append(errs, fmt.Errorf("leak: shared secret: want at least %d bytes", minShared))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Shared{name: name, secret: shared}, nil
}

// Name returns "leak:" and the name.
func (s *Shared) Name() string { return "leak:" + s.name }

// Sign returns the values of both fields for a report that is sent at now.
func (s *Shared) Sign(body []byte, now time.Time) (timestamp, signature string) {
	timestamp = strconv.FormatInt(now.Unix(), 10)
	return timestamp, "sha256=" + hex.EncodeToString(s.sum(timestamp, body))
}

func (s *Shared) sum(timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(s.secret.Reveal()))
	mac.Write([]byte(timestamp))
	mac.Write([]byte("."))
	mac.Write(body)
	return mac.Sum(nil)
}

// Authenticate implements [Sender]; every error is [ErrSignature].
func (s *Shared) Authenticate(_ context.Context, header http.Header, body []byte) error {
	timestamp := one(header, TimestampField)
	encoded, ok := strings.CutPrefix(one(header, SharedField), "sha256=")
	if !ok || len(encoded) != 2*sha256.Size || len(timestamp) > 20 {
		return ErrSignature
	}
	seconds, timeErr := strconv.ParseInt(timestamp, 10, 64)
	given, err := hex.DecodeString(encoded)
	if err != nil || timeErr != nil || !hmac.Equal(given, s.sum(timestamp, body)) {
		return ErrSignature
	}
	now := time.Now().Unix()
	if drift := int64(sharedDrift / time.Second); seconds < now-drift || seconds > now+drift {
		return ErrSignature
	}
	return nil
}
