package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

// FuzzLoad: no panic; every error has a place; a secret of the environment or
// of a file is in no error and not printed; and a file that is the input many
// times over does not take long.
func FuzzLoad(f *testing.F) {
	const canary = "canary4f1d9aXQ"
	secretFile := filepath.Join(f.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte(canary), 0o600); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		config.Example(), shorthand, "", "a", "a: b: c", "[", "{a: ", "- ", "&a [*a", "<<", "a: |\n b\n\n\n", "\"a\tb", "db: ${P}\n", "db: $${P}\n", "---\n", "%a\n",
		shorthand + "peppers: {value: '${P}'}\n", shorthand + "peppers: {value: '${F}'}\n", "upstream: 'http://u:${P}@h'\n", "keys: {prefix: '${P}', realm: '${P}'}\n",
		"upstreams: {a: {url: 'http://h'}}\nroutes:\n  - {match: '/${P}', upstream: a, scopes: ['${P}'], allow: [merge], strip_prefix: '/${P}'}\n",
		"timeouts: {idle: 1d}\nlimits: {body_bytes: unlimited}\nlog: {level: '${P}'}\n", "? a\n: b\n", "a: !t b\n", "'a", "\xff", "a:\r\n\tb", "upstreams:\n  \"\": {}\n",
	} {
		f.Add(seed)
	}
	environ := []string{"P=" + canary, "F=file:" + secretFile, "WARDER_KEYS_REALM=" + canary + "\n"}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, canary) || strings.Contains(text, "file:") || len(text) > 64<<10 {
			return // it has the canary, or reads files of this machine, or is long
		}
		path := filepath.Join(t.TempDir(), "warder.yaml")
		try := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			began := spent()
			for _, env := range [][]string{environ, environ[:2]} {
				c, err := config.Load(config.Source{File: path, Environ: env})
				checkErrors(t, err, canary)
				if err == nil {
					checkPrint(t, c, canary)
				}
			}
			if took := spent() - began; took > bound {
				t.Errorf("%d bytes took %v, want at most %v", len(text), took, bound)
			}
		}
		try(text)
		if text != "" {
			try(strings.Repeat(text, 1+(128<<10)/len(text)))
		}
	})
}

func checkErrors(t *testing.T, err error, canary string) {
	t.Helper()
	if err == nil {
		return
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the canary is in: %v", err)
	}
	var list *config.Errors
	if !errors.As(err, &list) || len(list.List) == 0 {
		t.Fatalf("error is %v, want *config.Errors", err)
	}
	for _, one := range list.List {
		if one.File == "" || one.Problem == "" || (one.Line > 0) != (one.Column > 0) {
			t.Errorf("error %+v has no place or says nothing", one)
		}
	}
}

func checkPrint(t *testing.T, c *config.Config, canary string) {
	t.Helper()
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, canary) {
		t.Errorf("the canary is in\n%s", text)
	}
}
