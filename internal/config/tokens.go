package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/warder-dev/warder/secret"
)

// Tokens say how short-lived tokens are made from keys (JWT, RFC 9068), and by what
// they are signed. They are made by the holder's commands, the admin API and warder
// keys token, and taken where a key's scheme says tokens.
type Tokens struct {
	// Issuer is the iss of tokens, and turns them on: a name of this installation that no other one has, such as https://api.example.com. Default: none, no tokens are made or taken.
	Issuer string `yaml:"issuer"`
	// Audience lists whom tokens may be for: their aud, unless less is asked for. At most 16. Default: the issuer.
	Audience []string `yaml:"audience"`
	// Lifetime is how long a token lasts for which nothing else is asked, 1s to max_lifetime. Default 5m.
	Lifetime time.Duration `yaml:"lifetime" default:"5m" min:"1s" max:"15m"`
	// MaxLifetime is how long any token lasts, 1s to 15m, and never longer than its key. Default 15m.
	MaxLifetime time.Duration `yaml:"max_lifetime" default:"15m" min:"1s" max:"15m"`
	// KeyFile is the path of a file with the keys that sign, in PEM form (PKCS #8, RFC 5958; ES256 or EdDSA): the first signs, the others verify. With a database on a server every node has the same; else it is made when it is missing. Default: the path of db with ".token-keys" appended, unless keys is given.
	KeyFile string `yaml:"key_file"`
	// Keys hold those keys themselves: "${VARIABLE}" or "file:/path", never the keys as text in this file. Default: none.
	Keys secret.Text `yaml:"keys"`
	// Path is where the gateway publishes the public keys (RFC 7517), for others who verify. Default /.well-known/warder/jwks.json.
	Path string `yaml:"path" default:"/.well-known/warder/jwks.json"`
}

const (
	maxTokenIssuer   = 2048 // bytes
	maxTokenAudience = 16
)

// On reports whether tokens are made.
func (t *Tokens) On() bool { return t.Issuer != "" }

// For returns whom tokens may be for.
func (t *Tokens) For() []string {
	if len(t.Audience) == 0 {
		return []string{t.Issuer}
	}
	return slices.Clone(t.Audience)
}

func (l *loader) checkTokens() {
	t := &l.config.Tokens
	if t.Issuer != "" && !l.failed("tokens.issuer") && !claimText(t.Issuer) {
		l.reject("tokens.issuer", "is not a name", fmt.Sprintf("want 1 to %d printable bytes without blanks around them, such as https://api.example.com", maxTokenIssuer))
	}
	if len(t.Audience) > maxTokenAudience {
		l.reject("tokens.audience", fmt.Sprintf("are %d, want at most %d", len(t.Audience), maxTokenAudience), "")
	}
	l.checkWords("tokens.audience", t.Audience)
	for i, one := range t.Audience {
		if at := fmt.Sprintf("tokens.audience[%d]", i); one != "" && !l.failed(at) && !claimText(one) {
			l.reject(at, "is not a name", fmt.Sprintf("want 1 to %d printable bytes without blanks around them", maxTokenIssuer))
		}
	}
	if t.Lifetime > t.MaxLifetime && !l.failed("tokens.lifetime") && !l.failed("tokens.max_lifetime") {
		l.reject("tokens.lifetime", "is more than tokens.max_lifetime", "")
	}
	if t.KeyFile != "" && !t.Keys.IsZero() && !l.failed("tokens.keys") {
		l.reject("tokens.keys", "are given together with tokens.key_file", "keep one of them")
	}
	if !l.failed("tokens.path") && !plainPath(t.Path) {
		l.reject("tokens.path", "is not a plain path", "write it like /.well-known/warder/jwks.json")
	}
	if !t.On() && !l.failed("tokens.issuer") {
		l.tokensAreOff(t)
	}
}

// tokensAreOff tells of settings that have no effect.
func (l *loader) tokensAreOff(t *Tokens) {
	for _, given := range []struct {
		field string
		is    bool
	}{{"audience", len(t.Audience) > 0}, {"key_file", t.KeyFile != ""}, {"keys", !t.Keys.IsZero()}} {
		if field := "tokens." + given.field; given.is && !l.failed(field) {
			l.reject(field, "has no effect without tokens.issuer", "")
		}
	}
}

// claimText wants what a claim of ours may say: printable, and no blank at its ends.
func claimText(text string) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
	return len(text) <= maxTokenIssuer && !strings.ContainsFunc(text, unprintable) && strings.Trim(text, " ") == text
}

// checkKeyTokens wants a scheme that takes tokens to find some.
func (l *loader) checkKeyTokens(field string, k *KeyScheme) {
	t := &l.config.Tokens
	switch at := field + ".tokens"; {
	case !k.Tokens || l.failed(at) || l.failed(field+".in"):
	case k.In != InBearer:
		l.reject(at, "has no effect without in: bearer", "")
	case !t.On() && !l.failed("tokens.issuer"):
		l.reject(at, "there are none", "set tokens.issuer")
	}
	l.checkAnyAudience(field, k)
	switch at := field + ".token_audience"; {
	case k.TokenAudience == "" || l.failed(at):
	case !k.Tokens:
		l.reject(at, "has no effect without tokens", "")
	case t.On() && !slices.Contains(t.For(), k.TokenAudience):
		l.reject(at, "is not among those whom tokens are for", "list it in tokens.audience")
	}
}

// checkAnyAudience wants to know whom tokens are for, where they can be for others.
func (l *loader) checkAnyAudience(field string, k *KeyScheme) {
	switch at := field + ".insecure_any_audience"; {
	case l.failed(at) || l.failed(field+".tokens") || l.failed(field+".token_audience") || l.failed("tokens.audience"):
	case k.InsecureAnyAudience && !k.Tokens:
		l.reject(at, "has no effect without tokens", "")
	case k.InsecureAnyAudience && k.TokenAudience != "":
		l.reject(at, "is given together with token_audience", "keep one of them")
	case k.Tokens && k.In == InBearer && k.TokenAudience == "" && !k.InsecureAnyAudience && len(l.config.Tokens.Audience) > 1:
		l.reject(field+".tokens", "has no token_audience, and tokens.audience has several: tokens that were made for another service alone would pass", "set token_audience to the one that this API is, or insecure_any_audience")
	}
}

// completeTokens names the file that lies beside the database.
func (l *loader) completeTokens() {
	t := &l.config.Tokens
	if !t.On() || t.KeyFile != "" || !t.Keys.IsZero() {
		return
	}
	l.nameBeside(&t.KeyFile, "tokens.key_file", ".token-keys")
}
