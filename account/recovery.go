package account

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/warder-dev/warder/secret"
)

const (
	recoveryCodes  = 10
	recoveryLength = 16 // characters of base32: 80 bits
	recoveryGroup  = 4
)

// newRecovery draws recovery codes of the account, and their digests.
func newRecovery(id ID) ([]secret.Text, []Digest) {
	codes, digests := make([]secret.Text, recoveryCodes), make([]Digest, recoveryCodes)
	for i := range codes {
		text := strings.ToLower(rand.Text()[:recoveryLength])
		digests[i] = recoveryDigest(id, text)
		var groups []string
		for at := 0; at < recoveryLength; at += recoveryGroup {
			groups = append(groups, text[at:at+recoveryGroup])
		}
		codes[i] = secret.New(strings.Join(groups, "-"))
	}
	return codes, digests
}

// recoveryDigest is the digest of a normal code of the account. 80 bits cannot be
// tried out, so that it needs no slow hash.
func recoveryDigest(id ID, normal string) Digest {
	return sha256.Sum256([]byte("warder recovery code\x00" + string(id) + "\x00" + normal))
}

// normalRecovery returns code as it is hashed, and whether it can be one.
func normalRecovery(code secret.Text) (string, bool) {
	text := code.Reveal()
	if len(text) > 2*recoveryLength {
		return "", false
	}
	text = strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(text))
	return text, len(text) == recoveryLength && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// spend returns the digests without that of code, and whether it was among them.
// It looks at all of them.
func spend(id ID, digests []Digest, normal string) (left []Digest, ok bool) {
	sum := recoveryDigest(id, normal)
	for _, d := range digests {
		if subtle.ConstantTimeCompare(d[:], sum[:]) == 1 {
			ok = true
			continue
		}
		left = append(left, d)
	}
	return left, ok
}
