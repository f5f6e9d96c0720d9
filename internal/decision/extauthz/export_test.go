package extauthz

import (
	"context"
	"io"
	"net/http"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// Read is read.
func (f *Front) Read(ctx context.Context, request *authv3.CheckRequest) (*http.Request, error) {
	return f.read(ctx, request)
}

// Check is check.
func (f *Front) Check(ctx context.Context, request *authv3.CheckRequest) *authv3.CheckResponse {
	return f.check(ctx, request)
}

// Library answers r by the library alone.
func (f *Front) Library(w http.ResponseWriter, r *http.Request) { f.server.ServeHTTP(w, r) }

// Plain reports whether r is answered without the library.
func (f *Front) Plain(r *http.Request) bool {
	_, _, ok := f.plain(r)
	return ok
}

// ReadMessage is readMessage, with a buffer of its own.
func (f *Front) ReadMessage(body io.Reader) ([]byte, error) {
	return f.readMessage(body, f.buffers.get())
}

// ParseTimeout is parseTimeout.
func ParseTimeout(text string) (time.Duration, error) { return parseTimeout(text) }
