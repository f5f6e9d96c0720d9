package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// An envoy asks by the official protocol, as Envoy does.
type envoy struct {
	*program
	store *watchedStore
	conn  *grpc.ClientConn
}

// startEnvoy runs warder for an Envoy on this machine.
func startEnvoy(t *testing.T, more string) envoy {
	t.Helper()
	e := envoy{}
	e.program = start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{
		yaml:  askedYAML(more) + severalSchemes,
		store: func(s apikey.Store) apikey.Store { e.store = watch(s); return e.store },
	})
	e.conn = e.dial(t, insecure.NewCredentials())
	return e
}

func (p *program) dial(t *testing.T, secure credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	_, port, err := net.SplitHostPort(p.asked)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///127.0.0.1:"+port, grpc.WithTransportCredentials(secure))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// envoyAsks is a question in the shape of Envoy's: all of the client's fields in one
// map, those of HTTP/2 among them.
func envoyAsks(method, path string, fields ...string) *authv3.CheckRequest {
	headers := map[string]string{
		":method": method, ":path": path, ":scheme": "https", ":authority": "api.example.com", "x-forwarded-proto": "https", "x-request-id": "7a6f", "accept": "*/*",
	}
	for i := 0; i < len(fields); i += 2 {
		headers[fields[i]] = fields[i+1]
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:      peerAt("192.0.2.7", 50412),
		Destination: peerAt("198.51.100.1", 443),
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "8513868", Method: method, Path: path, Host: "api.example.com", Scheme: "https", Protocol: "HTTP/1.1", Size: -1, Headers: headers,
		}},
	}}
}

// inRawForm is the question of an Envoy with encode_raw_headers: each line by itself.
func inRawForm(q *authv3.CheckRequest, more ...*corev3.HeaderValue) *authv3.CheckRequest {
	asked := q.GetAttributes().GetRequest().GetHttp()
	lines := &corev3.HeaderMap{}
	for _, name := range slices.Sorted(maps.Keys(asked.GetHeaders())) {
		lines.Headers = append(lines.Headers, raw(name, asked.GetHeaders()[name]))
	}
	lines.Headers = append(lines.Headers, more...)
	asked.Headers, asked.HeaderMap = nil, lines
	return q
}

func raw(name, value string) *corev3.HeaderValue {
	return &corev3.HeaderValue{Key: name, RawValue: []byte(value)}
}

func peerAt(address string, port uint32) *authv3.AttributeContext_Peer {
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}}
}

// asks sends a question over conn.
func asks(t *testing.T, conn *grpc.ClientConn, q *authv3.CheckRequest) *authv3.CheckResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w, err := authv3.NewAuthorizationClient(conn).Check(ctx, q)
	if err != nil {
		t.Fatalf("%s %s: %v", q.GetAttributes().GetRequest().GetHttp().GetMethod(), q.GetAttributes().GetRequest().GetHttp().GetPath(), err)
	}
	if passes := w.GetStatus().GetCode() == int32(codes.OK); passes != (w.GetOkResponse() != nil) || passes == (w.GetDeniedResponse() != nil) {
		t.Errorf("an answer that says two things: %v", w)
	}
	return w
}

// told is the status that the client gets; 200 for a pass.
func toldBy(w *authv3.CheckResponse) int {
	if w.GetOkResponse() != nil {
		return 200
	}
	return int(w.GetDeniedResponse().GetStatus().GetCode())
}

// wants asks and compares what the client is told.
func (e envoy) wants(t *testing.T, what string, q *authv3.CheckRequest, want int) *authv3.CheckResponse {
	t.Helper()
	w := asks(t, e.conn, q)
	if got := toldBy(w); got != want {
		t.Errorf("%s: %d, want %d: %v", what, got, want, w)
	}
	return w
}

// options are the fields by name, as Envoy applies them.
func options(all []*corev3.HeaderValueOption) map[string][]string {
	h := map[string][]string{}
	for _, option := range all {
		name := option.GetHeader().GetKey()
		if option.GetAppendAction() == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			h[name] = nil
		}
		h[name] = append(h[name], option.GetHeader().GetValue())
	}
	return h
}

func only(h map[string][]string, name string) string {
	if len(h[name]) != 1 {
		return fmt.Sprint(h[name])
	}
	return h[name][0]
}

