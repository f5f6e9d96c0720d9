package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
)

// TestPeppersOfARunningGateway: a command that does not know where the peppers of a
// gateway are makes no others beside it.
func TestPeppersOfARunningGateway(t *testing.T) {
	folder, log := t.TempDir(), slog.New(slog.DiscardHandler)
	file := filepath.Join(folder, "warder.db.peppers")
	cfg := &config.Config{DB: filepath.Join(folder, "warder.db"), Peppers: config.Peppers{File: filepath.Join(folder, "elsewhere")}}
	store, err := openServed(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.db.Close() }()
	node := fleet.Node{ID: "n", Started: time.Now(), Lease: time.Hour, Peppers: strings.Join(store.peppers.IDs(), ",")}
	if err := store.db.Nodes().Announce(t.Context(), node); err != nil {
		t.Fatal(err)
	}

	lost := &config.Config{DB: cfg.DB, Peppers: config.Peppers{File: file}}
	_, err = openStore(t.Context(), lost, log)
	if f, ok := errors.AsType[*failure](err); !ok || f.code != exitUsage || !strings.Contains(err.Error(), "has its peppers from elsewhere") || !strings.Contains(f.hint, "--config") {
		t.Errorf("a command without the gateway's settings: %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a pepper file was made: %v", err)
	}
	known, err := openStore(t.Context(), cfg, log)
	if err != nil {
		t.Fatalf("a command with the gateway's settings: %v", err)
	}
	if err := known.db.Close(); err != nil {
		t.Error(err)
	}

	if err := store.db.Nodes().Leave(t.Context(), node.ID); err != nil {
		t.Fatal(err)
	}
	first, err := openStore(t.Context(), lost, log)
	if err != nil {
		t.Fatalf("a command while no gateway runs: %v", err)
	}
	if err := first.db.Close(); err != nil {
		t.Error(err)
	}
}

// TestMistakesAreMended: what is told of a mistake says where it is, and how to mend it.
func TestMistakesAreMended(t *testing.T) {
	folder := t.TempDir()
	for _, tt := range []struct {
		args, says string
	}{
		{"keys create --scopes orders:read,,a", "--scopes: number 2: "},
		{"admins keys create --name d", "--role is missing: want owner"},
		{"keys import kong.yaml --from kongg", `--from "kongg": no system that is known`},
		{"tail --server http://127.0.0.1:1 --key foo", `"foo" is not a key's id: want 12 letters and digits` + "\nhint: warder keys list shows the ids; --key - watches"},
	} {
		wantRun(t, exitUsage, tt.says, folder, "", strings.Fields(tt.args)...)
	}
	wantRun(t, exitServer, "connection refused; it has to be there when warder starts", folder, "", "serve", "--upstream", "http://127.0.0.1:1", "--openapi", "http://127.0.0.1:1/openapi.json", "--listen", "127.0.0.1:0", "--admin-listen", "off")
	answer := `{"type":"x","detail":"d","errors":[{"field":"parts","message":"the limit tells its subjects apart by key"}]}`
	if f, ok := errors.AsType[*failure](refusedBy(http.StatusBadRequest, []byte(answer))); !ok || !strings.Contains(f.hint, "key=ID") {
		t.Errorf("a limit's subject that is missing: %v", f)
	}
}

// TestScopesAreSorted, also where they are checked as they were given.
func TestScopesAreSorted(t *testing.T) {
	s, err := createOptions{env: "live", kind: string(apikey.KindSecret), count: 1, fieldFlags: fieldFlags{scopes: []string{"b", "a", "b"}}}.spec(time.Now())
	if err != nil || strings.Join(s.Scopes, " ") != "a b" {
		t.Errorf("scopes %q, %v", s.Scopes, err)
	}
}
