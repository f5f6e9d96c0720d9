package server_test

import (
	"os"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"                  // is named on the page
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"                  // the same
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"                     // the same
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3" // the same
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"                          // the same
	"github.com/goccy/go-yaml"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/warder-dev/warder/internal/wire"
)

// between is what stands in text behind from and before to.
func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, from)
	inner, _, ends := strings.Cut(rest, to)
	if !found || !ends {
		t.Fatalf("the page has no %q, or nothing behind it", from)
	}
	return inner
}

// The guide's routes of Envoy make descriptors, and warder's configuration beside them
// counts each of those.
func TestTheGuidesDescriptorsAreCounted(t *testing.T) {
	text, err := os.ReadFile("../../docs/guide/envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	section := between(t, string(text), "## Limits by descriptors\n", "\n## ")
	domains := between(t, section, "\nrate_limit_domains:\n", "\nroutes:\n")
	block, err := yaml.YAMLToJSON([]byte(between(t, section, "```yml\n", "```\n")))
	if err != nil {
		t.Fatal(err)
	}
	var whole bootstrapv3.Bootstrap
	if err := protojson.Unmarshal(block, &whole); err != nil {
		t.Fatal(err)
	}
	var made []*commonv3.RateLimitDescriptor
	err = protorange.Range(whole.ProtoReflect(), func(at protopath.Values) error {
		if message, ok := at.Index(-1).Value.Interface().(protoreflect.Message); ok {
			if limit, ok := message.Interface().(*routev3.RateLimit); ok {
				made = append(made, descriptorOf(t, limit, "acme"), descriptorOf(t, limit, "globex"))
			}
		}
		return nil
	})
	if err != nil || len(made) != 4 {
		t.Fatalf("%d descriptors, %v, want two of each route", len(made), err)
	}
	e := envoy{program: start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML("envoy") + "rate_limit_domains:\n" + domains + "\n"})}
	e.conn = e.dial(t, insecure.NewCredentials())
	names := map[string]bool{}
	for _, d := range made {
		w, err := limits(t, e.conn, inDomain("api", d))
		if err != nil || w.GetStatuses()[0].GetCurrentLimit() == nil {
			t.Fatalf("%v: %v, %v", d, w, err)
		}
		names[w.GetStatuses()[0].GetCurrentLimit().GetName()] = true
	}
	if len(names) != 3 {
		t.Errorf("counted by %v, want the page's three limits", names)
	}
}

// descriptorOf is what Envoy makes of a request of owner, with the actions of limit.
func descriptorOf(t *testing.T, limit *routev3.RateLimit, owner string) *commonv3.RateLimitDescriptor {
	t.Helper()
	var entries []string
	for _, a := range limit.GetActions() {
		switch {
		case a.GetRemoteAddress() != nil:
			entries = append(entries, "remote_address", "192.0.2.1")
		case a.GetGenericKey() != nil && a.GetGenericKey().GetDescriptorKey() == "": // whose default is this
			entries = append(entries, "generic_key", a.GetGenericKey().GetDescriptorValue())
		case a.GetRequestHeaders().GetHeaderName() == "x-warder-owner":
			entries = append(entries, a.GetRequestHeaders().GetDescriptorKey(), owner)
		default:
			t.Fatalf("an action that this test does not know: %v", a)
		}
	}
	return descriptor(entries...)
}
