package wire_test

import (
	"net/http"
	"testing"

	"github.com/warder-dev/warder/internal/wire"
)

func TestUpstreamKeepsWhatItWasSent(t *testing.T) {
	u := wire.Listen(t, wire.Answer(wire.OK))
	const request = "PoSt /a%2e?x HTTP/1.1\r\nhost: H\r\nx-ODD:  y \r\nContent-Length: 3\r\n\r\nabc"
	c := wire.Dial(t, u.Addr())
	for range 2 {
		c.Send(request)
		if w, body := c.Response(http.MethodPost); w == nil || body != "ok" {
			t.Fatalf("response = %v %q, want ok", w, body)
		}
	}
	_ = c.Close()
	u.Await(t, func(received []string, closed int) bool { return closed == 1 && received[0] == request+request })
}
