// Package grpc_test has clients and servers of gRPC, of its own module, talk through a
// whole gateway.
package grpc_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/sqlite"
)

// patience is how long what must happen may take, on a machine that is busy. No body is
// silent for too long before.
const patience = 2 * time.Minute

// An api is the service behind the gateway. What it streams goes on until it is cut.
type api struct {
	pb.UnimplementedTestServiceServer
	cut chan string // the call that was, and with which fields it came
}

func (a *api) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	got, _ := metadata.FromIncomingContext(ctx)
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-head", "one")); err != nil {
		return nil, err
	}
	if err := grpc.SetTrailer(ctx, metadata.Pairs("x-trail", "two", "x-trail-bin", "\x00\xff", "x-key", strings.Join(got["x-api-key"], ","), "x-owner", strings.Join(got["x-warder-owner"], ","))); err != nil {
		return nil, err
	}
	if code := in.GetResponseStatus(); code.GetCode() != 0 {
		return nil, status.Error(codes.Code(code.GetCode()), code.GetMessage()) //nolint:gosec // of a test
	}
	return &pb.SimpleResponse{Payload: in.GetPayload()}, nil
}

func (a *api) StreamingOutputCall(_ *pb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
	err := s.Send(new(pb.StreamingOutputCallResponse))
	<-s.Context().Done()
	a.cut <- "server"
	return err
}

func (a *api) StreamingInputCall(s grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
	for {
		if _, err := s.Recv(); err != nil {
			a.cut <- "client"
			return err
		}
		a.cut <- "received" // without a word to the client
	}
}

func (a *api) FullDuplexCall(s grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	for {
		if _, err := s.Recv(); err != nil {
			a.cut <- "both"
			return err
		}
		if err := s.Send(new(pb.StreamingOutputCallResponse)); err != nil {
			return err
		}
	}
}

// A world is a gateway in front of an api, with a client of it.
type world struct {
	api    *api
	keys   *sqlite.APIKeys
	issuer *apikey.Issuer
	at     string
	client pb.TestServiceClient
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serveAPI serves over TLS, with a certificate for localhost.
func serveAPI(t *testing.T, a *api, own testcert.Pair) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{own.TLS}, MinVersion: tls.VersionTLS12})))
	pb.RegisterTestServiceServer(s, a)
	done := make(chan struct{})
	go func() { _ = s.Serve(listener); close(done) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return listener.Addr().String()
}

// open starts the gateway, which speaks TLS on both sides.
func open(t *testing.T) *world {
	t.Helper()
	w := &world{api: &api{cut: make(chan string, 16)}}
	ca, folder := testcert.NewCA(t, "root"), t.TempDir()
	certFile, keyFile := ca.Issue(t, testcert.Leaf{}).Write(t, folder, "tls")
	own := testcert.SelfSigned(t, testcert.Leaf{})
	ownFile, _ := own.Write(t, folder, "api")
	file := filepath.Join(folder, "warder.yaml")
	_, port, err := net.SplitHostPort(serveAPI(t, w.api, own))
	must(t, err)
	text := fmt.Sprintf("tls: {certificates: [{cert_file: %q, key_file: %q}]}\ntimeouts: {body_idle: %v}\nupstreams: {api: {url: \"https://localhost:%s\", ca_file: %q}}\nroutes: [{match: /, upstream: api}]\n",
		certFile, keyFile, 5*patience, port, ownFile)
	must(t, os.WriteFile(file, []byte(text), 0o600))
	cfg, err := config.Load(config.Source{File: file, Flags: map[string]string{
		"listen": "127.0.0.1:0", "admin-listen": "off", "db": filepath.Join(folder, "warder.db"), "log-file": filepath.Join(folder, "warder.log"),
	}})
	must(t, err)
	listeners, err := server.Listen(t.Context(), cfg)
	must(t, err)
	w.at = listeners.Public.Addr().String()
	w.run(t, server.Options{Config: cfg, Listeners: listeners, Version: "test"})
	w.client = pb.NewTestServiceClient(dial(t, w.at, credentials.NewTLS(&tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12})))
	return w
}

func dial(t *testing.T, at string, c credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+at, grpc.WithTransportCredentials(c), grpc.WithAuthority("localhost"))
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	return conn
}

// run serves until the end of the test.
func (w *world) run(t *testing.T, o server.Options) {
	t.Helper()
	logs, err := server.OpenJournal(o.Config.Log, os.Stderr)
	must(t, err)
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: o.Config.DB, Log: logs.Main})
	must(t, err)
	line, err := apikey.NewPepper(nil)
	must(t, err)
	peppers, err := apikey.ParsePeppers(line)
	must(t, err)
	w.keys = store.APIKeys()
	w.issuer, err = apikey.NewIssuer(apikey.IssuerConfig{Store: w.keys, Peppers: peppers})
	must(t, err)
	ready, done := make(chan struct{}), make(chan error, 1)
	o.Store, o.Registry, o.Sessions, o.Peppers = w.keys, store.Nodes(), store.Sessions(), peppers
	o.AccessLog, o.Log, o.Dropped, o.Ready = logs.Access, logs.Main, logs.Dropped, func() { close(ready) }
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() { done <- server.Run(ctx, o); close(done) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
		must(t, store.Close())
		must(t, logs.Close())
	})
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("the gateway did not start: %v", err)
	}
}

