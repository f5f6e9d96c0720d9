package config

import (
	"time"

	"github.com/warder-dev/warder/secret"
)

// Audit says how the log of what was changed is signed, so that one that was cut or
// written anew is found.
type Audit struct {
	// KeyFile is the path of the key that signs checkpoints, made when it is missing. Default: the path of db with ".audit-key" appended, unless key is given; then empty.
	KeyFile string `yaml:"key_file"`
	// Key is that key itself, an Ed25519 key in PEM form (PKCS #8, RFC 5958), the same on every node: "${VARIABLE}" or "file:/path", never the key as text in this file. Default: none.
	Key secret.Text `yaml:"key"`
	// CheckpointFile is the path of a file that gets each checkpoint, one a line: keep it, or a copy, where whoever can write to the database cannot. Default: the path of db with ".checkpoints" appended.
	CheckpointFile string `yaml:"checkpoint_file"`
	// CheckpointInterval is how old an entry without a checkpoint gets at most, 1s to 24h. Default 5m.
	CheckpointInterval time.Duration `yaml:"checkpoint_interval" default:"5m" min:"1s" max:"24h"`
	// CheckpointEntries is how many entries go without a checkpoint at most, 1 to 1,000,000. Default 1000.
	CheckpointEntries int `yaml:"checkpoint_entries" default:"1000" min:"1" max:"1000000"`
}

func (l *loader) checkAudit() {
	if a := &l.config.Audit; a.KeyFile != "" && !a.Key.IsZero() && !l.failed("audit.key") {
		l.reject("audit.key", "is given together with audit.key_file", "keep one of them")
	}
}

// completeAudit names the files that lie beside the database.
func (l *loader) completeAudit() {
	a := &l.config.Audit
	for _, file := range []struct {
		name        *string
		field, tail string
	}{
		{&a.KeyFile, "audit.key_file", ".audit-key"},
		{&a.CheckpointFile, "audit.checkpoint_file", ".checkpoints"},
	} {
		if *file.name == "" && (file.name != &a.KeyFile || a.Key.IsZero()) {
			l.nameBeside(file.name, file.field, file.tail)
		}
	}
}

// nameBeside gives a file the database's name with a tail.
func (l *loader) nameBeside(name *string, field, tail string) {
	*name = l.config.Beside(tail)
	// Its text must not tell what Print hides in db's.
	if o := l.origins["db"]; o.substituted && !l.config.IsPostgres() {
		o.raw += tail
		l.origins[field] = o
	}
}