func TestEnvoyAsks(t *testing.T) {
	e := startEnvoy(t, "envoy")
	good := func() *authv3.CheckRequest { return envoyAsks("GET", "/orders/1?a=b", "x-api-key", e.key) }
	w := e.wants(t, "a good question", good(), 200)
	if h := options(w.GetOkResponse().GetHeaders()); only(h, "x-warder-owner") != "acme" || only(h, "x-warder-key-id") != string(e.record.ID) {
		t.Errorf("the identity: %v", h)
	}
	meta := w.GetDynamicMetadata().AsMap()
	if meta["owner"] != "acme" || meta["key_id"] != string(e.record.ID) || meta["route"] != "/orders/" || meta["request_id"] == "" {
		t.Errorf("the metadata: %v", meta)
	}
	e.wants(t, "in the raw form", inRawForm(good()), 200)
	attack.CaseVia(t, "FWD-03", attack.ViaEnvoy, func(t *testing.T) {
		for _, name := range []string{"x-original-uri", "x-forwarded-uri", "x-envoy-original-path", "x-original-url", "x-rewrite-url"} {
			e.wants(t, name, envoyAsks("GET", "/admin/x", "x-api-key", e.key, name, "/public/", "x-forwarded-method", "GET", "x-forwarded-for", "127.0.0.1"), 403)
		}
		if w := e.question(t, nginxAsks("GET", "/public/")); w.StatusCode < 400 { // by HTTP/1.1, as other proxies ask
			t.Errorf("a question of nginx's: %d", w.StatusCode)
		}
	})
	attack.CaseVia(t, "FWD-05", attack.ViaEnvoy, func(t *testing.T) {
		for _, name := range []string{"x-forwarded-prefix", "x-forwarded-port", "x-forwarded-server", "x-forwarded-host", "x-forwarded-uri"} {
			e.wants(t, name, envoyAsks("GET", "/admin/x", "x-api-key", e.key, name, "/public/"), 403)
		}
	})
	attack.CaseVia(t, "FWD-06", attack.ViaEnvoy, func(t *testing.T) {
		for path, want := range map[string]int{
			"/public/../admin/x": 400, "/public/%2e%2e/admin/x": 400, "/public//x": 400, "/public/a%2fb": 400, "/public;/x": 400, "/admin/x#/public/": 400,
			"/admin/x?/public/": 403, "/public/%00": 400, "/public/\\x": 400, "/public/x": 200, "/nowhere": 404, "/ORDERS/1": 404,
		} {
			e.wants(t, path, envoyAsks("GET", path, "x-api-key", e.key), want)
		}
	})
	attack.CaseVia(t, "FWD-08", attack.ViaEnvoy, func(t *testing.T) {
		for _, agent := range []string{"ELB-HealthChecker/2.0", "Envoy/HC", "kube-probe/1.30"} {
			for path, want := range map[string]int{"/orders/1": 401, "/ping": 404, "/healthz": 404, "/ready": 404} {
				e.wants(t, agent+path, envoyAsks("GET", path, "user-agent", agent), want)
			}
		}
	})
	attack.CaseVia(t, "FWD-15", attack.ViaEnvoy, func(t *testing.T) {
		e.wants(t, "HEAD", envoyAsks("HEAD", "/orders/1", "x-api-key", e.key), 200)
		e.wants(t, "a handshake", envoyAsks("GET", "/orders/1", "x-api-key", e.key, "upgrade", "websocket", "connection", "upgrade"), 200)
		e.wants(t, "a handshake without a key", envoyAsks("GET", "/orders/1", "upgrade", "websocket", "connection", "upgrade"), 401)
		e.wants(t, "h2c", envoyAsks("GET", "/orders/1", "x-api-key", e.key, "upgrade", "h2c", "connection", "upgrade"), 400)
	})
	attack.CaseVia(t, "FWD-20", attack.ViaEnvoy, func(t *testing.T) {
		w := e.wants(t, "a preflight", envoyAsks("OPTIONS", "/orders/1", "origin", "https://app.example.com", "access-control-request-method", "GET"), 204)
		if h := options(w.GetDeniedResponse().GetHeaders()); only(h, "access-control-allow-origin") != "https://app.example.com" || w.GetStatus().GetCode() == int32(codes.OK) {
			t.Errorf("a preflight: %v", w)
		}
	})
	attack.CaseVia(t, "FWD-22", attack.ViaEnvoy, func(t *testing.T) {
		for path, want := range map[string]int{"/orders/1": 401, "/nowhere": 404, "/public/a;b": 400} {
			w := e.wants(t, path, envoyAsks("GET", path), want)
			if got := only(options(w.GetDeniedResponse().GetHeaders()), "cache-control"); got != "no-store" {
				t.Errorf("%s: Cache-Control %q, want no-store", path, got)
			}
		}
	})
	attack.CaseVia(t, "FWD-09", attack.ViaEnvoy, e.askedAgain)
	attack.CaseVia(t, "FWD-16", attack.ViaEnvoy, e.contradictions)
	attack.CaseVia(t, "FWD-04", attack.ViaEnvoy, e.incomplete)
}

