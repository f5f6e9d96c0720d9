package config

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/internal/outgoing"
	"github.com/warder-dev/warder/secret"
)

// Tracing says where what requests spend their time on is posted to, as
// OpenTelemetry's traces.
type Tracing struct {
	// Endpoint is where spans are posted to, by OTLP over HTTP: an https URL with its path, such as https://collector.example.com/v1/traces; http only to this machine. Without user, query and fragment. Default: none, nothing is traced.
	Endpoint string `yaml:"endpoint"`
	// Headers are fields of each post by their names, such as Authorization. Each value is a reference, such as ${OTLP_TOKEN} or file:/path. At most 16. Default: none.
	Headers map[string]secret.Text `yaml:"headers"`
	// ServiceName is what this warder is called in traces: 1 to 255 printable characters. Default warder.
	ServiceName string `yaml:"service_name" default:"warder"`
	// SampleRatio is the share of the traces that begin here and are recorded, 0 to 1 with at most six decimals. Default 1.
	SampleRatio Ratio `yaml:"sample_ratio" default:"1"`
	// ParentBased lets a believed caller say whether a request is recorded; false: sample_ratio alone says it. Default true.
	ParentBased bool `yaml:"parent_based" default:"true"`
	// TrustedPeers are addresses and networks of callers whose traceparent is believed, such as an ingress that makes one for each request: who passes on what clients send vouches for it. unix is for those who come over a Unix socket. What others send is replaced. At most 1,000. Default: none.
	TrustedPeers []string `yaml:"trusted_peers"`
	// Timeout is how long one post may take, and the last ones when warder stops, 100ms to 1m. Default 5s.
	Timeout time.Duration `yaml:"timeout" default:"5s" min:"100ms" max:"1m"`
	// CAFile is the path of a PEM file with the authorities that may sign the collector's certificate. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// InsecureHTTP lets endpoint be plain http to other machines. It costs: whoever is on the way reads the spans and headers. Default false.
	InsecureHTTP bool `yaml:"insecure_http" default:"false"`
}

// On reports whether anything is traced.
func (t *Tracing) On() bool { return t.Endpoint != "" }

// TrustedUnix is the entry of [Tracing.TrustedPeers] that means Unix sockets.
const TrustedUnix = "unix"

// Ratio is a share, in millionths. In text it is a number from 0 to 1.
type Ratio int64

// whole is the Ratio 1.
const whole Ratio = 1_000_000

// Float returns r as a number from 0 to 1.
func (r Ratio) Float() float64 { return float64(r) / float64(whole) }

// String is the shortest text of r.
func (r Ratio) String() string { return strconv.FormatFloat(r.Float(), 'f', -1, 64) }

var errRatio = errors.New("is not a number from 0 to 1 with at most six decimals, such as 0.05")

// ParseRatio reads a number from 0 to 1. The error does not repeat text.
func ParseRatio(text string) (Ratio, error) {
	before, after, point := strings.Cut(text, ".")
	const decimals = 6
	if before != "0" && before != "1" || point && after == "" || len(after) > decimals || strings.Trim(after, "0123456789") != "" {
		return 0, errRatio
	}
	n, err := strconv.ParseInt(before+after+strings.Repeat("0", decimals-len(after)), 10, 64)
	if err != nil || Ratio(n) > whole {
		return 0, errRatio
	}
	return Ratio(n), nil
}

func isRatio(t reflect.Type) bool { return t == reflect.TypeFor[Ratio]() }

// Bounds of what tracing takes.
const (
	maxTraceHeaders = 16
	maxTracePeers   = 1000
	maxServiceName  = 255
)

