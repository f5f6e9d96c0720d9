package server_test

import (
	"net"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/server"
)

// A listenerAt says that it is somewhere else.
type listenerAt struct {
	net.Listener
	at net.Addr
}

func (l listenerAt) Addr() net.Addr { return l.at }

// TestWhoIsBelievedAtAPassedSocket: the configuration names loopback, where everybody may
// be believed, and whoever passes the socket has opened it to others.
func TestWhoIsBelievedAtAPassedSocket(t *testing.T) {
	const everybody = "{from: x-forwarded-for, trusted_proxies: [0.0.0.0/0], insecure_trust_all: true}"
	for _, tt := range []struct {
		name, forwarded, at string
		refused             bool
	}{
		{"everybody, at loopback", everybody, "127.0.0.1", false},
		{"everybody, at every address", everybody, "0.0.0.0", true},
		{"everybody, at every address of IPv6", everybody, "::", true},
		{"everybody, at one that others reach", everybody, "192.0.2.1", true},
		{"a proxy, at every address", "{from: x-forwarded-for, trusted_proxies: [10.0.0.1]}", "0.0.0.0", false},
		{"nobody, at every address", "{}", "0.0.0.0", false},
	} {
		cfg := settings{yaml: "listeners: {internal: {listen: '127.0.0.1:0', forwarded: " + tt.forwarded + "}}\nroutes: [{match: /, upstream: api}]\n"}.load(t, t.TempDir(), "http://127.0.0.1:1")
		own, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := server.ListenOn(t.Context(), cfg, map[string]net.Listener{"listeners.internal.listen": listenerAt{own, &net.TCPAddr{IP: net.ParseIP(tt.at), Port: 9000}}})
		if err == nil {
			l.Close()
		}
		if refused := err != nil && strings.HasPrefix(err.Error(), "listeners.internal.") && strings.Contains(err.Error(), ": the passed socket ("); refused != tt.refused {
			t.Errorf("%s: %v, want refused: %v", tt.name, err, tt.refused)
		}
	}
}
