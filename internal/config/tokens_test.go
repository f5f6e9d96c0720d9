package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

func TestTokensThatAreWrong(t *testing.T) {
	environ := []string{"KEYS=x"}
	scheme := func(key string) string { return "schemes: {partner: {key: " + key + "}}" }
	many := strings.Split("a b c d e f g h i j k l m n o p q", " ")
	for text, want := range map[string]string{
		`tokens: {issuer: " x"}`:                                                          `tokens.issuer: is not a name; want 1 to 2048 printable bytes without blanks around them, such as https://api.example.com`,
		`tokens: {issuer: "a\u0007b"}`:                                                    `tokens.issuer: is not a name`,
		"tokens: {issuer: x, audience: ['']}":                                             `tokens.audience[0]: is empty`,
		"tokens: {issuer: x, audience: [a, a]}":                                           `tokens.audience[1]: is in the list twice`,
		`tokens: {issuer: x, audience: ["a\tb"]}`:                                         `tokens.audience[0]: is not a name`,
		"tokens: {issuer: x, audience: [" + strings.Join(many, ", ") + "]}":               `tokens.audience: are 17, want at most 16`,
		"tokens: {issuer: x, lifetime: 5m, max_lifetime: 4m}":                             `tokens.lifetime: is more than tokens.max_lifetime`,
		"tokens: {issuer: x, max_lifetime: 16m}":                                          `tokens.max_lifetime: `,
		"tokens: {issuer: x, lifetime: 500ms}":                                            `tokens.lifetime: `,
		"tokens: {issuer: x, path: jwks}":                                                 `tokens.path: is not a plain path; write it like /.well-known/warder/jwks.json`,
		"tokens: {issuer: x, keys: '${KEYS}', key_file: a}":                               `tokens.keys: are given together with tokens.key_file; keep one of them`,
		"tokens: {issuer: x, keys: in-the-file}":                                          `tokens.keys: a secret does not belong in this file`,
		"tokens: {key_file: a}":                                                           `tokens.key_file: has no effect without tokens.issuer`,
		"tokens: {keys: '${KEYS}'}":                                                       `tokens.keys: has no effect without tokens.issuer`,
		"tokens: {audience: [a]}":                                                         `tokens.audience: has no effect without tokens.issuer`,
		scheme("{in: bearer, tokens: true}"):                                              `schemes.partner.key.tokens: there are none; set tokens.issuer`,
		"tokens: {issuer: x}\n" + scheme("{in: query, tokens: true}"):                     `schemes.partner.key.tokens: has no effect without in: bearer`,
		"tokens: {issuer: x}\n" + scheme("{in: bearer, token_audience: x}"):               `schemes.partner.key.token_audience: has no effect without tokens`,
		"tokens: {issuer: x}\n" + scheme("{in: bearer, tokens: true, token_audience: y}"): `schemes.partner.key.token_audience: is not among those whom tokens are for; list it in tokens.audience`,
		"tokens: {issuer: x, audience: [y, z]}\n" + scheme("{in: bearer, tokens: true}"):  `schemes.partner.key.tokens: has no token_audience, and tokens.audience has several: tokens that were made for another service alone would pass; set token_audience to the one that this API is, or insecure_any_audience`,
		"tokens: {issuer: x, audience: [y, z]}\n" + scheme("{in: bearer, tokens: true, token_audience: y, insecure_any_audience: true}"):           `schemes.partner.key.insecure_any_audience: is given together with token_audience; keep one of them`,
		"tokens: {issuer: x}\n" + scheme("{in: bearer, insecure_any_audience: true}"):                                                              `schemes.partner.key.insecure_any_audience: has no effect without tokens`,
		"tokens: {issuer: 'https://a.example'}\nschemes: {idp: {jwt: {issuers: [{issuer: 'https://a.example', audience: [x]}]}}}":                  `schemes.idp.jwt.issuers[0].issuer: is tokens.issuer: it would not be asked whether the keys of those tokens are still good; take them by a scheme such as {key: {in: bearer, tokens: true}}`,
		"tokens: {issuer: x}\nschemes: {a: {key: {in: bearer, tokens: true}}, b: {key: {in: bearer, tokens: true}}}\nsecurity: [{a: []}, {b: []}]": `security[1].b: takes the same tokens as a; name one of them`,
	} {
		_, err := load(t, shorthand+text+"\n", config.Source{Environ: environ})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}

func TestTokens(t *testing.T) {
	for text, want := range map[string]struct {
		on       bool
		audience []string
		file     string
	}{
		"":                    {false, nil, ""},
		"tokens: {}":          {false, nil, ""},
		"tokens: {issuer: x}": {true, []string{"x"}, "./warder.db.token-keys"},
		"tokens: {issuer: x, audience: [a, b], key_file: k.pem}":                                                                                                {true, []string{"a", "b"}, "k.pem"},
		"tokens: {issuer: x, keys: '${KEYS}'}":                                                                                                                  {true, []string{"x"}, ""},
		"db: postgres://u@h/d\npeppers: {file: /etc/w/peppers}\ntokens: {issuer: x}":                                                                            {true, []string{"x"}, "/etc/w/warder.token-keys"},
		"tokens: {issuer: x, audience: [y]}\nschemes: {p: {key: {in: bearer, tokens: true, token_audience: y}}}":                                                {true, []string{"y"}, "./warder.db.token-keys"},
		"tokens: {issuer: x, audience: [a, b], key_file: k}\nschemes: {p: {key: {in: bearer, tokens: true, token_audience: b}}}":                                {true, []string{"a", "b"}, "k"},
		"tokens: {issuer: x, audience: [a, b], key_file: k}\nschemes: {p: {key: {in: bearer, tokens: true, insecure_any_audience: true}}}":                      {true, []string{"a", "b"}, "k"},
		"tokens: {issuer: x}\nschemes: {a: {key: {in: bearer, tokens: true}}, b: {key: {in: bearer, tokens: true, token_audience: x}}, c: {key: {in: bearer}}}": {true, []string{"x"}, "./warder.db.token-keys"},
	} {
		cfg, err := load(t, shorthand+text+"\n", config.Source{Environ: []string{"KEYS=x"}})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		k := &cfg.Tokens
		if k.On() != want.on || want.on && !slices.Equal(k.For(), want.audience) || k.KeyFile != want.file {
			t.Errorf("%s: on %v, for %q, by %q; want %+v", text, k.On(), k.For(), k.KeyFile, want)
		}
	}
}
