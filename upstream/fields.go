package upstream

import (
	"net/http"
	"strings"
)

// maxFolded is the longest field name in a [nameSet], in bytes.
const maxFolded = 128

func isAlnum(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// fold appends name to dst as the strictest of the CGI-like upstreams reads it:
// without case, and with one character for all that is neither letter nor digit
// (RFC 3875, section 4.1.18, and what servers made of it).
func fold(dst []byte, name string) []byte {
	for i := range min(len(name), maxFolded) {
		switch b := name[i]; {
		case 'A' <= b && b <= 'Z':
			dst = append(dst, b+'a'-'A')
		case isAlnum(b):
			dst = append(dst, b)
		default:
			dst = append(dst, '-')
		}
	}
	return dst
}

// A nameSet is a set of field names in every spelling. It is immutable.
type nameSet struct {
	names    map[string]struct{} // folded
	prefixes []string            // folded
}

func newNameSet(prefixes []string, names ...string) nameSet {
	s := nameSet{names: make(map[string]struct{}, len(names)), prefixes: prefixes}
	for _, name := range names {
		s.names[string(fold(nil, name))] = struct{}{}
	}
	return s
}

// has reports whether name, in whatever spelling, is in the set. It does not
// allocate.
func (s *nameSet) has(name string) bool {
	var buffer [maxFolded]byte
	folded := fold(buffer[:0], name)
	if _, ok := s.names[string(folded)]; ok && len(name) <= maxFolded {
		return true
	}
	for _, prefix := range s.prefixes {
		if len(folded) >= len(prefix) && string(folded[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// hopByHop are the fields that concern one connection only, whether Connection
// names them or not (RFC 9110, section 7.6.1), and those that frame a message:
// they are made anew on each side.
func hopByHop() []string {
	return []string{
		"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
		"HTTP2-Settings", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
	}
}

// requestRemoved are the fields that no client's request brings to the
// upstream. Some of them are set by us afterwards.
func requestRemoved(credentials []string) nameSet {
	names := append(hopByHop(), credentials...)
	names = append(names,
		"Host", "Content-Length", "Expect", // said by the request itself, or settled here
		"X-Request-Id", "Forwarded", "X-Real-IP", // ours
		"True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "X-Client-IP", "Client-IP", "X-Cluster-Client-IP",
		"Fastly-Client-IP", "X-Remote-IP", "X-Remote-Addr", "X-Originating-IP", "X-ProxyUser-IP", "X-Azure-ClientIP",
		"X-Cluster-IP", "Proxy-Client-IP", "WL-Proxy-Client-IP", "Forwarded-For", "Remote-Addr", "X-Original-Remote-Addr",
		"Remote-User", "X-Remote-User",
		"X-Original-Forwarded-For", "X-Original-Host", "X-Host", "X-Forwarded",
		"X-Original-URL", "X-Rewrite-URL", "X-Override-URL", "X-Original-URI", "X-Original-Method",
		"X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override",
		"Proxy", // becomes HTTP_PROXY in a CGI environment
	)
	return newNameSet([]string{"x-warder-", "x-forwarded-", "x-envoy-"}, names...)
}

// responseRemoved are the fields that no upstream's response, or its trailer,
// brings to the client.
func responseRemoved() nameSet { return newNameSet([]string{"x-warder-"}, hopByHop()...) }

// trailerRemoved are, further, the fields that must not come in a trailer
// (RFC 9110, section 6.5.1).
func trailerRemoved() nameSet {
	return newNameSet([]string{"x-warder-"}, append(hopByHop(), "Host", "Content-Length", "Content-Encoding", "Content-Type",
		"Content-Range", "Cache-Control", "Expires", "Vary", "Set-Cookie", "Authorization", "WWW-Authenticate", "Location", "Date")...)
}

// removeNamed deletes from h what the fields of Connection name.
func removeNamed(h http.Header, connection []string) {
	for _, field := range connection {
		for option := range strings.SplitSeq(field, ",") {
			if option = strings.Trim(option, " \t"); option != "" {
				delete(h, http.CanonicalHeaderKey(option))
			}
		}
	}
}

// hasToken reports whether a list field has token in it, without case.
func hasToken(fields []string, token string) bool {
	for _, field := range fields {
		for element := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.Trim(element, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// asksWebSocket reports whether r is a plain request to upgrade to WebSocket
// (RFC 6455, section 4.1), the only upgrade that is forwarded.
func asksWebSocket(r *http.Request) bool {
	upgrade := r.Header["Upgrade"]
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor >= 1 &&
		(r.Body == nil || r.Body == http.NoBody) &&
		len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket") && hasToken(r.Header["Connection"], "upgrade")
}
