package config_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

const collector = "endpoint: 'https://collector.example.com/v1/traces'"

func TestTracingThatIsWrong(t *testing.T) {
	environ := []string{"TOKEN=Bearer hunter2", "LINES=a\x01b"}
	for text, want := range map[string]string{
		"tracing: {endpoint: 'https://h'}":                                          `tracing.endpoint: has no path; collectors take traces at /v1/traces`,
		"tracing: {endpoint: 'https://u:hunter2@h/v1/traces'}":                      `tracing.endpoint: is no address to post to`,
		"tracing: {endpoint: 'https://h/v1/traces?token=hunter2'}":                  `tracing.endpoint: is no address to post to`,
		"tracing: {endpoint: 'http://192.0.2.1:4318/v1/traces'}":                    `tracing.endpoint: is plain http to another machine; use https, or set insecure_http`,
		"tracing: {endpoint: 'http://localhost.example.com/v1/traces'}":             `tracing.endpoint: is plain http to another machine`,
		"tracing: {endpoint: 'http://127.0.0.1/v1/traces', ca_file: a.pem}":         `tracing.ca_file: has no effect on a http URL`,
		"tracing: {headers: {Authorization: '${TOKEN}'}}":                           `tracing.headers: has no effect without tracing.endpoint`,
		"tracing: {trusted_peers: ['10.0.0.1']}":                                    `tracing.trusted_peers: has no effect without tracing.endpoint`,
		"tracing: {insecure_http: true}":                                            `tracing.insecure_http: has no effect without tracing.endpoint`,
		"tracing: {" + collector + ", headers: {Authorization: Bearer hunter2}}":    `tracing.headers.Authorization: a secret does not belong in this file; write ${VARIABLE} or file:/path`,
		"tracing: {" + collector + ", headers: {Authorization: '${LINES}'}}":        `tracing.headers.Authorization: is not printable ASCII`,
		"tracing: {" + collector + ", headers: {Cookie: '${TOKEN}'}}":               `tracing.headers.Cookie: has another meaning in HTTP`,
		"tracing: {" + collector + ", headers: {'a b': '${TOKEN}'}}":                `tracing.headers: this name is not one of a header field`,
		"tracing: {" + collector + ", headers: {x-a: '${TOKEN}', X-A: '${TOKEN}'}}": `is given twice, in another case`,
		"tracing: {" + collector + ", sample_ratio: 1.5}":                           `tracing.sample_ratio: is not a number from 0 to 1 with at most six decimals`,
		"tracing: {" + collector + ", sample_ratio: -0.5}":                          `tracing.sample_ratio: is not a number from 0 to 1`,
		"tracing: {" + collector + ", sample_ratio: 0.1234567}":                     `tracing.sample_ratio: is not a number from 0 to 1`,
		"tracing: {" + collector + ", sample_ratio: [1]}":                           `tracing.sample_ratio: is a list, want a number from 0 to 1`,
		"tracing: {" + collector + ", trusted_peers: ['10.0.0.1/8']}":               `tracing.trusted_peers[0]: is neither an address nor a network, nor unix`,
		"tracing: {" + collector + ", trusted_peers: [proxy.example.com]}":          `tracing.trusted_peers[0]: is neither an address nor a network, nor unix`,
		"tracing: {" + collector + ", timeout: 1h}":                                 `tracing.timeout: is out of range; want 100ms to 1m`,
		"tracing: {" + collector + ", service_name: ''}":                            `tracing.service_name: is not 1 to 255 printable characters`,
	} {
		_, err := load(t, shorthand+text+"\n", config.Source{Environ: environ})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error holds the secret: %v", text, err)
		}
	}
}

func TestTracing(t *testing.T) {
	environ := []string{"TOKEN=Bearer hunter2", "SHARE=0.25"}
	text := shorthand + "tracing: {" + collector + ", headers: {Authorization: '${TOKEN}'}, sample_ratio: 0.05, trusted_peers: ['10.0.0.0/8', '192.0.2.7', unix]}\n"
	c, err := load(t, text, config.Source{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	peers, unix := c.Tracing.Trusted()
	if want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")}; !slices.Equal(peers, want) || !unix {
		t.Errorf("trusted %v and Unix sockets %v, want %v and true", peers, unix, want)
	}
	if got := c.Tracing.SampleRatio.Float(); got != 0.05 || !c.Tracing.On() || !c.Tracing.ParentBased {
		t.Errorf("ratio %v, on %v, by the parent %v", got, c.Tracing.On(), c.Tracing.ParentBased)
	}
	if got := c.Tracing.Headers["Authorization"].Reveal(); got != "Bearer hunter2" {
		t.Errorf("the header is %q", got)
	}
	out := printed(t, c)
	if strings.Contains(out, "hunter2") || !strings.Contains(out, `sample_ratio: 0.05 #`) {
		t.Errorf("printed: %s", out)
	}
	for sent, want := range map[string]config.Ratio{"1": 1_000_000, "0": 0, "0.000001": 1, "'0.5'": 500_000, "'${SHARE}'": 250_000, "1.0": 1_000_000} {
		c, err := load(t, shorthand+"tracing: {"+collector+", sample_ratio: "+sent+"}\n", config.Source{Environ: environ})
		if err != nil {
			t.Fatalf("ratio %s: %v", sent, err)
		}
		if c.Tracing.SampleRatio != want {
			t.Errorf("ratio %s: %d millionths, want %d", sent, c.Tracing.SampleRatio, want)
		}
	}
	off, err := load(t, shorthand, config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	if off.Tracing.On() {
		t.Error("something is traced without an endpoint")
	}
	if c.Digest() != off.Digest() {
		t.Error("nodes must not differ in where they post spans to")
	}
	if live, restart := off.Changes(c); len(live) > 0 || !slices.Contains(restart, "tracing.endpoint") {
		t.Errorf("changed: live %v, with a restart %v", live, restart)
	}
	for _, plain := range []string{"http://127.0.0.1:4318/v1/traces", "http://localhost:4318/v1/traces", "http://[::1]:4318/v1/traces"} {
		if _, err := load(t, shorthand+"tracing: {endpoint: '"+plain+"'}\n", config.Source{}); err != nil {
			t.Errorf("%s: %v", plain, err)
		}
	}
}
