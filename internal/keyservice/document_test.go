package keyservice_test

import (
	"testing"

	"github.com/warder-dev/warder/internal/golden"
	"github.com/warder-dev/warder/internal/keyservice"
)

func TestDocument(t *testing.T) {
	w := newWorld(t, func(cfg *keyservice.Config) { cfg.Schemes = cfg.Schemes[:1] })
	golden.Compare(t, "../../docs/reference/admin-api.openapi.json", w.service.Document())
}