// askedAgain asks for another key and route, and after a revocation.
func (e envoy) askedAgain(t *testing.T) {
	t.Helper()
	record, key := e.create(t, apikey.Spec{Environment: "live", Name: "second", Owner: "globex", Scopes: []string{"orders:read"}})
	w := e.wants(t, "another key", envoyAsks("GET", "/orders/1", "x-api-key", key), 200)
	if h := options(w.GetOkResponse().GetHeaders()); only(h, "x-warder-owner") != "globex" {
		t.Errorf("another key: %v", h)
	}
	e.wants(t, "another route", envoyAsks("GET", "/admin/", "x-api-key", key), 403)
	revoked, err := e.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, record.ID, "superseded")
	if err != nil {
		t.Fatal(err)
	}
	e.awaitNodes(t, revoked.Revision)
	e.wants(t, "a revoked key", envoyAsks("GET", "/orders/1", "x-api-key", key), 401)
}

// contradictions asks about a public path in forms that may mean another one.
func (e envoy) contradictions(t *testing.T) {
	t.Helper()
	type asked = authv3.AttributeContext_HttpRequest
	for what, change := range map[string]func(*asked){
		"a query apart":                 func(a *asked) { a.Query = "a=b" },
		"a fragment apart":              func(a *asked) { a.Fragment = "x" },
		"a fragment in the path":        func(a *asked) { a.Path += "#x"; a.Headers[":path"] = a.Path },
		"no slash":                      func(a *asked) { a.Path = "public/"; a.Headers[":path"] = a.Path },
		"an absolute target":            func(a *asked) { a.Path = "https://api.example.com/public/"; a.Headers[":path"] = a.Path },
		"a body":                        func(a *asked) { a.Body = "x" },
		"a raw body":                    func(a *asked) { a.RawBody = []byte("x") },
		"both forms":                    func(a *asked) { a.HeaderMap = &corev3.HeaderMap{Headers: []*corev3.HeaderValue{raw("accept", "*/*")}} },
		"another :path":                 func(a *asked) { a.Headers[":path"] = "/admin/x" },
		"another :method":               func(a *asked) { a.Headers[":method"] = "POST" },
		"another :authority":            func(a *asked) { a.Headers[":authority"] = "other.example.com" },
		"another :scheme":               func(a *asked) { a.Headers[":scheme"] = "http" },
		"another host":                  func(a *asked) { a.Headers["host"] = "other.example.com" },
		"an unknown pseudo-header":      func(a *asked) { a.Headers[":protocol"] = "websocket" },
		"an empty name":                 func(a *asked) { a.Headers[""] = "x" },
		"a name in upper case":          func(a *asked) { a.Headers["X-Api-Key"] = "x" },
		"a name with a blank":           func(a *asked) { a.Headers["x api"] = "x" },
		"a line break":                  func(a *asked) { a.Headers["x-a"] = "x\r\nx-warder-owner: evil" },
		"an identity in other spelling": func(a *asked) { a.Headers["x_warder_owner"] = "evil" },
		"Connection takes ours away":    func(a *asked) { a.Headers["connection"] = "x-warder-owner" },
	} {
		q := envoyAsks("GET", "/public/")
		change(q.GetAttributes().GetRequest().GetHttp())
		e.wants(t, what, q, 400)
	}
	for what, more := range map[string][]*corev3.HeaderValue{
		"a pseudo-header again":      {raw(":path", "/public/")},
		"another pseudo-header":      {raw(":path", "/admin/x")},
		"host twice, the second one": {raw("host", "api.example.com"), raw("host", "other")},
		"two values of one field":    {{Key: "x-a", Value: "a", RawValue: []byte("b")}},
	} {
		e.wants(t, what, inRawForm(envoyAsks("GET", "/public/"), more...), 400)
	}
	e.wants(t, "two keys", inRawForm(envoyAsks("GET", "/orders/1", "x-api-key", e.key), raw("x-api-key", "other")), 400)
	e.wants(t, "two keys in one line", envoyAsks("GET", "/orders/1", "x-api-key", e.key+",other"), 401)
	e.wants(t, "a megabyte of fields", envoyAsks("GET", "/public/", "x-long", strings.Repeat("x", 200<<10)), 431)
	e.wants(t, "the same host twice", envoyAsks("GET", "/public/", "host", "api.example.com"), 200)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w, err := authv3.NewAuthorizationClient(e.conn).Check(ctx, envoyAsks("GET", "/public/", "x-long", strings.Repeat("x", 2<<20)))
	if status.Code(err) != codes.ResourceExhausted || w.GetOkResponse() != nil {
		t.Errorf("beyond the bound of a message: %v, %v", w, err)
	}
}

