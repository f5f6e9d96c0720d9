package login_test

import (
	"testing"

	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/sessiontest"
)

// A store under turned digests is a store as good.
func TestSessionsApart(t *testing.T) {
	sessiontest.TestStore(t, func(t *testing.T) session.Store {
		t.Helper()
		memory, err := session.NewMemoryStore(0)
		if err != nil {
			t.Fatal(err)
		}
		return login.Apart(memory)
	})
}

// What is wrong with a configuration is told at once.
func TestNewRefuses(t *testing.T) {
	if _, err := login.New(login.Config{Timeout: -1}); err == nil {
		t.Error("New took a configuration without anything")
	}
	if _, err := login.NewSessions(nil, discard()); err == nil {
		t.Error("NewSessions took no store")
	}
	if _, err := login.NewKeys(login.KeysConfig{}); err == nil {
		t.Error("NewKeys took no store")
	}
}
