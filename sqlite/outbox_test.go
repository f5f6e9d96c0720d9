package sqlite_test

import (
	"testing"

	"github.com/warder-dev/warder/webhook"
	"github.com/warder-dev/warder/webhook/webhooktest"
)

func TestOutbox(t *testing.T) {
	webhooktest.TestOutbox(t, func(t *testing.T) webhook.Outbox {
		t.Helper()
		return open(t, newPath(t)).Outbox()
	})
}