// incomplete asks with parts taken away.
func (e envoy) incomplete(t *testing.T) {
	t.Helper()
	for what, change := range map[string]func(*authv3.CheckRequest){
		"nothing":            func(q *authv3.CheckRequest) { q.Attributes = nil },
		"empty attributes":   func(q *authv3.CheckRequest) { q.Attributes = &authv3.AttributeContext{} },
		"no request":         func(q *authv3.CheckRequest) { q.Attributes.Request = nil },
		"no HTTP attributes": func(q *authv3.CheckRequest) { q.Attributes.Request.Http = nil },
		"empty HTTP":         func(q *authv3.CheckRequest) { q.Attributes.Request.Http = &authv3.AttributeContext_HttpRequest{} },
		"no source":          func(q *authv3.CheckRequest) { q.Attributes.Source = nil },
		"a source's name":    func(q *authv3.CheckRequest) { q.Attributes.Source = peerAt("localhost", 1) },
		"a pipe": func(q *authv3.CheckRequest) {
			q.Attributes.Source.Address = &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: "/x"}}}
		},
		"no method":      func(q *authv3.CheckRequest) { q.Attributes.Request.Http.Method = "" },
		"no path":        func(q *authv3.CheckRequest) { q.Attributes.Request.Http.Path = "" },
		"no scheme":      func(q *authv3.CheckRequest) { q.Attributes.Request.Http.Scheme = "" },
		"another scheme": func(q *authv3.CheckRequest) { q.Attributes.Request.Http.Scheme = "ftp" },
		"no host":        func(q *authv3.CheckRequest) { q.Attributes.Request.Http.Host = "" },
	} {
		q := envoyAsks("GET", "/public/")
		q.Attributes.Request.Http.Headers = map[string]string{"accept": "*/*"}
		change(q)
		e.wants(t, what, q, 400)
	}
}

func TestWhatEnvoyPassesOn(t *testing.T) {
	e := startEnvoy(t, "envoy")
	identity := []string{"x-warder-issuer", "x-warder-key-id", "x-warder-owner", "x-warder-scopes", "x-warder-subject"}
	attack.CaseVia(t, "FWD-07", attack.ViaEnvoy, func(t *testing.T) {
		_, nobodys := e.create(t, apikey.Spec{Environment: "live", Name: "no owner", Scopes: []string{"orders:read"}})
		for _, q := range []*authv3.CheckRequest{envoyAsks("GET", "/orders/1", "x-api-key", nobodys), envoyAsks("GET", "/public/")} {
			for _, name := range append(identity, "x-warder-identity") {
				q.Attributes.Request.Http.Headers[name] = "evil"
			}
			w := e.wants(t, "a client's identity", q, 200).GetOkResponse()
			set := options(w.GetHeaders())
			for _, name := range append(identity, "x-warder-identity") {
				if removed := slices.Contains(w.GetHeadersToRemove(), name); removed == (len(set[name]) > 0) || slices.Contains(set[name], "evil") {
					t.Errorf("%s: removed %v, set to %q", name, removed, set[name])
				}
			}
		}
	})
	attack.CaseVia(t, "FWD-17", attack.ViaEnvoy, func(t *testing.T) {
		for _, q := range []*authv3.CheckRequest{envoyAsks("GET", "/orders/1", "x-api-key", e.key), envoyAsks("GET", "/public/", "authorization", "Bearer x")} {
			removed := e.wants(t, "a credential", q, 200).GetOkResponse().GetHeadersToRemove()
			for _, name := range []string{"x-api-key", "authorization"} { // also where Envoy was told to keep them from us
				if !slices.Contains(removed, name) {
					t.Errorf("%s stays: %v", name, removed)
				}
			}
		}
	})
	attack.CaseVia(t, "FWD-14", attack.ViaEnvoy, e.refusals)
	attack.CaseVia(t, "FWD-13", attack.ViaEnvoy, func(t *testing.T) {
		var scopes []string
		for i := range 99 {
			scopes = append(scopes, fmt.Sprintf("orders:%d", i))
		}
		_, key := e.create(t, apikey.Spec{Environment: "live", Name: "many", Scopes: append(scopes, "orders:read")})
		w := e.wants(t, "many scopes", envoyAsks("GET", "/orders/1", "x-api-key", key), 200)
		if size := proto.Size(w); size > 64<<10 {
			t.Errorf("many scopes: %d bytes", size)
		}
	})
	attack.CaseVia(t, "FWD-10", attack.ViaEnvoy, func(t *testing.T) {
		keys := map[string]string{}
		for i := range 20 {
			owner := fmt.Sprintf("owner-%d", i)
			_, keys[owner] = e.create(t, apikey.Spec{Environment: "live", Name: owner, Owner: owner, Scopes: []string{"orders:read"}})
		}
		var wg sync.WaitGroup
		for _, owner := range slices.Repeat(slices.Collect(maps.Keys(keys)), 50) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				w, err := authv3.NewAuthorizationClient(e.conn).Check(ctx, envoyAsks("GET", "/orders/1", "x-api-key", keys[owner]))
				if got := only(options(w.GetOkResponse().GetHeaders()), "x-warder-owner"); err != nil || got != owner {
					t.Errorf("%s got the identity of %q, %v", owner, got, err)
				}
			})
		}
		wg.Wait()
	})
}

