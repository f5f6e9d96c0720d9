package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// overTLS is the setting of a certificate for localhost, and a client that
// believes it.
func overTLS(t *testing.T) (yaml string, client *tls.Config) {
	t.Helper()
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Issue(t, testcert.Leaf{}).Write(t, t.TempDir(), "tls")
	return "tls: {certificates: [{cert_file: '" + cert + "', key_file: '" + key + "'}]}\n",
		&tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// TestHTTP2ThroughTheGateway sends frames that no client library sends: nothing
// malformed reaches the upstream, which speaks HTTP/1.1.
func TestHTTP2ThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	yaml, client := overTLS(t)
	p := start(t, upstream.URL(), settings{yaml: yaml + "routes:\n  - {match: '/', upstream: api, public: true}\n"})
	attack.Case(t, "PROXY-17", attack.Gateway, func(t *testing.T) {
		for _, tt := range wire.HTTP2Shapes() {
			before := upstream.Received()
			h := wire.DialHTTP2(t, p.gateway, client, 6*wire.Patience)
			if err := h.SendRequest(1, tt.Body, tt.Fields...); err != nil {
				t.Fatal(err)
			}
			got := h.Await(1)
			_ = h.Close()
			told := news(before, upstream.Received())
			switch {
			case tt.Sent != "" && (got.Status != "200" || !strings.Contains(told, tt.Sent)):
				t.Errorf("%s: got %+v; the upstream was sent %q, want %q in it", tt.Name, got, told, tt.Sent)
			case tt.Sent == "" && !got.Reset && !got.Closed && !slices.Contains([]string{"400", "404", "405", "501", "502"}, got.Status):
				t.Errorf("%s: got %+v, want a refusal", tt.Name, got)
			case tt.Sent == "" && whole(told):
				t.Errorf("%s: the upstream was sent a whole request: %q", tt.Name, told)
			}
			if strings.Contains(strings.ToLower(told), "x-owner") || strings.Count(strings.ToLower(told), "\r\nhost:") > 1 {
				t.Errorf("%s: the upstream was sent %q", tt.Name, told)
			}
		}
	})
	if text := p.metric(t, "warder_http_refused_total"); text == "" || text == "0" {
		t.Errorf("refused = %q, want a number", text)
	}
}

// news is what connections were sent since: the gateway uses them again.
func news(before, after []string) (text string) {
	for i := range after {
		if i < len(before) {
			text += strings.TrimPrefix(after[i], before[i])
		} else {
			text += after[i]
		}
	}
	return text
}

// whole reports whether sent is a request with all of its body.
func whole(sent string) bool {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(sent)))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}