func (l *loader) checkTracing() {
	t := &l.config.Tracing
	if !t.On() && !l.failed("tracing.endpoint") {
		l.onlyTracing(t)
		return
	}
	l.checkEndpoint(t)
	l.checkTraceHeaders(t)
	if name := t.ServiceName; !l.failed("tracing.service_name") && (name == "" || len(name) > maxServiceName || strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) })) {
		l.reject("tracing.service_name", "is not 1 to 255 printable characters", "")
	}
	if len(t.TrustedPeers) > maxTracePeers && !l.failed("tracing.trusted_peers") {
		l.reject("tracing.trusted_peers", "are more than 1,000", "")
	}
	for i, text := range t.TrustedPeers {
		field := "tracing.trusted_peers[" + strconv.Itoa(i) + "]"
		if _, ok := tracePeer(text); !ok && text != TrustedUnix && !l.failed(field) {
			l.reject(field, "is neither an address nor a network, nor unix", `write it like "10.0.0.0/8" or "192.0.2.7"`)
		}
	}
}

// onlyTracing complains of what does nothing without an endpoint.
func (l *loader) onlyTracing(t *Tracing) {
	for name, given := range map[string]bool{
		"headers": len(t.Headers) > 0, "trusted_peers": len(t.TrustedPeers) > 0, "ca_file": t.CAFile != "", "insecure_http": t.InsecureHTTP,
	} {
		if field := "tracing." + name; given && !l.failed(field) {
			l.reject(field, "has no effect without tracing.endpoint", "name the collector by endpoint: https://collector.example.com/v1/traces")
		}
	}
}

func (l *loader) checkEndpoint(t *Tracing) {
	if l.failed("tracing.endpoint") {
		return
	}
	const example = "write it like https://collector.example.com/v1/traces, without user, query and fragment"
	u, err := outgoing.ParseURL(t.Endpoint, true)
	switch {
	case err != nil || u.RawQuery != "" || u.ForceQuery:
		l.reject("tracing.endpoint", "is no address to post to", example)
	case u.Scheme == "http" && !t.InsecureHTTP && !thisMachine(u):
		l.reject("tracing.endpoint", "is plain http to another machine", "use https, or set insecure_http if nobody else is on the way")
	case u.Path == "" || u.Path == "/":
		l.reject("tracing.endpoint", "has no path", "collectors take traces at /v1/traces: "+example)
	case u.Scheme == "http" && t.CAFile != "":
		l.reject("tracing.ca_file", "has no effect on a http URL", "use https")
	}
}

// thisMachine reports whether u leads to a loopback address, or to the name that
// stands for one.
func thisMachine(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func (l *loader) checkTraceHeaders(t *Tracing) {
	if len(t.Headers) > maxTraceHeaders && !l.failed("tracing.headers") {
		l.reject("tracing.headers", "are more than 16", "")
	}
	seen := map[string]bool{}
	for _, name := range sortedKeys(t.Headers) {
		field, canonical := "tracing.headers."+name, http.CanonicalHeaderKey(name)
		switch {
		case l.failed(field):
		case !strings.EqualFold(name, "Authorization") && reservedHeader(name) || strings.EqualFold(name, "Content-Type"):
			l.reject(field, "has another meaning in HTTP", "use the field that the collector asks for, such as Authorization or X-API-Key")
		case seen[canonical]:
			l.reject(field, "is given twice, in another case", "")
		case !printableText(t.Headers[name].Reveal()):
			l.reject(field, "is not printable ASCII", "")
		}
		seen[canonical] = true
	}
}

func printableText(text string) bool {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b > '~' {
			return false
		}
	}
	return text != ""
}

// tracePeer reads an address or a network.
func tracePeer(text string) (netip.Prefix, bool) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), true
	}
	network, err := netip.ParsePrefix(text)
	return network, err == nil && network == network.Masked() && !network.Addr().Is4In6()
}

// Trusted returns the networks of [Tracing.TrustedPeers], and whether Unix sockets
// are among them.
func (t *Tracing) Trusted() (networks []netip.Prefix, unix bool) {
	for _, text := range t.TrustedPeers {
		if text == TrustedUnix {
			unix = true
			continue
		}
		if network, ok := tracePeer(text); ok { // Load has refused everything else
			networks = append(networks, network)
		}
	}
	return networks, unix
}