// refusals checks what Envoy is given for the client.
func (e envoy) refusals(t *testing.T) {
	t.Helper()
	w := e.wants(t, "within the limit", envoyAsks("GET", "/rare/", "x-api-key", e.key), 200)
	if h := options(w.GetOkResponse().GetResponseHeadersToAdd()); only(h, "ratelimit") == "[]" || only(h, "x-request-id") == "[]" {
		t.Errorf("fields of the answer: %v", h)
	}
	_, unseen := e.create(t, apikey.Spec{Environment: "live", Name: "never seen", Scopes: []string{"orders:read"}})
	silent := func(context.Context) error { return errors.New("disk I/O error") }
	e.store.fault.Store(&silent)
	defer e.store.fault.Store(nil)
	for _, tt := range []struct {
		path, key string
		want      int
		field     string
	}{
		{"/orders/1", "wrong", 401, "www-authenticate"},
		{"/admin/x", e.key, 403, "content-type"},
		{"/orders/1", unseen, 503, "retry-after"},
		{"/rare/", e.key, 429, "retry-after"},
		{"/nowhere", e.key, 404, "content-type"},
	} {
		denied := e.wants(t, tt.path, envoyAsks("GET", tt.path, "x-api-key", tt.key), tt.want).GetDeniedResponse()
		var problem struct {
			Status int    `json:"status"`
			Type   string `json:"type"`
		}
		h := options(denied.GetHeaders())
		if err := json.Unmarshal([]byte(denied.GetBody()), &problem); err != nil || problem.Status != tt.want || problem.Type == "" {
			t.Errorf("%s: the problem %q, %v", tt.path, denied.GetBody(), err)
		}
		if only(h, "content-type") != "application/problem+json" || len(h[tt.field]) != 1 || len(h["x-warder-owner"]) > 0 || len(h["content-length"]) > 0 {
			t.Errorf("%s: %v", tt.path, h)
		}
	}
	both := 0
	for _, option := range e.wants(t, "two challenges", envoyAsks("GET", "/either/"), 401).GetDeniedResponse().GetHeaders() {
		if option.GetHeader().GetKey() == "www-authenticate" {
			both += 1 + strings.Count(option.GetHeader().GetValue(), ", Bearer")
		}
	}
	if both < 2 {
		t.Errorf("%d challenges, want those of both schemes", both)
	}
}

