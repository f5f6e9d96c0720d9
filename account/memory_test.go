package account_test

import (
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/accounttest"
)

func TestMemoryStore(t *testing.T) {
	accounttest.TestStore(t, func(*testing.T) account.Store { return new(account.MemoryStore) })
}
