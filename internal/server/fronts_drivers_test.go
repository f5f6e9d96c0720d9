package server_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
)

// policyHost is the host of every request that names none.
const policyHost = "api.example.com"

// policyToken opens the admin listener of the front that verifies.
const policyToken = "sesame"

// policyDriverOf starts a front.
func policyDriverOf(t *testing.T, front policyFront) policyDriver {
	t.Helper()
	p := newPeople(t)
	if front == atLibrary {
		return newLibrary(t, p)
	}
	upstream := wire.Listen(t, servePolicy)
	logged := newRecords()
	s := settings{yaml: policyYAML(t, p, front), access: logged, token: secret.New(policyToken)}
	r := shootingRange{start(t, upstream.URL(), s), upstream}
	c := newCast(t, p, keysAndCredits{r.issuer, r.credits, func(last apikey.Revision) { r.awaitNodes(t, last) }})
	r.session(t, c)
	for range 2 { // the login and the token
		logged.reason(t, "the session")
	}
	sent := wires{addr: r.gateway, cast: c, logged: logged, arrivals: arrivalsAt(upstream)}
	switch front {
	case atNginx:
		sent.addr = nginxThatAsks(t, r.asked, upstreamAddress(upstream))
	case atCaddy:
		sent.addr = caddyThatAsks(t, r.asked, upstreamAddress(upstream))
	case atHAProxy:
		sent.addr = startHAProxy(t, r.asked, upstreamAddress(upstream), "bind {ADDR}")
	case atPlain, atTraefik, atEnvoyHTTP:
		return replays{wires: sent, asked: r.asked, shape: map[policyFront]proxyShape{atPlain: caddyShape, atTraefik: traefikShape, atEnvoyHTTP: envoyHTTPShape}[front]}
	case atEnvoy:
		return envoys{wires: sent, conn: r.dial(t, insecure.NewCredentials())}
	case atJudge:
		return judges{wires: sent, admin: r.admin}
	case atVerify:
		return verifies{wires: sent, admin: r.admin}
	default: // the gateway itself
	}
	return sent
}

