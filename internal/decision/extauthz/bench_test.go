package extauthz_test

import (
	"net"
	"testing"

	"google.golang.org/grpc/peer"
)

func BenchmarkCheck(b *testing.B) {
	front := newFront(b, everything{}, nil)
	ctx := peer.NewContext(b.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}})
	q := question(map[string]string{
		":path": "/a?b=c", ":method": "GET", ":scheme": "https", ":authority": "api.example.com", "accept": "*/*", "user-agent": "curl/7.88.1", "x-api-key": "k", "x-forwarded-proto": "https",
	})
	b.ReportAllocs()
	for b.Loop() {
		if front.Check(ctx, q).GetOkResponse() == nil {
			b.Fatal("denied")
		}
	}
}
