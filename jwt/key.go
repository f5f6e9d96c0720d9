package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync/atomic"

	"github.com/MicahParks/jwkset"
)

// A key verifies signatures.
type key struct {
	id        string // kid; "" for none
	algorithm string // the only one that it is for; "" for all that it fits
	public    any    // as [algorithm] wants it
	sum       [sha256.Size]byte

	gone atomic.Bool // it left its set: what it verified does not count any more
}

var (
	errOther      = errors.New("is not for signatures, or of an unknown type")
	errPrivate    = errors.New("comes with its private part, so everybody may have it")
	errPublic     = errors.New("is public, among secret ones")
	errMalformed  = errors.New("is malformed")
	errWeak       = errors.New("is weak")
	errMismatched = errors.New("does not fit its alg")
	errAmbiguous  = errors.New("has the kid of another one")
)

const (
	minRSA = 2048 // bits
	maxRSA = 8192 // bits: verifying takes longer with each
)

// newKey checks public, and that algorithm, if there is one, is for such keys.
func newKey(id, algorithm string, public any) (*key, error) {
	k := &key{id: id, algorithm: algorithm, public: public}
	var material []byte
	switch p := public.(type) {
	case *rsa.PublicKey:
		if !strongRSA(p) {
			return nil, errWeak
		}
		material = x509.MarshalPKCS1PublicKey(p)
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			return nil, errMalformed
		}
		material = append([]byte(p.Params().Name+" "), point...)
	case ed25519.PublicKey:
		if len(p) != ed25519.PublicKeySize {
			return nil, errMalformed
		}
		material = p
	case []byte:
		if len(p) < sha256.Size {
			return nil, errWeak
		}
		material = p
	default:
		return nil, errOther
	}
	if algorithm != "" {
		a, known := algorithms()[algorithm]
		switch {
		case !known:
			return nil, errOther
		case !a.fits(public):
			return nil, errMismatched
		}
	}
	k.sum = sha256.Sum256(fmt.Appendf(nil, "%q %q %T %q", id, algorithm, public, material))
	return k, nil
}

// usable reports whether k may verify signatures of a.
func (k *key) usable(a *algorithm) bool {
	return (k.algorithm == "" || k.algorithm == a.name) && a.fits(k.public)
}

// strongRSA reports whether k has a modulus of a fair size and an exponent that
// FIPS 186-5 (section 5.4) allows, as far as it fits an int32: odd and over 2^16.
func strongRSA(k *rsa.PublicKey) bool {
	return k.N != nil && k.N.BitLen() >= minRSA && k.N.BitLen() <= maxRSA && k.N.Bit(0) == 1 &&
		k.E > 1<<16 && k.E%2 == 1 && !roca(k.N)
}

// roca reports whether n looks like a modulus of the library that made its
// primes from powers of 65537 (CVE-2017-15361): modulo each of these primes it
// is then one of those powers. Another modulus looks so once in 2^27 times at most.
func roca(n *big.Int) bool {
	for _, p := range []int64{3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167} {
		rest, power, found := new(big.Int).Mod(n, big.NewInt(p)).Int64(), int64(1), false
		for range p {
			found = found || power == rest
			power = power * 65537 % p
		}
		if !found {
			return false
		}
	}
	return true
}

// parseKey reads a JSON Web Key (RFC 7517, section 4): a public one, or a secret
// one if secret says so. Certificates in it are not looked at.
func parseKey(members map[string]any, secret bool) (*key, error) {
	var m jwkset.JWKMarshal
	var kid, alg, use, kty, crv string
	for name, to := range map[string]*string{
		"kid": &kid, "alg": &alg, "use": &use, "kty": &kty, "crv": &crv, "x": &m.X, "y": &m.Y, "n": &m.N, "e": &m.E, "k": &m.K,
	} {
		if value, present := members[name]; present {
			text, ok := value.(string)
			if !ok {
				return nil, errMalformed
			}
			*to = text
		}
	}
	switch {
	case use != "" && use != "sig", !forVerifying(members["key_ops"]):
		return nil, errOther
	case len(kid) > maxKeyID:
		return nil, errMalformed
	}
	public, err := keyMaterial(members, m, kty, crv, secret)
	if err != nil {
		return nil, err
	}
	return newKey(kid, alg, public)
}

// keyMaterial returns what verifies, without anything that signs.
func keyMaterial(members map[string]any, m jwkset.JWKMarshal, kty, crv string, secret bool) (any, error) {
	m.KTY, m.CRV = jwkset.KTY(kty), jwkset.CRV(crv)
	switch m.KTY {
	case jwkset.KtyRSA, jwkset.KtyEC, jwkset.KtyOKP:
		if secret {
			return nil, errPublic
		}
		for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if _, present := members[name]; present {
				return nil, errPrivate
			}
		}
		if len(m.E) > maxExponent {
			return nil, errMalformed // the library cuts it
		}
	case jwkset.KtyOct:
		if !secret {
			return nil, errPrivate
		}
	default:
		return nil, errOther
	}
	return convert(m)
}

// maxExponent is how long the text of an exponent may be: 6 bytes.
const maxExponent = 8

// convert lets the library make a key of m. A panic of the library's, in a
// goroutine that fetches keys, would end the process.
func convert(m jwkset.JWKMarshal) (public any, err error) {
	defer func() {
		if recover() != nil {
			public, err = nil, errMalformed
		}
	}()
	jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{Private: m.KTY == jwkset.KtyOct}, jwkset.JWKValidateOptions{})
	switch {
	case errors.Is(err, jwkset.ErrUnsupportedKey):
		return nil, errOther
	case err != nil:
		return nil, errMalformed
	}
	return jwk.Key(), nil
}

// forVerifying reports whether key_ops (RFC 7517, section 4.3) is absent or has
// "verify".
func forVerifying(operations any) bool {
	if operations == nil {
		return true
	}
	list, ok := operations.([]any)
	return ok && slices.Contains(list, any("verify"))
}
