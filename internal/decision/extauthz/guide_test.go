package extauthz_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"                     // is named on the page
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3" // the same
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3" // the same
	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
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

func TestEnvoyKnowsTheGuidesConfiguration(t *testing.T) {
	all := blocks(t)
	if len(all) != 2 {
		t.Fatalf("the page has %d blocks, want 2", len(all))
	}
	var whole bootstrapv3.Bootstrap
	decode(t, all[0], &whole)
	found := 0
	err := protorange.Range(whole.ProtoReflect(), func(at protopath.Values) error {
		message, ok := at.Index(-1).Value.Interface().(protoreflect.Message)
		if !ok {
			return nil
		}
		filter, ok := message.Interface().(*extauthzv3.ExtAuthz)
		if !ok {
			return nil
		}
		found++
		if filter.GetFailureModeAllow() || filter.GetWithRequestBody() != nil || filter.GetAllowedHeaders() != nil || !filter.GetEncodeRawHeaders() ||
			filter.GetTransportApiVersion() != corev3.ApiVersion_V3 || filter.GetGrpcService().GetEnvoyGrpc().GetClusterName() != "warder" {
			t.Errorf("the filter lets through what nobody judged: %v", filter)
		}
		return nil
	})
	if err != nil || found != 1 {
		t.Errorf("%d filters, %v, want 1", found, err)
	}
	var socket corev3.TransportSocket
	decode(t, all[1], &socket)
	var secure tlsv3.UpstreamTlsContext
	if err := socket.GetTypedConfig().UnmarshalTo(&secure); err != nil || secure.GetCommonTlsContext().GetValidationContext().GetTrustedCa() == nil {
		t.Errorf("the socket: %v, %v", &secure, err)
	}
}
