package apikey_test

import (
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/apikeytest"
)

func TestMemoryStore(t *testing.T) {
	apikeytest.TestStore(t, func(*testing.T) apikeytest.Full { return new(apikey.MemoryStore) })
}