// The protocol over TLS, from an Envoy that is known by its address and by a
// certificate; everything else that servers of gRPC offer is off.
func TestEnvoyOverTLS(t *testing.T) {
	root := testcert.NewCA(t, "root")
	folder := t.TempDir()
	cert, key := root.Issue(t, testcert.Leaf{Names: []string{"api.test"}}).Write(t, folder, "tls")
	yaml := strings.Replace(askedYAML("envoy"), `"127.0.0.1:0"`, `"0.0.0.0:0"`, 1) + fmt.Sprintf("tls: {certificates: [{cert_file: %s, key_file: %s}]}\n", cert, key)
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: yaml})
	secure := credentials.NewTLS(&tls.Config{RootCAs: root.Pool(), ServerName: "api.test", MinVersion: tls.VersionTLS12})
	e := envoy{program: p, conn: p.dial(t, secure)}
	e.wants(t, "over TLS", envoyAsks("GET", "/orders/1", "x-api-key", p.key), 200)
	e.wants(t, "over TLS without a key", envoyAsks("GET", "/orders/1"), 401)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if w, err := grpc_health_v1.NewHealthClient(e.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil || w.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", w, err)
	}
	err := e.conn.Invoke(ctx, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &grpc_health_v1.HealthCheckRequest{}, &grpc_health_v1.HealthCheckResponse{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("reflection: %v, want that there is none", err)
	}
	attack.CaseVia(t, "FWD-19", attack.ViaEnvoy, func(t *testing.T) {
		if w, err := authv3.NewAuthorizationClient(p.dial(t, insecure.NewCredentials())).Check(ctx, envoyAsks("GET", "/public/")); err == nil {
			t.Errorf("without TLS: %v", w)
		}
		open := settings{yaml: strings.Replace(askedYAML("envoy"), "127.0.0.1:0", "0.0.0.0:0", 1), flags: map[string]string{"listen": "127.0.0.1:0"}}
		if err := open.fails(t, "http://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "decision.listen: is plain HTTP and not a loopback address") {
			t.Errorf("plain beyond loopback: %v", err)
		}
	})
	attack.CaseVia(t, "FWD-21", attack.ViaEnvoy, func(t *testing.T) {
		refusesUndecidable(t, "envoy")
	})
}

// With tls.client_auth: require, an Envoy has to prove by a certificate who it is.
func TestEnvoyByItsCertificate(t *testing.T) {
	root, folder := testcert.NewCA(t, "root"), t.TempDir()
	cert, key := root.Issue(t, testcert.Leaf{Names: []string{"api.test"}}).Write(t, folder, "tls")
	testcert.Replace(t, filepath.Join(folder, "ca.pem"), root.PEM)
	yaml := strings.Replace(askedYAML("envoy"), `"127.0.0.1:0"`, `"0.0.0.0:0"`, 1) +
		fmt.Sprintf("tls: {certificates: [{cert_file: %s, key_file: %s}], client_ca_file: %s, client_auth: require}\n", cert, key, filepath.Join(folder, "ca.pem"))
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: yaml})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	attack.CaseVia(t, "FWD-01", attack.ViaEnvoy, func(t *testing.T) {
		client := testcert.Leaf{Subject: "envoy", Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		for name, tt := range map[string]struct {
			certificates []tls.Certificate
			want         bool
		}{
			"none":        {},
			"another's":   {certificates: []tls.Certificate{testcert.NewCA(t, "other").Issue(t, client).TLS}},
			"Envoy's own": {certificates: []tls.Certificate{root.Issue(t, client).TLS}, want: true},
		} {
			conn := p.dial(t, credentials.NewTLS(&tls.Config{RootCAs: root.Pool(), ServerName: "api.test", MinVersion: tls.VersionTLS12, Certificates: tt.certificates}))
			w, err := authv3.NewAuthorizationClient(conn).Check(ctx, envoyAsks("GET", "/orders/1", "x-api-key", p.key))
			if passed := err == nil && w.GetOkResponse() != nil; passed != tt.want {
				t.Errorf("%s: %v, %v", name, w, err)
			}
		}
	})
}

func TestStrangersAreNoEnvoy(t *testing.T) {
	attack.CaseVia(t, "FWD-01", attack.ViaEnvoy, func(t *testing.T) {
		e := startEnvoy(t, `envoy, proxies: ["192.0.2.0/24"]`)
		for _, path := range []string{"/public/", "/orders/1"} {
			e.wants(t, path, envoyAsks("GET", path, "x-api-key", e.key), 403)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if w, err := grpc_health_v1.NewHealthClient(e.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); status.Code(err) != codes.PermissionDenied {
			t.Errorf("a stranger asked for health: %v, %v", w, err)
		}
		if log := e.logged(t, "not listed in decision.proxies", 1); strings.Contains(log, e.key) {
			t.Errorf("the log:\n%s", log)
		}
	})
}
