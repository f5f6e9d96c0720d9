package apikey

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// sealLabel is what the key of [Peppers.Seal] is derived from. No text of a key holds
// a NUL: no digest is ever such a key.
const sealLabel = "warder seal, AES-256-GCM\x00"

var (
	errSealed = errors.New("apikey: the sealed text was changed, or is of another context")
	errUnseal = errors.New("apikey: a sealed text uses a pepper that is not configured")
)

// Seal returns plain encrypted by AES-256-GCM, in base64url, and the id of the
// pepper that the key is derived from: the current one. context is what it is for;
// only with the same one it is opened. A random nonce bounds how much one pepper
// seals: 2^32 texts.
func (p *Peppers) Seal(plain []byte, context string) (sealed, pepper string, err error) {
	current := p.current()
	gcm, err := current.gcm()
	if err != nil {
		return "", "", err
	}
	whole := gcm.Seal(nil, nil, plain, []byte(context)) //nolint:gosec // G407: it draws its nonce itself
	return base64.RawURLEncoding.EncodeToString(whole), current.id, nil
}

// Open is the reverse of [Peppers.Seal]. The error holds no part of what is sealed.
func (p *Peppers) Open(sealed, pepper, context string) ([]byte, error) {
	one := p.find(pepper)
	if one == nil {
		return nil, errUnseal
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return nil, errSealed
	}
	gcm, err := one.gcm()
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nil, raw, []byte(context))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// gcm returns the cipher of p, which draws its nonces itself.
func (p *pepper) gcm() (cipher.AEAD, error) {
	m, _ := p.macs.Get().(*mac)
	m.hash.Reset()
	_, _ = m.hash.Write([]byte(sealLabel)) // a hash.Hash never returns an error
	var key [sha256.Size]byte
	m.hash.Sum(key[:0])
	p.macs.Put(m)
	defer clear(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