// session logs ada in at the gateway, and notes her cookie and a token of hers.
func (r shootingRange) session(t *testing.T, c *cast) {
	t.Helper()
	w, _ := r.sendTo(t, policyHost, "POST /auth/login", ownPageOf(policyHost)+"Content-Type: application/x-www-form-urlencoded\r\n",
		url.Values{"username": {"ada"}, "password": {peoplesPassword}}.Encode())
	for _, cookie := range w.Cookies() {
		if cookie.Name == "__Host-session" {
			c.texts["session"] = cookie.Value
		}
	}
	if c.texts["session"] == "" {
		t.Fatalf("the login: %d", w.StatusCode)
	}
	_, body := r.sendTo(t, policyHost, "GET /auth/csrf", "Cookie: __Host-session="+c.texts["session"]+"\r\n", "")
	var answer struct {
		Token string `json:"csrf_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Token == "" {
		t.Fatalf("the token: %s %v", body, err)
	}
	c.texts["csrf"] = answer.Token
}

// ownPageOf are the fields of a browser on a page of the host.
func ownPageOf(host string) string {
	return "Sec-Fetch-Site: same-origin\r\nOrigin: http://" + host + "\r\n"
}

// servePolicy answers each request, and accepts WebSockets.
func servePolicy(c *wire.Conn) {
	for {
		r, err := c.Request()
		switch {
		case err != nil:
			return
		case r.Header.Get("Upgrade") != "":
			c.Say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
			c.Drain()
			return
		case r.Method == http.MethodHead:
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
		default:
			c.Say(wire.OK)
		}
	}
}

// arrivalsAt returns what reached the upstream since it was asked last.
func arrivalsAt(upstream *wire.Upstream) func(t *testing.T) []arrival {
	read := make(map[int]int) // bytes by connection
	return func(t *testing.T) (all []arrival) {
		t.Helper()
		for i, text := range upstream.Received() {
			reader := bufio.NewReader(strings.NewReader(text[read[i]:]))
			read[i] = len(text)
			for {
				r, err := http.ReadRequest(reader)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, r.Body)
				all = append(all, arrival{r.Method, r.RequestURI, r.Header})
			}
		}
		return all
	}
}

// sameTarget reports whether both are one path: a proxy sends on what it was
// sent, and the gateway what it judged.
func sameTarget(a, b string) bool {
	first, err := url.PathUnescape(a)
	second, otherErr := url.PathUnescape(b)
	return err == nil && otherErr == nil && strings.HasSuffix(second, first) // the absolute form has the host before it
}

// wires is a front that is sent requests of HTTP/1.1.
type wires struct {
	addr     string // host:port
	cast     *cast
	logged   records
	arrivals func(t *testing.T) []arrival

	secure string // host:port where the front speaks TLS; "" for nowhere
	tls    security
}

// dial connects as the row wants.
func (w wires) dial(t *testing.T, r *policyRow, from string) *wire.Client {
	t.Helper()
	if r.over == "" {
		return dialFrom(t, from, w.addr)
	}
	c := dialFrom(t, from, w.secure)
	conn := tls.Client(c.Conn, w.tls.client(r.over))
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatalf("%s: %v", r.rule, err)
	}
	return &wire.Client{Conn: conn, Reader: bufio.NewReader(conn)}
}

// text is the request of r.
func (w wires) text(r *policyRow) string {
	head := w.cast.say(r.head)
	if !strings.Contains("\n"+strings.ToLower(head), "\nhost:") {
		head = "Host: " + policyHost + "\r\n" + head
	}
	if r.body != "" {
		head += "Content-Length: " + strconv.Itoa(len(r.body)) + "\r\n"
	}
	return w.cast.say(r.line) + " HTTP/1.1\r\n" + head + "\r\n" + r.body
}

func (w wires) ask(t *testing.T, r *policyRow, from string, silent bool) (policyAnswer, http.Header) {
	t.Helper()
	c := w.dial(t, r, from)
	c.Send(w.text(r))
	method, _, _ := strings.Cut(r.line, " ")
	response, body := c.Response(method)
	_ = c.Close() // what was upgraded ends, and is logged
	if response == nil {
		t.Errorf("%s: no answer", r.rule)
		return policyAnswer{}, nil
	}
	got := policyAnswer{status: response.StatusCode, problem: problemOf(body), silent: silent}
	if !silent {
		got.reason = w.logged.reason(t, r.rule)
	}
	return settled(t, got, w.arrivals(t), r, w.cast), response.Header
}

func (w wires) idle(t *testing.T) {
	t.Helper()
	w.logged.none(t)
	if all := w.arrivals(t); len(all) > 0 {
		t.Errorf("the upstream was asked: %v", all)
	}
}

// A proxyShape is what a kind of proxy sends for a request of the client's: method and
// target, the client's fields, the client's address.
type proxyShape func(method, target string, fields []string, scheme, host, from string) string

// hopByHop reports whether a proxy keeps the field to itself.
func hopByHop(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "host":
		return true
	default:
		return strings.HasPrefix(strings.ToLower(name), "x-forwarded-")
	}
}

// kept are the client's fields that are not the proxy's own, each a line.
func kept(fields []string, also string) string {
	var text strings.Builder
	for _, line := range fields {
		name, _, _ := strings.Cut(line, ":")
		if !hopByHop(name) || also != "" && strings.EqualFold(name, also) {
			text.WriteString(line + "\r\n")
		}
	}
	return text.String()
}

// traefikShape is ForwardAuth with trustForwardHeader off: always GET, without
// what is of the connection, and without Upgrade.
func traefikShape(method, target string, fields []string, scheme, host, from string) string {
	return "GET /authz HTTP/1.1\r\nHost: warder\r\n" + kept(fields, "") + "X-Forwarded-For: " + from + "\r\nX-Forwarded-Host: " + host + "\r\nX-Forwarded-Method: " + method +
		"\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: " + scheme + "\r\nX-Forwarded-Server: traefik-6d8f\r\nX-Forwarded-Uri: " + target + "\r\nX-Real-Ip: " + from + "\r\nAccept-Encoding: gzip\r\n\r\n"
}

// caddyShape is forward_auth as it is: GET, the client's host, Upgrade with its
// Connection.
func caddyShape(method, target string, fields []string, scheme, host, from string) string {
	text := "GET /authz HTTP/1.1\r\nHost: " + host + "\r\n" + kept(fields, "upgrade")
	if strings.Contains(strings.ToLower(text), "\r\nupgrade:") {
		text += "Connection: Upgrade\r\n"
	}
	return text + "Via: 1.1 Caddy\r\nX-Forwarded-For: " + from + "\r\nX-Forwarded-Host: " + host + "\r\nX-Forwarded-Method: " + method + "\r\nX-Forwarded-Proto: " + scheme + "\r\nX-Forwarded-Uri: " + target + "\r\n\r\n"
}

// parts are method, target, host and the fields, each a line, of a row's request.
func (w wires) parts(r *policyRow) (method, target, host string, fields []string) {
	method, target, _ = strings.Cut(w.cast.say(r.line), " ")
	host = policyHost
	if rest, absolute := strings.CutPrefix(target, "http://"); absolute { // proxies take it apart (RFC 9112, section 3.2.2)
		host, target, _ = strings.Cut(rest, "/")
		target = "/" + target
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(w.cast.say(r.head), "\r\n"), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch {
		case strings.EqualFold(name, "host"):
			host = strings.TrimSpace(value)
		case line != "":
			fields = append(fields, line)
		}
	}
	return method, target, host, fields
}

// scheme is that of the request.
func (r *policyRow) scheme() string {
	if r.over == "" {
		return "http"
	}
	return "https"
}

// replays is a front that is asked as a proxy would that is not here.
type replays struct {
	wires

	asked string // host:port
	shape proxyShape
}

func (p replays) ask(t *testing.T, r *policyRow, from string, silent bool) (policyAnswer, http.Header) {
	t.Helper()
	c := wire.Dial(t, p.asked)
	method, target, host, fields := p.parts(r)
	c.Send(p.shape(method, target, fields, r.scheme(), host, from))
	w, body := c.Response(http.MethodGet)
	if w == nil {
		t.Errorf("%s: no answer", r.rule)
		return policyAnswer{}, nil
	}
	got := policyAnswer{status: w.StatusCode, problem: problemOf(body), silent: silent}
	if !silent {
		got.reason = p.logged.reason(t, r.rule)
	}
	if method == http.MethodHead {
		got.problem = "" // which the proxy leaves out
	}
	if w.StatusCode == http.StatusOK {
		got.who, got.passed = identityIn(w.Header, p.cast), true
		return got, nil // what the proxy does with the rest is its own
	}
	return got, w.Header
}

// envoys is a front that is asked as Envoy does, with encode_raw_headers.
type envoys struct {
	wires

	conn *grpc.ClientConn
}

func (e envoys) ask(t *testing.T, r *policyRow, from string, silent bool) (policyAnswer, http.Header) {
	t.Helper()
	method, target, host, fields := e.parts(r)
	lines := []*corev3.HeaderValue{
		raw(":method", method), raw(":path", target), raw(":scheme", r.scheme()), raw(":authority", host), raw("x-forwarded-proto", r.scheme()), raw("x-request-id", "7a6f"),
	}
	for _, line := range fields {
		name, value, _ := strings.Cut(line, ":")
		lines = append(lines, raw(strings.ToLower(name), strings.TrimSpace(value)))
	}
	answer := asks(t, e.conn, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: peerAt(from, 50412), Destination: peerAt("198.51.100.1", 80),
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "8513868", Method: method, Path: target, Host: host, Scheme: r.scheme(), Protocol: "HTTP/1.1", Size: -1, HeaderMap: &corev3.HeaderMap{Headers: lines},
		}},
	}})
	got := policyAnswer{status: toldBy(answer), problem: problemOf(answer.GetDeniedResponse().GetBody()), silent: silent}
	if !silent {
		got.reason = e.logged.reason(t, r.rule)
	}
	if method == http.MethodHead {
		got.problem = "" // which Envoy leaves out
	}
	if pass := answer.GetOkResponse(); pass != nil {
		got.who, got.passed = identityIn(headerOf(pass.GetHeaders()), e.cast), true
		return got, headerOf(pass.GetResponseHeadersToAdd())
	}
	return got, headerOf(answer.GetDeniedResponse().GetHeaders())
}

// headerOf is what Envoy makes of the options.
func headerOf(all []*corev3.HeaderValueOption) http.Header {
	h := make(http.Header)
	for name, values := range options(all) {
		h[http.CanonicalHeaderKey(name)] = values
	}
	return h
}

// verifies is a service that asks about a key.
type verifies struct {
	wires

	admin string // host:port
}

func (v verifies) ask(t *testing.T, r *policyRow, from string, _ bool) (policyAnswer, http.Header) {
	t.Helper()
	use := *r.use
	use.Key = v.cast.texts[use.Key]
	if use.Key == "" {
		use.Key = r.use.Key
	}
	method, target, _ := strings.Cut(r.line, " ")
	use.Method, use.Target, use.Address = method, target, netip.MustParseAddr(from).String()
	status, body := askVerify(t, v.admin, use)
	var verdict keyservice.Verdict
	if status != http.StatusOK {
		return policyAnswer{status: status, problem: problemOf(string(body)), silent: true}, nil
	}
	if err := json.Unmarshal(body, &verdict); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	got := policyAnswer{status: verdict.Status, reason: verdict.Reason, passed: verdict.Valid}
	switch {
	case verdict.Code == "invalid":
		got.problem = problem.Unauthorized
	case !verdict.Valid:
		got.problem = problem.Type(verdict.Code)
	default:
		h := http.Header{"X-Warder-Key-Id": {verdict.Principal.ID}, "X-Warder-Owner": {verdict.Principal.Owner}, "X-Warder-Scopes": {strings.Join(verdict.Principal.Scopes, " ")}}
		got.who = identityIn(h, v.cast)
	}
	return got, nil
}
