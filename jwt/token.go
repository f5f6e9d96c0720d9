package jwt

import (
	"encoding/base64"
	"strings"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/internal/bearer"
)

// maxKeyID is the longest kid, in bytes.
const maxKeyID = 256

// A token is a JWS in compact form (RFC 7515, section 7.1) whose header was read.
type token struct {
	algorithm string
	kind      string // typ in lower case and without "application/"; "" for none
	keyID     string // kid; "" for none
	signed    string // what the signature is over
	payload   []byte
	signature []byte
}

// open takes text apart. The error is a refusal. Of the header it keeps what is
// used, and refuses what would change the meaning of the rest (crit, b64, cty,
// enc, zip); everything else is ignored, as RFC 7515, section 4, says: jwk, jku,
// x5u and x5c too.
func open(text string) (*token, error) {
	if !Resembles(text) {
		return nil, authn.Wrong("malformed")
	}
	signed, signature, _ := cutLast(text)
	head, payload, _ := strings.Cut(signed, ".")
	t := &token{signed: signed}
	var err error
	if t.payload, err = segment(payload); err != nil {
		return nil, authn.Wrong("malformed")
	}
	if t.signature, err = segment(signature); err != nil || len(t.signature) == 0 {
		return nil, authn.Wrong("malformed")
	}
	plain, err := segment(head)
	if err != nil {
		return nil, authn.Wrong("malformed")
	}
	header, err := bearer.Object(plain)
	if err != nil {
		return nil, authn.Wrong("malformed")
	}
	return t, t.read(header)
}

// Resembles reports whether text has the form of a token, three parts with dots
// between them: for the Leave of a scheme that shares Authorization with this
// one. It says nothing about what is in them.
func Resembles(text string) bool { return strings.Count(text, ".") == 2 }

func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, '.')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// segment decodes base64url without padding, spare bits or line breaks, which
// the decoder would skip.
func segment(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, base64.CorruptInputError(0)
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}

// read takes what is used from header.
func (t *token) read(header map[string]any) error {
	for _, name := range []string{"crit", "b64", "cty", "enc", "zip"} {
		if _, present := header[name]; present {
			return authn.Wrong("header")
		}
	}
	var ok bool
	if t.algorithm, ok = header["alg"].(string); !ok {
		return authn.Wrong("algorithm")
	}
	if typ, present := header["typ"]; present {
		text, ok := typ.(string)
		if t.kind = mediaType(text); !ok || t.kind == "" {
			return authn.Wrong("type")
		}
	}
	if kid, present := header["kid"]; present {
		if t.keyID, ok = kid.(string); !ok || t.keyID == "" || len(t.keyID) > maxKeyID {
			return authn.Wrong("key-id")
		}
	}
	return nil
}

// mediaType returns typ as it is compared: without case, and with
// "application/" left out (RFC 7515, section 4.1.9).
func mediaType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}
