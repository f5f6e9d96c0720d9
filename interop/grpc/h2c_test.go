package grpc_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/testcert"
)

// TestCallsWithoutTLS: a client without TLS is served at listeners that are told to speak
// HTTP/2 in the clear, by the same policy, and gets no connection at others. What speaks
// HTTP/1.1 there goes on to.
func TestCallsWithoutTLS(t *testing.T) {
	w := &world{api: &api{cut: make(chan string, 16)}}
	folder := t.TempDir()
	own := testcert.SelfSigned(t, testcert.Leaf{})
	ownFile, _ := own.Write(t, folder, "api")
	file := filepath.Join(folder, "warder.yaml")
	_, port, err := net.SplitHostPort(serveAPI(t, w.api, own))
	must(t, err)
	text := fmt.Sprintf("insecure_h2c: true\nlisteners: {more: {listen: \"127.0.0.1:0\", insecure_h2c: true}, plain: {listen: \"127.0.0.1:0\"}}\ntimeouts: {body_idle: %v}\nupstreams: {api: {url: \"https://localhost:%s\", ca_file: %q}}\nroutes: [{match: /, upstream: api}]\n",
		5*patience, port, ownFile)
	must(t, os.WriteFile(file, []byte(text), 0o600))
	cfg, err := config.Load(config.Source{File: file, Flags: map[string]string{
		"listen": "127.0.0.1:0", "admin-listen": "off", "db": filepath.Join(folder, "warder.db"), "log-file": filepath.Join(folder, "warder.log"),
	}})
	must(t, err)
	listeners, err := server.Listen(t.Context(), cfg)
	must(t, err)
	w.run(t, server.Options{Config: cfg, Listeners: listeners, Version: "test"})
	_, ctx := w.key(t)
	at := map[string]string{"listen": listeners.Public.Addr().String()}
	for _, more := range listeners.More {
		at[more.Name] = more.Addr().String()
	}
	for _, name := range []string{"listen", "more"} {
		client := pb.NewTestServiceClient(dial(t, at[name], insecure.NewCredentials()))
		var trail metadata.MD
		out, err := client.UnaryCall(ctx, &pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("\x00payload")}}, grpc.Trailer(&trail))
		if err != nil || string(out.GetPayload().GetBody()) != "\x00payload" || first(trail, "x-key") != "" || first(trail, "x-owner") != "acme" || first(trail, "x-trail") != "two" {
			t.Errorf("%s: got %v, %v with the trailer %v", name, out, err, trail)
		}
		duplex, err := client.FullDuplexCall(ctx)
		must(t, err)
		for range 3 {
			must(t, duplex.Send(new(pb.StreamingOutputCallRequest)))
			if _, err := duplex.Recv(); err != nil {
				t.Fatalf("%s: %v in the middle of a stream", name, err)
			}
		}
		must(t, duplex.CloseSend())
		if _, err := duplex.Recv(); err == nil {
			t.Errorf("%s: the stream goes on after its end", name)
		}
		none, cancel := context.WithTimeout(t.Context(), patience)
		if _, err := client.UnaryCall(none, new(pb.SimpleRequest)); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s, without a key: %v, want %v", name, err, codes.Unauthenticated)
		}
		cancel()
		if got := firstLine(t, at[name]); got != "HTTP/1.1 401 Unauthorized" {
			t.Errorf("%s: a client of HTTP/1.1 is answered %q", name, got)
		}
	}
	if _, err := pb.NewTestServiceClient(dial(t, at["plain"], insecure.NewCredentials())).UnaryCall(ctx, new(pb.SimpleRequest)); status.Code(err) != codes.Unavailable {
		t.Errorf("where it was not asked for: %v, want no connection", err)
	}
}

// firstLine of what a request of HTTP/1.1 is answered.
func firstLine(t *testing.T, at string) string {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", at)
	must(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	must(t, err)
	all, err := io.ReadAll(c)
	must(t, err)
	line, _, _ := strings.Cut(string(all), "\r\n")
	return line
}
