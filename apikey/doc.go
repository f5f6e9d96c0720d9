// Package apikey issues and verifies API keys.
//
// A key is the text
//
//	<prefix>_<environment>_<id><secret><check>     wrd_live_0Ab...
//
// of base62 (0-9A-Za-z) and underscores only, so that a double click selects
// all of it: 12 characters of public id, 32 of secret (190 bits), 6 of CRC-32
// over everything before them, so that a typing error costs no look-up and a
// scanner can tell a key without asking anybody.
//
// The text is shown once. A [Store] holds HMAC-SHA-256(pepper, text); the
// [Peppers] live outside of it, so that whoever reads the database can neither
// use nor test a key. A [Verifier] asks the store by id, compares in constant
// time, does the same work whatever the answer is, and gives every refusal the
// same face: which one it was is for the log.
//
// Keys of other systems have no id in their text. Where their formats are enabled
// by name ([VerifierConfig.LegacyFormats]), they are looked up by a digest of the
// whole text; a bare digest becomes an HMAC under the pepper when its key is first
// used. [Peppers.ImportText] and [ImportDigest] make such secrets.
//
// With a store that is a [Feed], records are cached in bounded memory, and a
// change made by another process holds here within a poll (250 ms). A verifier
// that cannot hear of changes for [VerifierConfig.Freshness] stops trusting its
// cache; a store that gives no answer makes the request fail (503), never pass
// and never 401.
//
// A program that needs what a key can do for some minutes gets a [Token]: a
// [TokenIssuer] makes it from the key, and a verifier with
// [VerifierConfig.Tokens] judges it with the key, by the same cache and in the same
// time. Package keytoken signs and reads them.
//
// The standards: OWASP ASVS 5.0 V6 (credentials), V11 (cryptography), V14
// (protection of stored secrets); RFC 2104 (HMAC); RFC 9110, section 11 (challenges).
package apikey
