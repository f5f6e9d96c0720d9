package sqlite_test

import (
	"testing"

	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/webhook"
	"github.com/warder-dev/warder/webhook/webhooktest"
)

func TestOutbox(t *testing.T) {
	webhooktest.TestOutbox(t, func(t *testing.T) webhook.Outbox {
		t.Helper()
		path := newPath(t)
		return quickOutbox{open(t, path).Outbox(), path}
	})
}

// A quickOutbox is filled in one transaction. With Add, which counts what waits,
// ten thousand deliveries take minutes under the race detector.
type quickOutbox struct {
	*sqlite.Outbox
	path string
}

func (q quickOutbox) Fill(t *testing.T, events []webhook.Event, endpoint string) {
	t.Helper()
	tx, err := openRaw(t, q.path).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if _, err := tx.ExecContext(t.Context(), `INSERT INTO webhook_deliveries (event, endpoint, type, at, data, attempts, due)
			VALUES (?1, ?2, ?3, ?4, ?5, 0, ?4)`, e.ID, endpoint, e.Type, e.At.UnixMicro(), string(e.Data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}
