package config_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// TestTheKeyOfTheAudit is in a file, or given: never both, and never as text here.
func TestTheKeyOfTheAudit(t *testing.T) {
	const given = "-----BEGIN canary-----"
	for text, want := range map[string]struct{ file, key, err string }{
		"":                                    {file: "./warder.db.audit-key"},
		"audit: {key_file: k.pem}":            {file: "k.pem"},
		"audit: {key: '${KEY}'}":              {key: given},
		"audit: {key: '${KEY}', key_file: a}": {err: "audit.key: is given together with audit.key_file; keep one of them"},
		"audit: {key: '" + given + "'}":       {err: "audit.key: a secret does not belong in this file"},
		"db: postgres://u@h/d":                {file: "warder.audit-key"},
		"db: postgres://u@h/d\naudit: {key: '${KEY}'}": {key: given},
	} {
		cfg, err := load(t, shorthand+text+"\n", config.Source{Environ: []string{"KEY=" + given}})
		switch {
		case want.err != "":
			if err == nil || !strings.Contains(err.Error(), want.err) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: error %v, want %s", text, err, want.err)
			}
		case err != nil:
			t.Errorf("%s: %v", text, err)
		case cfg.Audit.KeyFile != want.file || cfg.Audit.Key.IsZero() != (want.key == "") || want.key != "" && !cfg.Audit.Key.Equal(secret.New(want.key)):
			t.Errorf("%s: %+v, want %+v", text, cfg.Audit, want)
		case !strings.HasSuffix(cfg.Audit.CheckpointFile, ".checkpoints"):
			t.Errorf("%s: checkpoints go to %q", text, cfg.Audit.CheckpointFile)
		}
	}
}
