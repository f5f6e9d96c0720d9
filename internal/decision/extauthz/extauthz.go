// Package extauthz is the front for Envoy: its external authorization protocol,
// envoy.service.auth.v3, over gRPC. It decides by the same Stack as the gateway
// and forwards nothing.
//
// A request is allowed when every stage of the Stack passed it, and never
// otherwise: whatever is missing, contradictory or beyond a bound is a denial that
// the client can read, and no gRPC error, since Envoy can be told to let requests
// pass after those.
package extauthz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/internal/decision"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/upstream"
)

// Config configures a [Front]. Every field but Register and the Remove ones is
// required.
type Config struct {
	_ [0]func()

	// Stack decides. Its Forwarded stage must be forwarded.Direct: the front makes
	// the request that it judges, with the client as the peer.
	Stack *warder.Stack

	Proxies []netip.Prefix // who is answered
	Log     *slog.Logger

	// MaxHeaderBytes bounds the names and values of one request's fields and its
	// target, in bytes. Beyond it the client gets 431.
	MaxHeaderBytes int

	// RemoveHeaders and RemoveCookies carry credentials: Envoy takes them out for the
	// upstream.
	RemoveHeaders, RemoveCookies []string

	// Register adds what else Envoys may ask about; nil for nothing. Only those that
	// Proxies lists reach it.
	Register func(server grpc.ServiceRegistrar)
}

// A Front answers Envoys over HTTP/2. It is safe for concurrent use.
type Front struct {
	cfg     Config
	handler atomic.Pointer[http.Handler]
	peers   *decision.Peers
	server  *grpc.Server
	calls   map[string]call // by path

	removed  []string // RemoveHeaders in lower case
	identity []named  // what an upstream gets

	maxMessage int // bytes
	buffers    buffers

	stranger, unreadable, failed *problem.Problem
}

// named is a field in the forms of HTTP/1 and HTTP/2.
type named struct{ canonical, lower string }

// Beside its fields, a question holds names, addresses and a certificate of each
// side, and what Envoy's configuration adds.
const besideFields = 256 << 10

// longest is how long one decision may take. Envoy waits for 200 ms unless it is
// told otherwise, and says so; this bounds those who say nothing.
const longest = 10 * time.Second

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Front, error) {
	var errs []error
	if cfg.Stack == nil {
		errs = append(errs, errors.New("extauthz: Stack is missing"))
	}
	if len(cfg.Proxies) == 0 {
		errs = append(errs, errors.New("extauthz: Proxies is empty: nobody would be answered"))
	}
	if cfg.Log == nil {
		errs = append(errs, errors.New("extauthz: Log is missing"))
	}
	if cfg.MaxHeaderBytes <= 0 {
		errs = append(errs, fmt.Errorf("extauthz: MaxHeaderBytes is %d: want at least 1", cfg.MaxHeaderBytes))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f := &Front{
		cfg: cfg, peers: decision.NewPeers(cfg.Proxies, cfg.Log),
		stranger:   problem.New(problem.Forbidden, "This listener answers the proxies that it knows."),
		unreadable: problem.New(problem.InvalidTarget, "The proxy must name the request by method, path, scheme, host and source, without contradiction."),
		failed:     problem.New(problem.Internal, ""),
	}
	f.Replace(cfg.Stack)
	for _, name := range cfg.RemoveHeaders {
		f.removed = append(f.removed, strings.ToLower(name))
	}
	for _, name := range upstream.IdentityFields() {
		f.identity = append(f.identity, named{name, strings.ToLower(name)})
	}
	f.maxMessage = cfg.MaxHeaderBytes + besideFields
	f.server = grpc.NewServer(grpc.MaxRecvMsgSize(f.maxMessage), grpc.UnaryInterceptor(f.listedOnly))
	services := &registrar{Server: f.server, calls: make(map[string]call)}
	authv3.RegisterAuthorizationServer(services, service{f: f})
	grpc_health_v1.RegisterHealthServer(services, health.NewServer())
	if cfg.Register != nil {
		cfg.Register(services)
	}
	f.calls = services.calls
	return f, nil
}

// Replace lets stack decide from now on, which is as [Config.Stack] is. What is
// being decided is decided by the one before.
func (f *Front) Replace(stack *warder.Stack) {
	handler := stack.Wrap(http.HandlerFunc(allow))
	f.handler.Store(&handler)
}

// Refused is how many questions came from peers that are not listed.
func (f *Front) Refused() uint64 { return f.peers.Refused() }

// ServeHTTP speaks gRPC. The HTTP server below bounds connections, streams, times
// and the fields of gRPC's own.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if speaksGRPC(r) && !f.peers.Answered(r.RemoteAddr) {
		f.refuse(w, r)
		return
	}
	if c, wait, ok := f.plain(r); ok {
		f.serve(w, r, c, wait)
		return
	}
	f.server.ServeHTTP(w, r)
}