// key makes one, and the context of calls with it.
func (w *world) key(t *testing.T) (apikey.Record, context.Context) {
	t.Helper()
	record, text, err := w.issuer.Create(t.Context(), apikey.By{Actor: "system", Source: "test"}, apikey.Spec{Environment: "live", Owner: "acme"})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return record, metadata.AppendToOutgoingContext(ctx, "x-api-key", text.Reveal())
}

func first(m metadata.MD, name string) string { return strings.Join(m[name], ",") }

// TestUnaryCalls: what a call says comes through on both sides, its trailer too, and the
// key does not.
func TestUnaryCalls(t *testing.T) {
	w := open(t)
	_, ctx := w.key(t)
	for _, want := range []codes.Code{codes.OK, codes.FailedPrecondition, codes.Unknown} {
		var head, trail metadata.MD
		in := &pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("\x00payload")}, ResponseStatus: &pb.EchoStatus{Code: int32(want), Message: "nö % 1"}} //nolint:gosec // it is small
		out, err := w.client.UnaryCall(ctx, in, grpc.Header(&head), grpc.Trailer(&trail))
		if status.Code(err) != want || want == codes.OK && string(out.GetPayload().GetBody()) != "\x00payload" || want != codes.OK && status.Convert(err).Message() != "nö % 1" {
			t.Errorf("%v: got %v, %v", want, out, err)
		}
		if want == codes.OK && first(head, "x-head") != "one" || first(trail, "x-trail") != "two" || first(trail, "x-trail-bin") != "\x00\xff" {
			t.Errorf("%v: head %v, trailer %v", want, head, trail)
		}
		if first(trail, "x-key") != "" || first(trail, "x-owner") != "acme" {
			t.Errorf("%v: the service was sent the key %q of %q", want, first(trail, "x-key"), first(trail, "x-owner"))
		}
	}
	for key, want := range map[string]codes.Code{"": codes.Unauthenticated, "nonsense": codes.Unauthenticated} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := w.client.UnaryCall(metadata.AppendToOutgoingContext(ctx, "x-api-key", key), new(pb.SimpleRequest))
		cancel()
		if status.Code(err) != want {
			t.Errorf("the key %q: %v, want %v", key, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := pb.NewTestServiceClient(dial(t, w.at, insecure.NewCredentials())).UnaryCall(ctx, new(pb.SimpleRequest)); status.Code(err) != codes.Unavailable {
		t.Errorf("without TLS: %v, want no connection", err)
	}
}

// TestCallsEndWithTheirKey: the calls of a key that is revoked, in each direction, end
// for both sides, and the client is told with a status what became of it.
func TestCallsEndWithTheirKey(t *testing.T) {
	w := open(t)
	calls := map[string]func(t *testing.T, ctx context.Context) func() error{
		"server": func(t *testing.T, ctx context.Context) func() error {
			t.Helper()
			s, err := w.client.StreamingOutputCall(ctx, new(pb.StreamingOutputCallRequest))
			must(t, err)
			_, err = s.Recv()
			must(t, err)
			return func() error { _, err := s.Recv(); return err }
		},
		"client": func(t *testing.T, ctx context.Context) func() error {
			t.Helper()
			s, err := w.client.StreamingInputCall(ctx)
			must(t, err)
			must(t, s.Send(new(pb.StreamingInputCallRequest)))
			if got := <-w.api.cut; got != "received" {
				t.Fatalf("the service says %s", got)
			}
			return func() error { return s.RecvMsg(new(pb.StreamingInputCallResponse)) } // and sends no more
		},
		"both": func(t *testing.T, ctx context.Context) func() error {
			t.Helper()
			s, err := w.client.FullDuplexCall(ctx)
			must(t, err)
			must(t, s.Send(new(pb.StreamingOutputCallRequest)))
			_, err = s.Recv()
			must(t, err)
			return func() error { _, err := s.Recv(); return err }
		},
	}
	for name, call := range calls {
		attack.Case(t, "KEY-37", attack.Gateway, func(t *testing.T) {
			record, ctx := w.key(t)
			end := call(t, ctx)
			_, err := apikey.Revoke(t.Context(), w.keys, apikey.By{Actor: "system", Source: "test"}, record.ID, "key-compromise")
			must(t, err)
			if err := end(); status.Code(err) != codes.Unauthenticated || !strings.Contains(status.Convert(err).Message(), "stream-revoked") {
				t.Errorf("%s: the client got %v, want Unauthenticated and why", name, err)
			}
			select {
			case got := <-w.api.cut:
				if got != name {
					t.Errorf("the service says that the call of %s ended, want %s", got, name)
				}
			case <-ctx.Done():
				t.Errorf("%s: the service's side goes on", name)
			}
		})
	}
	// Another key's call is as good as before.
	_, ctx := w.key(t)
	if _, err := w.client.UnaryCall(ctx, new(pb.SimpleRequest)); err != nil {
		t.Errorf("a good key: %v", err)
	}
}
