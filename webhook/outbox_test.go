package webhook_test

import (
	"testing"

	"github.com/warder-dev/warder/webhook"
	"github.com/warder-dev/warder/webhook/webhooktest"
)

func TestMemoryOutbox(t *testing.T) {
	webhooktest.TestOutbox(t, func(*testing.T) webhook.Outbox { return new(webhook.MemoryOutbox) })
}
