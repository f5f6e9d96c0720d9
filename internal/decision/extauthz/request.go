package extauthz

import (
	"context"
	"errors"
	"net/http"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"golang.org/x/net/http/httpguts"

	"github.com/warder-dev/warder/internal/decision"
)

var errTooLarge = errors.New("the fields are too large")

// read makes the request that Envoy asks about, out of the typed attributes alone.
// Nothing has a default: what is not there is an error.
func (f *Front) read(ctx context.Context, request *authv3.CheckRequest) (*http.Request, error) {
	attributes := request.GetAttributes()
	asked := attributes.GetRequest().GetHttp()
	switch {
	case asked == nil:
		return nil, errors.New("it has no HTTP attributes")
	case asked.GetQuery() != "" || asked.GetFragment() != "":
		return nil, errors.New("query or fragment stand apart from the path")
	case asked.GetBody() != "" || len(asked.GetRawBody()) > 0:
		return nil, errors.New("it brings a body, which is not judged here: take with_request_body out")
	}
	fields, err := f.fields(asked)
	if err != nil {
		return nil, err
	}
	q := decision.Question{
		Method: asked.GetMethod(), Target: asked.GetPath(), Scheme: asked.GetScheme(), Host: asked.GetHost(), Client: address(attributes.GetSource()), Header: fields,
	}
	return q.Request(ctx)
}

// A field is one line of the client's request.
type field struct{ name, value string }

// lines are the request's fields, from the one of two forms that Envoy uses.
func lines(asked *authv3.AttributeContext_HttpRequest) ([]field, error) {
	one, many := asked.GetHeaders(), asked.GetHeaderMap().GetHeaders()
	if len(one) > 0 && len(many) > 0 {
		return nil, errors.New("headers and header_map are both there")
	}
	all := make([]field, 0, len(one)+len(many))
	for name, value := range one {
		all = append(all, field{name, value})
	}
	for _, line := range many {
		value, err := valueOf(line)
		if err != nil {
			return nil, err
		}
		all = append(all, field{line.GetKey(), value})
	}
	return all, nil
}

func valueOf(line *corev3.HeaderValue) (string, error) {
	text, raw := line.GetValue(), string(line.GetRawValue())
	if text != "" && raw != "" && text != raw {
		return "", errors.New("a field has two values at once")
	}
	if text == "" {
		return raw, nil
	}
	return text, nil
}

// fields are the client's, checked against the typed attributes and without what
// only repeats those.
func (f *Front) fields(asked *authv3.AttributeContext_HttpRequest) (http.Header, error) {
	all, err := lines(asked)
	if err != nil {
		return nil, err
	}
	size := len(asked.GetPath()) + len(asked.GetHost()) + len(asked.GetMethod())
	pseudo := map[string]string{":method": asked.GetMethod(), ":path": asked.GetPath(), ":scheme": asked.GetScheme(), ":authority": asked.GetHost()}
	h := make(http.Header, len(all))
	for _, line := range all {
		const perField = 32 // as HTTP/2 counts them (RFC 9113, section 6.5.2)
		if size += len(line.name) + len(line.value) + perField; size > f.cfg.MaxHeaderBytes {
			return nil, errTooLarge
		}
		switch {
		case strings.HasPrefix(line.name, ":"):
			if want, left := pseudo[line.name]; !left || line.value != want {
				return nil, errors.New("a pseudo-header is unknown, repeated, or not what the attributes say")
			}
			delete(pseudo, line.name)
		case !validName(line.name) || !httpguts.ValidHeaderFieldValue(line.value):
			return nil, errors.New("a field is none of HTTP/2's")
		case line.name == "host":
			if line.value != asked.GetHost() {
				return nil, errors.New("host is not what the attributes say")
			}
		default:
			name := http.CanonicalHeaderKey(line.name)
			h[name] = append(h[name], line.value)
		}
	}
	return h, nil
}

// validName reports whether name is a field's in lower case (RFC 9113, section
// 8.2.1), as Envoy has them: two spellings of one name cannot differ.
func validName(name string) bool {
	return httpguts.ValidHeaderFieldName(name) && strings.ToLower(name) == name
}
