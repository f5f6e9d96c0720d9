package extauthz

import (
	"context"
	"net/http"

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
