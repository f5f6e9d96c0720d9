package extauthz_test

import (
	"context"
	"log/slog"
	"net"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"

	"github.com/warder-dev/warder/httpserver"
)

func simpleQuestion() *authv3.CheckRequest {
	return question(map[string]string{
		":path": "/a?b=c", ":method": "GET", ":scheme": "https", ":authority": "api.example.com", "accept": "*/*", "user-agent": "curl/7.88.1", "x-api-key": "k", "x-forwarded-proto": "https",
	})
}

func BenchmarkCheck(b *testing.B) {
	front := newFront(b, everything{}, nil)
	ctx := peer.NewContext(b.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}})
	q := simpleQuestion()
	b.ReportAllocs()
	for b.Loop() {
		if front.Check(ctx, q).GetOkResponse() == nil {
			b.Fatal("denied")
		}
	}
}

// BenchmarkWire is questions of 32 at once over one connection, the client's part
// included.
func BenchmarkWire(b *testing.B) {
	front := newFront(b, everything{}, nil)
	server, err := httpserver.New(httpserver.Config{Handler: front, Log: slog.New(slog.DiscardHandler), InsecureH2C: true})
	if err != nil {
		b.Fatal(err)
	}
	var listen net.ListenConfig
	l, err := listen.Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	b.Cleanup(func() { _ = server.Shutdown(context.WithoutCancel(b.Context())) })
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	q := simpleQuestion()
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		c := authv3.NewAuthorizationClient(conn)
		for pb.Next() {
			if w, err := c.Check(b.Context(), q); err != nil || w.GetOkResponse() == nil {
				b.Error(w, err)
				return
			}
		}
	})
}
