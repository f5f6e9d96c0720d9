package server_test

import (
	"bufio"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/wire"
)

// dialFrom is wire.Dial from an address of the loopback network.
func dialFrom(t *testing.T, local, addr string) *wire.Client {
	t.Helper()
	conn, err := dialer(local).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &wire.Client{Conn: conn, Reader: bufio.NewReader(conn)}
}
