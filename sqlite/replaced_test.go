package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/sqlite"
)

// TestAReplacedFileGivesNoAnswer moves another file, or none, to the name of an
// open database: what is still read would let keys in that are revoked in the
// new one (P3, FLEET-15).
func TestAReplacedFileGivesNoAnswer(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) {
			t.Helper()
			remove(t, path)
		},
		"replaced by a copy": func(t *testing.T, path string) {
			t.Helper()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			remove(t, path)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "warder.db")
			db := open(t, path)
			keys := db.APIKeys()
			if _, err := keys.Revision(t.Context()); err != nil {
				t.Fatal(err)
			}
			replace(t, path)
			_, lookup := keys.Lookup(t.Context(), "AAAAAAAAAAAA")
			_, revision := keys.Revision(t.Context())
			_, _, changes := keys.Changes(t.Context(), 0, 10)
			_, apply := keys.Apply(t.Context(), apikey.Change{
				Actor: "system", Source: "test", Op: apikey.OpCreate, At: time.Now(),
				After: &apikey.Record{ID: "AAAAAAAAAAAA", Secrets: []apikey.Secret{{Pepper: "p"}}},
			})
			announce := db.Nodes().Announce(t.Context(), fleet.Node{ID: "n"})
			for what, err := range map[string]error{"Lookup": lookup, "Revision": revision, "Changes": changes, "Apply": apply, "Announce": announce} {
				if !errors.Is(err, sqlite.ErrReplaced) {
					t.Errorf("%s: error = %v, want ErrReplaced", what, err)
				}
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}
