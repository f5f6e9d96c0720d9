package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/MicahParks/jwkset"

	"github.com/warder-dev/warder/secret"
)

const (
	privateKey = "PRIVATE KEY"
	publicKey  = "PUBLIC KEY"
)

// GenerateKey returns a new key for a [Signer], as PKCS #8 in PEM. algorithm is
// [ES256] or [EdDSA].
func GenerateKey(algorithm string) (secret.Text, error) {
	var key crypto.Signer
	var err error
	switch algorithm {
	case ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return secret.Text{}, fmt.Errorf("jwt: key for algorithm %q: want %s or %s", algorithm, ES256, EdDSA)
	}
	if err != nil {
		return secret.Text{}, fmt.Errorf("jwt: make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return secret.Text{}, fmt.Errorf("jwt: encode a key: %w", err)
	}
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: privateKey, Bytes: der}))), nil
}

// A published key is one of a Signer's set.
type published struct {
	private crypto.Signer // nil when only the public part was given
	public  crypto.PublicKey
	jwk     jwkset.JWKMarshal
}

var errPEM = errors.New("want one PEM block of PKCS #8, with a key of P-256 or Ed25519")

// parsePEM reads a private key, or a public one too if that will do. Errors hold
// nothing of text.
func parsePEM(text secret.Text, publicToo bool) (*published, error) {
	block, rest := pem.Decode([]byte(text.Reveal()))
	if block == nil || len(rest) > 0 {
		return nil, errPEM
	}
	p := new(published)
	switch {
	case block.Type == privateKey:
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		signer, ok := key.(crypto.Signer)
		if err != nil || !ok {
			return nil, errPEM
		}
		p.private, p.public = signer, signer.Public()
	case block.Type == publicKey && publicToo:
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errPEM
		}
		p.public = key
	default:
		return nil, errPEM
	}
	return p, p.describe()
}

// describe makes the JSON Web Key of p.
func (p *published) describe() error {
	algorithm, id := "", ""
	encode := base64.RawURLEncoding.EncodeToString
	switch k := p.public.(type) {
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil || k.Curve != elliptic.P256() {
			return errPEM
		}
		algorithm = ES256
		id = thumbprint(fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, encode(point[1:33]), encode(point[33:])))
	case ed25519.PublicKey:
		algorithm = EdDSA
		id = thumbprint(fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, encode(k)))
	default:
		return errPEM
	}
	jwk, err := jwkset.NewJWKFromKey(p.public, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{ALG: jwkset.ALG(algorithm), KID: id, USE: jwkset.UseSig}})
	if err != nil {
		return errPEM
	}
	p.jwk = jwk.Marshal()
	return nil
}

// thumbprint names a key by what it is (RFC 7638).
func thumbprint(members string) string {
	sum := sha256.Sum256([]byte(members))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
