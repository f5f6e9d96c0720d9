package extauthz_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3" // is named on the page
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3" // the same
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/warder-dev/warder/internal/decision"
	"github.com/warder-dev/warder/upstream"
)

// blocks are the configurations of Envoy on the guide's page.
func blocks(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/guide/envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, behind := range strings.Split(string(page), "\n```yml\n")[1:] {
		block, _, found := strings.Cut(behind, "\n```\n")
		if !found {
			t.Fatal("a block has no end")
		}
		all = append(all, block)
	}
	return all
}

// decode reads block as m, by Envoy's own definitions and their rules, in what is
// packed in it too.
func decode(t *testing.T, block string, m proto.Message) {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(block))
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(text, m); err != nil {
		t.Fatal(err)
	}
	judged := 0
	err = protorange.Range(m.ProtoReflect(), func(at protopath.Values) error {
		if message, ok := at.Index(-1).Value.Interface().(protoreflect.Message); ok {
			if rules, ok := message.Interface().(interface{ Validate() error }); ok {
				judged++
				if err := rules.Validate(); err != nil {
					return fmt.Errorf("%s: %w", at.Path, err)
				}
			}
		}
		return nil
	})
	if err != nil || judged < 3 {
		t.Errorf("%d messages, %v", judged, err)
	}
}

// filters returns those of type M in whole.
func filters[M proto.Message](t *testing.T, whole proto.Message) (all []M) {
	t.Helper()
	err := protorange.Range(whole.ProtoReflect(), func(at protopath.Values) error {
		if message, ok := at.Index(-1).Value.Interface().(protoreflect.Message); ok {
			if filter, ok := message.Interface().(M); ok {
				all = append(all, filter)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// checkAsking fails unless everything is asked about over gRPC, and nothing passes
// without an answer.
func checkAsking(t *testing.T, whole *bootstrapv3.Bootstrap) {
	t.Helper()
	all := filters[*extauthzv3.ExtAuthz](t, whole)
	if len(all) != 1 {
		t.Fatalf("%d filters, want 1", len(all))
	}
	filter := all[0]
	if filter.GetFailureModeAllow() || filter.GetWithRequestBody() != nil || filter.GetAllowedHeaders() != nil || !filter.GetEncodeRawHeaders() ||
		filter.GetTransportApiVersion() != corev3.ApiVersion_V3 || filter.GetGrpcService().GetEnvoyGrpc().GetClusterName() != "warder" {
		t.Errorf("the filter lets through what nobody judged: %v", filter)
	}
}

func TestEnvoyKnowsTheGuidesConfiguration(t *testing.T) {
	all := blocks(t)
	if len(all) != 4 {
		t.Fatalf("the page has %d blocks, want 4", len(all))
	}
	var whole, limited bootstrapv3.Bootstrap
	decode(t, all[0], &whole)
	checkAsking(t, &whole)
	decode(t, all[1], &limited)
	checkAsking(t, &limited)
	limits := filters[*ratelimitv3.RateLimit](t, &limited)
	if len(limits) != 1 {
		t.Fatalf("%d filters, want 1", len(limits))
	}
	if l := limits[0]; !l.GetFailureModeDeny() || l.GetDomain() != "api" || l.GetRateLimitService().GetGrpcService().GetEnvoyGrpc().GetClusterName() != "warder" {
		t.Errorf("the filter lets through what nobody counted: %v", l)
	}
	var filter hcmv3.HttpFilter
	decode(t, all[2], &filter)
	checkReplaying(t, &filter)
	var socket corev3.TransportSocket
	decode(t, all[3], &socket)
	var secure tlsv3.UpstreamTlsContext
	if err := socket.GetTypedConfig().UnmarshalTo(&secure); err != nil || secure.GetCommonTlsContext().GetValidationContext().GetTrustedCa() == nil {
		t.Errorf("the socket: %v, %v", &secure, err)
	}
}

// checkReplaying fails unless everything is asked about over HTTP in the way that the
// dialect reads.
func checkReplaying(t *testing.T, filter *hcmv3.HttpFilter) {
	t.Helper()
	all := filters[*extauthzv3.ExtAuthz](t, filter)
	if len(all) != 1 {
		t.Fatalf("%d filters, want 1", len(all))
	}
	f, asked := all[0], all[0].GetHttpService()
	if f.GetFailureModeAllow() || f.GetWithRequestBody() != nil || f.GetStatusOnError().GetCode() != typev3.StatusCode_ServiceUnavailable || asked.GetPathPrefix() != decision.Path {
		t.Errorf("the filter lets through what nobody judged: %v", f)
	}
	added := map[string]bool{}
	for _, h := range asked.GetAuthorizationRequest().GetHeadersToAdd() {
		added[h.GetKey()] = true
	}
	if !added["x-original-addr"] || !added["x-original-proto"] || len(f.GetAllowedHeaders().GetPatterns()) != 1 || f.GetAllowedHeaders().GetPatterns()[0].GetSafeRegex().GetRegex() != ".*" {
		t.Errorf("the question is not whole: %v", f)
	}
	told := asked.GetAuthorizationResponse()
	if told.GetAllowedClientHeaders() != nil {
		t.Errorf("a denial is not whole: %v", told)
	}
	for _, name := range append(upstream.IdentityFields(), "Cookie") {
		if !slices.ContainsFunc(told.GetAllowedUpstreamHeaders().GetPatterns(), func(m *matcherv3.StringMatcher) bool {
			return m.GetExact() == strings.ToLower(name) || m.GetPrefix() != "" && strings.HasPrefix(strings.ToLower(name), m.GetPrefix())
		}) {
			t.Errorf("the upstream keeps the client's %s", name)
		}
	}
}