// listedOnly bounds the time of an answer that the library gives.
func (f *Front) listedOnly(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	return f.listed(ctx, request, info, handler)
}

var errStranger = status.Error(codes.PermissionDenied, "this listener answers the proxies that it knows")

// listed gives strangers no answer. Their questions about requests are denied by
// check, in a form that no Envoy takes for a failure.
func (f *Front) listed(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if info.FullMethod == authv3.Authorization_Check_FullMethodName {
		return handler(ctx, request)
	}
	if !f.peers.Answered(remote(ctx)) {
		return nil, errStranger
	}
	return handler(ctx, request)
}

// remote is the peer's address:port; "" when it has none.
func remote(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return ""
	}
	return p.Addr.String()
}

// service is the protocol's server.
type service struct {
	authv3.UnsafeAuthorizationServer

	f *Front
}

// Check implements [authv3.AuthorizationServer]. It returns no error.
func (s service) Check(ctx context.Context, request *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return s.f.check(ctx, request), nil
}

func (f *Front) check(ctx context.Context, request *authv3.CheckRequest) (response *authv3.CheckResponse) {
	defer func() {
		if value := recover(); value != nil { // gRPC answers on goroutines of its own, where a panic ends the program
			f.cfg.Log.Error("a decision panicked", slog.String("type", fmt.Sprintf("%T", value)))
			response = f.told(f.failed)
		}
	}()
	if !f.peers.Answered(remote(ctx)) {
		return f.told(f.stranger)
	}
	asked, err := f.read(ctx, request)
	switch {
	case errors.Is(err, errTooLarge):
		return denied(&verdict{status: http.StatusRequestHeaderFieldsTooLarge})
	case err != nil:
		f.cfg.Log.Warn("Envoy asked in a form that names no request", slog.String("wrong", err.Error()))
		return f.told(f.unreadable)
	}
	v := newVerdict()
	(*f.handler.Load()).ServeHTTP(v, asked)
	if !v.allowed || v.status != http.StatusOK {
		return denied(v)
	}
	return f.allowed(v, asked.Header)
}

// told is the denial that says p.
func (f *Front) told(p *problem.Problem) *authv3.CheckResponse {
	v := newVerdict()
	p.Write(v, &http.Request{Method: http.MethodGet, Header: http.Header{"Accept": {"application/problem+json"}}}, "")
	return denied(v)
}

// address is the peer of Envoy's own connection.
func address(source *authv3.AttributeContext_Peer) netip.Addr {
	socket := source.GetAddress().GetSocketAddress()
	if socket == nil || socket.GetProtocol() != corev3.SocketAddress_TCP && socket.GetProtocol() != corev3.SocketAddress_UDP {
		return netip.Addr{}
	}
	client, err := netip.ParseAddr(socket.GetAddress())
	if err != nil {
		return netip.Addr{}
	}
	return client.Unmap().WithZone("")
}
