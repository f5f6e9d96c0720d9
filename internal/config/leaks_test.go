package config_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

func TestLeaksThatAreWrong(t *testing.T) {
	environ := []string{"SHORT=0123456789", "LONG=" + strings.Repeat("x", 32)}
	for text, want := range map[string]string{
		"leaks: {path: leaks, github: true}":                        `leaks.path: is not a plain path; write it like /leaks, without / at the end`,
		"leaks: {action: revoke}":                                   `leaks.action: has no effect: nobody may report keys; set leaks.github or leaks.secret`,
		"leaks: {github: true, action: burn}":                       `leaks.action: `,
		"leaks: {github: true, grace: 1h}":                          `leaks.grace: has no effect without action: revoke`,
		"leaks: {github: true, action: revoke, grace: 91d}":         `leaks.grace: `,
		"leaks: {secret: '${SHORT}'}":                               `leaks.secret: is shorter than 32 bytes; openssl rand -hex 32 makes one`,
		"leaks: {secret: in-the-file-in-the-file-in-the-file}":      `leaks.secret: a secret does not belong in this file`,
		"leaks: {secret: '${LONG}', ca_file: a.pem}":                `leaks.ca_file: has no effect without github`,
		"leaks: {github: true, github_keys_url: 'http://h/keys'}":   `leaks.github_keys_url: is not https`,
		"leaks: {github: true, github_keys_url: 'https://u:p@h/k'}": `leaks.github_keys_url: `,
	} {
		_, err := load(t, shorthand+text+"\n", config.Source{Environ: environ})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{
		"leaks: {}", "leaks: {github: true}", "leaks: {github: true, action: revoke, grace: 1d, ca_file: a.pem}",
		"leaks: {secret: '${LONG}', action: disable, path: /internal/leaks}",
	} {
		if _, err := load(t, shorthand+text+"\n", config.Source{Environ: environ}); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
