package server

// wordsOfStages are the words that the library's stages and schemes say beside those
// of [knownReasons], each a constant: so many that nobody keeps them in mind, which is
// why a test reads them from the source.
func wordsOfStages() []string {
	return []string{
		// httpserver, trustedhost
		"credential-over-http", "https-redirect", "idna",
		// cors
		"repeated-origin", "null-origin", "origin-not-listed", "method-not-listed", "header-not-listed", "private-network", "preflight",
		// csrf; null-origin, too
		"cross-site", "same-site", "other-origin", "repeated-header", "no-origin", "bad-token", "expired-token", "long-form", "broken-form",
		// authn
		"incomplete-credentials",
		// apikey and its tokens, jwt, introspection
		"algorithm", "audience", "certificate", "claims", "confirmation", "header", "id-token", "inactive", "issuer", "key-id", "not-yet-valid", "owner", "scope", "subject",
		"token-audience", "too-large", "too-old", "type", "unknown-key",
		// mtls
		"malformed-name", "no-name", "several-names", "unknown-extension", "unlisted-issuer", "unlisted-name", "unlisted-trust-domain", "wrong-usage",
		// session/password, account/login
		"account-changed", "empty", "foreign-session", "no-account", "no-second-factor", "role", "throttled", "too-long", "unknown-user", "wrong-password",
	}
}
