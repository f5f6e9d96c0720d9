package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
)

// What was seen of a database stands in a file beside it: the newest entry of its
// audit log, where each change of keys, administrators and sessions of others leaves
// one. A database that lacks the entry is an older state of itself, or another one.

// maxSeen is how much of the file is read, in bytes.
const maxSeen = 1 << 10

// A sighting is what the file holds.
type sighting struct {
	Entry int64      `json:"entry"` // of the audit log
	Hash  audit.Hash `json:"hash"`
	At    time.Time  `json:"at"` // when it was first seen
}

func (s sighting) head() audit.Head { return audit.Head{Seq: s.Entry, Hash: s.Hash} }

// seenFile is where it is.
func seenFile(cfg *config.Config) string { return cfg.Beside(".seen") }

// readSeen returns what was seen; the error wraps fs.ErrNotExist when nothing was.
func readSeen(name string) (sighting, error) {
	text, err := readPrivate(name, "what was seen of the database", maxSeen)
	if err != nil {
		return sighting{}, err
	}
	var s sighting
	if err := json.Unmarshal(text, &s); err != nil || s.Entry < 1 {
		return sighting{}, fail(exitUsage, "move it away, when the database is certainly in its newest state: warder serve makes another", "what was seen of the database: %s holds nothing that this program wrote", name)
	}
	return s, nil
}

// writeSeen replaces the file, whole or not at all.
func writeSeen(name string, head audit.Head) (err error) {
	text, err := json.Marshal(sighting{Entry: head.Seq, Hash: head.Hash, At: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, string(text)+"\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(name))
}

// openSeen returns what warder serve knows of the database's past, after it has seen
// that the database goes on from there, or that the operator says so: accepted is the
// name of the entry that is missing, as an earlier start printed it.
func openSeen(ctx context.Context, cfg *config.Config, log audit.Store, accepted string, to *slog.Logger) (*server.SeenOptions, error) {
	name := seenFile(cfg)
	head, err := log.Head(ctx)
	if err != nil {
		return nil, fail(exitServer, "", "db: %w", err)
	}
	options := &server.SeenOptions{Store: log, Last: head, Keep: func(h audit.Head) error { return writeSeen(name, h) }}
	seen, err := readSeen(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		to.Info("nothing is known of the database's past: it is taken for its newest state", slog.String("file", name), slog.Int64("entry", head.Seq))
		seen = sighting{}
	case err != nil:
		return nil, err
	}
	holds, err := audit.Holds(ctx, log, seen.head())
	if err != nil {
		return nil, fail(exitServer, "", "db: %w", err)
	}
	what := []any{slog.Int64("seen", seen.Entry), slog.Time("at", seen.At), slog.Int64("newest", head.Seq)}
	missing := seen.head().Name()
	switch {
	case holds && accepted != "":
		to.Warn("--accept-restored accepts nothing: the database has all that was seen of it; take the flag away")
	case holds:
	case accepted == missing:
		to.Warn("the database lacks changes that this node has seen, and --accept-restored accepts it: what was taken away since may work again", what...)
	case cfg.Keys.InsecureFollowRestored:
		to.Warn("the database lacks changes that this node has seen, and keys.insecure_follow_restored accepts it: what was taken away since may work again", what...)
	default:
		return nil, fail(exitServer, "bring the newest state back; or revoke again what was revoked since "+seen.At.Format(time.RFC3339)+" or a little before, and start once with --accept-restored "+missing,
			"db: this is an older state of the database, or another one: this node has seen entry %d of its audit log, on %s, and it is not there; the newest is %d. Keys that were revoked since, administrators who were removed and sessions that were ended may work again",
			seen.Entry, seen.At.Format(time.RFC3339), head.Seq)
	}
	if head != seen.head() && head.Seq > 0 {
		if err := writeSeen(name, head); err != nil {
			to.Warn("what this node has seen of the database cannot be kept: when it starts again it may take an older backup for the newest state", slog.String("error", err.Error()))
		}
	}
	return options, nil
}

// noteSeen is for commands that change the database while no gateway need run. What
// was seen before must be there: a restored database is for warder serve to judge. For
// a database on a server it writes nothing where no gateway has begun a file. What
// fails is left to the next one.
func noteSeen(ctx context.Context, cfg *config.Config, log audit.Store) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeouts.Store)
	defer cancel()
	name := seenFile(cfg)
	seen, err := readSeen(name)
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || cfg.IsPostgres()) {
		return
	}
	head, err := log.Head(ctx)
	if err != nil || head == seen.head() || head.Seq == 0 {
		return
	}
	if holds, err := audit.Holds(ctx, log, seen.head()); err == nil && holds {
		_ = writeSeen(name, head)
	}
}
