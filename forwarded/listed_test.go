package forwarded_test

import (
	"testing"

	"github.com/warder-dev/warder/forwarded"
)

// TestPeerListed: later stages learn who is believed, whatever the peer says of others.
func TestPeerListed(t *testing.T) {
	behind := stage(t, forwarded.XForwardedFor, forwarded.Config{TrustedProxies: proxies()})
	for _, tt := range []struct {
		name  string
		stage *forwarded.Stage
		peer  string
		want  bool
	}{
		{"a listed proxy", behind, "10.0.0.1:1234", true},
		{"a listed proxy, by IPv6", behind, "[2001:db8:ffff::1]:1234", true},
		{"anybody else", behind, "192.0.2.7:1234", false},
		{"whom nobody lists", forwarded.Direct(), "10.0.0.1:1234", false},
	} {
		x := via(tt.peer)
		x.Request.Header["X-Forwarded-For"] = []string{"10.0.0.1"} // one that would be listed
		if tt.stage.Check(x); x.PeerListed != tt.want {
			t.Errorf("%s: listed %v, want %v", tt.name, x.PeerListed, tt.want)
		}
	}
}
