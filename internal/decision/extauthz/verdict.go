package extauthz

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/upstream"
)

// maxBody is the longest answer that is passed on, in bytes. Ours are some 400.
const maxBody = 64 << 10

// A verdict is what the Stack wrote, and whether its end was reached.
type verdict struct {
	header http.Header
	sent   http.Header // as they were when the head went out
	status int         // 0 before it is known
	body   bytes.Buffer

	allowed   bool
	principal exchange.Principal
	route, id string
}

func newVerdict() *verdict { return &verdict{header: http.Header{}} }

// verdictOf finds the verdict below the writers that the Stack puts around it.
func verdictOf(w http.ResponseWriter) (*verdict, bool) {
	for {
		switch inner := w.(type) {
		case *verdict:
			return inner, true
		case interface{ Unwrap() http.ResponseWriter }:
			w = inner.Unwrap()
		default:
			return nil, false
		}
	}
}

// Header implements [http.ResponseWriter].
func (v *verdict) Header() http.Header { return v.header }

// WriteHeader implements [http.ResponseWriter].
func (v *verdict) WriteHeader(status int) {
	if status < http.StatusOK || v.status != 0 {
		return // what comes before an answer is nothing that a proxy could use
	}
	v.status, v.sent = status, v.header.Clone()
}

// Write implements [http.ResponseWriter].
func (v *verdict) Write(p []byte) (int, error) {
	if v.status == 0 {
		v.WriteHeader(http.StatusOK)
	}
	if v.body.Len()+len(p) <= maxBody {
		v.body.Write(p)
	}
	return len(p), nil
}

// allow is the end of the Stack: what every stage passed.
func allow(w http.ResponseWriter, r *http.Request) {
	v, ok := verdictOf(w)
	if !ok {
		panic("extauthz: the Stack hides the writer") // never a pass by accident
	}
	x := exchange.From(r.Context())
	v.allowed, v.principal, v.route, v.id = true, x.Principal, x.Route, x.ID
	w.WriteHeader(http.StatusOK)
}

// denied is the answer for the client, whatever its status: also one that a stage
// gave by itself, such as a preflight's, is none that reaches the upstream.
func denied(v *verdict) *authv3.CheckResponse {
	code := codes.PermissionDenied
	if v.status == 0 {
		v.WriteHeader(http.StatusInternalServerError) // no stage ends without a status
	}
	if v.status == http.StatusUnauthorized {
		code = codes.Unauthenticated
	}
	response := &authv3.DeniedHttpResponse{
		Status: &typev3.HttpStatus{Code: typev3.StatusCode(v.status)}, //nolint:gosec // three digits
		Body:   strings.ToValidUTF8(v.body.String(), "?"),
	}
	for _, name := range ours(v.sent) {
		for i, value := range v.sent[name] {
			response.Headers = appendOption(response.Headers, name, value, i > 0)
		}
	}
	return &authv3.CheckResponse{
		Status:       &rpcstatus.Status{Code: int32(code)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: response},
	}
}

// allowed is the pass: who it is for the upstream, and what belongs to the answer.
func (f *Front) allowed(v *verdict, client http.Header) *authv3.CheckResponse {
	known := http.Header{}
	upstream.SetIdentity(known, &v.principal)
	response := &authv3.OkHttpResponse{}
	remove := slices.Clone(f.removed)
	for _, name := range f.identity {
		if value := known.Get(name.canonical); value != "" {
			response.Headers = appendOption(response.Headers, name.lower, value, false)
		} else {
			remove = append(remove, name.lower)
		}
	}
	for name := range client {
		if strings.HasPrefix(name, "X-Warder-") && known.Get(name) == "" {
			remove = append(remove, strings.ToLower(name))
		}
	}
	if cookies := client["Cookie"]; len(cookies) > 0 && len(f.cfg.RemoveCookies) > 0 {
		if left := credential.WithoutCookies(cookies, f.cfg.RemoveCookies...); len(left) > 0 {
			response.Headers = appendOption(response.Headers, "Cookie", strings.Join(left, "; "), false)
		} else {
			remove = append(remove, "cookie")
		}
	}
	slices.Sort(remove)
	response.HeadersToRemove = slices.Compact(remove)
	for _, name := range ours(v.sent) {
		for i, value := range v.sent[name] {
			response.ResponseHeadersToAdd = appendOption(response.ResponseHeadersToAdd, name, value, i > 0 || name == "Vary" || name == "Set-Cookie")
		}
	}
	return &authv3.CheckResponse{
		Status:          &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse:    &authv3.CheckResponse_OkResponse{OkResponse: response},
		DynamicMetadata: metadata(v),
	}
}

// metadata is what other filters, and Envoy's log, can read of the pass.
func metadata(v *verdict) *structpb.Struct {
	fields := map[string]*structpb.Value{}
	for name, value := range map[string]string{
		"key_id": v.principal.KeyID, "issuer": v.principal.Issuer, "subject": v.principal.Subject, "owner": v.principal.Owner, "route": v.route, "request_id": v.id,
	} {
		if value != "" && utf8.ValidString(value) {
			fields[name] = structpb.NewStringValue(value)
		}
	}
	return &structpb.Struct{Fields: fields}
}

// ours are the names of what goes with an answer, sorted. Length and connection are
// Envoy's.
func ours(h http.Header) []string {
	var names []string
	for name := range h {
		switch name {
		case "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Keep-Alive", "Upgrade":
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// appendOption adds one field: beside those of that name, or in their place. Both
// ways to say so are set, since each of Envoy's lists reads another one.
func appendOption(all []*corev3.HeaderValueOption, name, value string, beside bool) []*corev3.HeaderValueOption {
	if !utf8.ValidString(value) {
		return all // protobuf has no text for it, and would lose the whole answer
	}
	option := &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: strings.ToLower(name), Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		Append:       wrapperspb.Bool(beside), //nolint:staticcheck // see above
	}
	if beside {
		option.AppendAction = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
	}
	return append(all, option)
}
