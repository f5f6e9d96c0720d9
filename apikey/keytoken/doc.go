// Package keytoken signs and reads the short-lived tokens of API keys: JWTs in the
// profile of RFC 9068, by keys of their own.
//
//	tokens, err := keytoken.New(keytoken.Config{Issuer: "https://api.example.com", Keys: keys})
//	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers, Tokens: tokens})
//	issuer, err := apikey.NewTokenIssuer(apikey.TokenIssuerConfig{Signer: tokens, Audience: tokens.Audience()})
//
// A token's sub and client_id are the key's id, key_id too, and key_secret is the
// number of the secret that it was made from; scope, owner and environment are those
// of the key. A token that was made from a key which is bound to a client certificate
// is bound to it itself (cnf, RFC 8705).
//
// # Who verifies
//
// Here a signature is half of the proof: whether the key and its secret are still
// good, the apikey.Verifier asks at each request. Somebody else who has the key set
// ([Tokens.JWKS]) verifies the signature alone, and learns of a revocation when the
// token expires, minutes later. Nor does he know what narrows the key to addresses,
// methods and paths.
//
// # What is refused
//
// The header of a token is compared, not read: it has to be, byte for byte, the one
// that a key of the set signs under, in which alg, kid and typ are fixed. So no token
// chooses its algorithm or key, and one of another issuer, of another installation or
// under a key that was taken away is not this package's at all ([Tokens.OwnsToken]).
// Beyond that, package jwt verifies: iss, aud, iat and exp, JSON with one reading,
// base64url without spare bits. Clocks of nodes may differ by 30 s when a token
// begins; it ends at exp, by the clock of whoever is asked.
package keytoken
