package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"

	jwtlib "github.com/golang-jwt/jwt/v5"
)

// The algorithms (RFC 7518, section 3.1, and RFC 8037, section 3.1). EdDSA is
// Ed25519.
const (
	RS256 = "RS256"
	RS384 = "RS384"
	RS512 = "RS512"
	PS256 = "PS256"
	PS384 = "PS384"
	PS512 = "PS512"
	ES256 = "ES256"
	ES384 = "ES384"
	ES512 = "ES512"
	EdDSA = "EdDSA"
	HS256 = "HS256" // with secret keys only
	HS384 = "HS384"
	HS512 = "HS512"
)

// An algorithm verifies signatures with the keys that fit it.
type algorithm struct {
	name   string
	method jwtlib.SigningMethod
	fits   func(public any) bool
	secret bool // its keys are secret
}

// algorithms returns what is implemented, by name. There is no "none" among
// them, whatever the library knows.
func algorithms() map[string]*algorithm {
	all := make(map[string]*algorithm)
	for _, a := range []*algorithm{
		{name: RS256, method: jwtlib.SigningMethodRS256, fits: isRSA},
		{name: RS384, method: jwtlib.SigningMethodRS384, fits: isRSA},
		{name: RS512, method: jwtlib.SigningMethodRS512, fits: isRSA},
		{name: PS256, method: strict(jwtlib.SigningMethodPS256), fits: isRSA},
		{name: PS384, method: strict(jwtlib.SigningMethodPS384), fits: isRSA},
		{name: PS512, method: strict(jwtlib.SigningMethodPS512), fits: isRSA},
		{name: ES256, method: jwtlib.SigningMethodES256, fits: onCurve(elliptic.P256())},
		{name: ES384, method: jwtlib.SigningMethodES384, fits: onCurve(elliptic.P384())},
		{name: ES512, method: jwtlib.SigningMethodES512, fits: onCurve(elliptic.P521())},
		{name: EdDSA, method: jwtlib.SigningMethodEdDSA, fits: isEd25519},
		{name: HS256, method: jwtlib.SigningMethodHS256, fits: hasBytes(32), secret: true},
		{name: HS384, method: jwtlib.SigningMethodHS384, fits: hasBytes(48), secret: true},
		{name: HS512, method: jwtlib.SigningMethodHS512, fits: hasBytes(64), secret: true},
	} {
		all[a.name] = a
	}
	return all
}

// strict wants a salt as long as the hash (RFC 7518, section 3.5), where the
// library takes any.
func strict(m *jwtlib.SigningMethodRSAPSS) jwtlib.SigningMethod {
	return &jwtlib.SigningMethodRSAPSS{
		SigningMethodRSA: m.SigningMethodRSA, Options: m.Options,
		VerifyOptions: &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash},
	}
}

func isRSA(public any) bool {
	_, ok := public.(*rsa.PublicKey)
	return ok
}

func isEd25519(public any) bool {
	_, ok := public.(ed25519.PublicKey)
	return ok
}

func onCurve(curve elliptic.Curve) func(any) bool {
	return func(public any) bool {
		k, ok := public.(*ecdsa.PublicKey)
		return ok && k.Curve == curve
	}
}

// hasBytes is for secret keys, which are as long as the hash at least (RFC 7518,
// section 3.2).
func hasBytes(n int) func(any) bool {
	return func(public any) bool {
		k, ok := public.([]byte)
		return ok && len(k) >= n
	}
}
