package server

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/internal/config"
)

// A Journal is the program's log: its loggers and the output that they share.
type Journal struct {
	*Logs
	writer *accesslog.Writer
}

// OpenJournal opens the log that cfg asks for; without a file it is stderr. It
// never holds up a request: what the output does not take is dropped and counted.
func OpenJournal(cfg config.Log, stderr io.Writer) (*Journal, error) {
	form := LogConfig{Format: cfg.Format, Level: cfg.Level, Terminal: cfg.File == "" && IsTerminal(stderr)}
	settings := accesslog.WriterConfig{
		Notice:  func(at time.Time, dropped uint64) []byte { return form.DroppedNotice(at, dropped) },
		Trouble: func(err error) { tellTrouble(stderr, cfg.File, err) },
	}
	j := &Journal{}
	var err error
	if cfg.File == "" {
		j.writer = accesslog.NewWriter(stderr, settings)
	} else if j.writer, err = accesslog.OpenFile(cfg.File, settings); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	form.Output = j.writer
	if j.Logs, err = NewLogs(form); err != nil {
		_ = j.writer.Close() // nothing was written yet
		return nil, err
	}
	return j, nil
}

// tellTrouble tells where the log goes while its file cannot be opened: in the log
// itself nobody would look for it.
func tellTrouble(stderr io.Writer, name string, err error) {
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "warder: log: cannot open %s again: %v; the old file is still written\n", name, errors.Unwrap(err))
		return
	}
	_, _ = fmt.Fprintf(stderr, "warder: log: %s is written again\n", name)
}

// Dropped returns how many records were lost.
func (j *Journal) Dropped() uint64 { return j.writer.Dropped() }

// Reopen opens the file by its name again, after a rotation.
func (j *Journal) Reopen() { j.writer.Reopen() }

// Close writes what is queued, for at most two seconds.
func (j *Journal) Close() error { return j.writer.Close() }
