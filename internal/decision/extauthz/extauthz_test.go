package extauthz_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/decision/extauthz"
)

// everything lets all requests pass, or panics.
type everything struct{ panics bool }

func (r everything) Match(*exchange.Exchange) *warder.Policy {
	if r.panics {
		panic("hunter2")
	}
	return &warder.Policy{}
}

func newFront(tb testing.TB, route warder.Route, log *bytes.Buffer) *extauthz.Front {
	tb.Helper()
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(log, nil))
	}
	front, err := extauthz.New(extauthz.Config{
		Stack: &warder.Stack{Route: route}, Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.0/8")}, Log: logger, MaxHeaderBytes: 16 << 10,
		RemoveCookies: []string{"session"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return front
}

func question(headers map[string]string) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{Address: "::ffff:198.51.100.7"}}}},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Path: "/a?b=c", Host: "api.example.com", Scheme: "https", Headers: headers,
		}},
	}}
}

// FuzzCheckRequest reads whatever bytes are a CheckRequest: what is read is what the
// typed attributes say, and nothing of HTTP/2's own is left among the fields.
func FuzzCheckRequest(f *testing.F) {
	for _, q := range []*authv3.CheckRequest{
		{},
		question(nil), question(map[string]string{":path": "/a?b=c", ":method": "GET", "host": "api.example.com", "x-api-key": "k", "cookie": "a=b; session=c"}),
		question(map[string]string{":path": "/other"}), question(map[string]string{"X-A": "b", "connection": "x-warder-owner", "upgrade": "h2c"}),
	} {
		text, err := proto.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	front := newFront(f, everything{}, nil)
	f.Fuzz(func(t *testing.T, text []byte) {
		var q authv3.CheckRequest
		if proto.Unmarshal(text, &q) != nil {
			return
		}
		r, err := front.Read(t.Context(), &q)
		if (err == nil) != (r != nil) {
			t.Fatalf("%v and %v", r, err)
		}
		if err != nil {
			return
		}
		asked := q.GetAttributes().GetRequest().GetHttp()
		if r.Method != asked.GetMethod() || r.RequestURI != asked.GetPath() || r.Host != asked.GetHost() || (r.TLS != nil) != (asked.GetScheme() == "https") || r.RemoteAddr == "" {
			t.Errorf("read %q %q %q of %v", r.Method, r.RequestURI, r.Host, &q)
		}
		if asked.GetQuery()+asked.GetFragment()+asked.GetBody()+string(asked.GetRawBody()) != "" || strings.Contains(r.RequestURI, "#") {
			t.Errorf("read what has two readings: %v", &q)
		}
		size := 0
		for name, values := range r.Header {
			if strings.HasPrefix(name, ":") || name == "Host" || name != http.CanonicalHeaderKey(name) {
				t.Errorf("the field %q is left", name)
			}
			for _, value := range values {
				if size += len(name) + len(value); strings.ContainsAny(value, "\r\n\x00") {
					t.Errorf("%s is %q", name, value)
				}
			}
		}
		if size > 16<<10 {
			t.Errorf("%d bytes of fields", size)
		}
	})
}

func TestAPanicIsADenial(t *testing.T) {
	var log bytes.Buffer
	front := newFront(t, everything{panics: true}, &log)
	ctx := peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}})
	w := front.Check(ctx, question(nil))
	if w.GetStatus().GetCode() == int32(codes.OK) || w.GetDeniedResponse().GetStatus().GetCode() != http.StatusInternalServerError || strings.Contains(log.String(), "hunter2") {
		t.Errorf("%v, logged %s", w, log.String())
	}
}

func TestNewReportsEverything(t *testing.T) {
	_, err := extauthz.New(extauthz.Config{})
	for _, want := range []string{"Stack", "Proxies", "Log", "MaxHeaderBytes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s in it", err, want)
		}
	}
}

func TestTheSessionStaysHere(t *testing.T) {
	front := newFront(t, everything{}, nil)
	ctx := peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}})
	for sent, want := range map[string]string{"a=b; session=c; d=e": "a=b; d=e", "a=b": "a=b", "session=c": ""} {
		w := front.Check(ctx, question(map[string]string{"cookie": sent})).GetOkResponse()
		got := ""
		for _, option := range w.GetHeaders() {
			if option.GetHeader().GetKey() == "cookie" {
				got = option.GetHeader().GetValue()
			}
		}
		removed := strings.Contains(" "+strings.Join(w.GetHeadersToRemove(), " ")+" ", " cookie ")
		if got != want || removed != (want == "") {
			t.Errorf("%q: %q, removed %v, want %q: %v", sent, got, removed, want, w)
		}
	}
}
