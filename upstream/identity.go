package upstream

import (
	"net/http"
	"slices"
	"strings"

	"github.com/warder-dev/warder/exchange"
)

// header makes the upstream's request fields: what the client sent, less what
// must not pass, and then ours. identity is the value of X-Warder-Identity; "" for
// none.
func (u *Upstream) header(x *exchange.Exchange, identity string, upgrade bool) http.Header {
	in := x.Request.Header
	out := make(http.Header, len(in)+12)
	for name, values := range in {
		if !u.removed.has(name) {
			out[name] = slices.Clip(values)
		}
	}
	removeNamed(out, in["Connection"])
	setTrace(out, &x.Span)
	u.credentials.clean(out)
	SetIdentity(out, &x.Principal)
	if identity != "" {
		out["X-Warder-Identity"] = []string{identity}
	}
	if x.NearLimit != "" {
		out["X-Warder-Limit-Near"] = []string{encode(x.NearLimit)}
	}
	setForwarded(out, x)
	if hasToken(in["Te"], "trailers") {
		out["Te"] = []string{"trailers"} // the one member that says what the client's side can do (RFC 9110, section 10.1.4)
	}
	if upgrade {
		out["Connection"], out["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	}
	if _, ok := out["User-Agent"]; !ok {
		out["User-Agent"] = []string{""} // else the transport would add its own
	}
	u.credentials.set(out)
	return out
}

// IdentityFields returns the names of the fields that [SetIdentity] sets, as
// http.Header has them.
func IdentityFields() []string {
	return []string{"X-Warder-Key-Id", "X-Warder-Issuer", "X-Warder-Subject", "X-Warder-Owner", "X-Warder-Scopes"}
}

// SetIdentity tells the upstream whom the credential proved: a key by its id,
// everybody else by the issuer and the subject, which are unique only together.
// What is not plain in a value is percent-encoded (RFC 3986, section 2.1). What
// has no value is left as it is in h.
func SetIdentity(h http.Header, p *exchange.Principal) {
	switch {
	case p.KeyID != "":
		h["X-Warder-Key-Id"] = []string{encode(p.KeyID)}
	case p.Subject != "":
		h["X-Warder-Issuer"], h["X-Warder-Subject"] = []string{encode(p.Issuer)}, []string{encode(p.Subject)}
	}
	if p.Owner != "" {
		h["X-Warder-Owner"] = []string{encode(p.Owner)}
	}
	if scopes := encodeAll(p.Scopes.Names()); scopes != "" {
		h["X-Warder-Scopes"] = []string{scopes}
	}
}

// encodeAll joins values by spaces, which encode leaves in none of them.
func encodeAll(values []string) string {
	var b strings.Builder
	for _, value := range values {
		if value == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(encode(value))
	}
	return b.String()
}

// plain reports whether encode leaves b as it is: visible ASCII without the
// percent sign, and without the comma that would make a list of one value.
func plain(b byte) bool { return b > ' ' && b < 0x7f && b != '%' && b != ',' }

// encode percent-encodes (RFC 3986, section 2.1) what is not plain.
func encode(value string) string {
	const digits = "0123456789ABCDEF"
	i := 0
	for i < len(value) && plain(value[i]) {
		i++
	}
	if i == len(value) {
		return value
	}
	var b strings.Builder
	b.WriteString(value[:i])
	for ; i < len(value); i++ {
		if c := value[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// setForwarded tells the upstream what the edge found out of the connection:
// one element, ours (RFC 7239), and its older forms.
func setForwarded(h http.Header, x *exchange.Exchange) {
	host := hostWithPort(x)
	h["X-Forwarded-Host"] = []string{host}
	h["X-Forwarded-Proto"] = []string{x.Scheme}
	node := "unknown" // RFC 7239, section 6.3: a Unix socket has no address
	if x.Client.IsValid() {
		client := x.Client.WithZone("").String()
		h["X-Forwarded-For"], h["X-Real-Ip"] = []string{client}, []string{client}
		node = client
		if x.Client.Is6() {
			node = "[" + client + "]"
		}
	}
	h["Forwarded"] = []string{"for=" + quoted(node) + ";host=" + quoted(host) + ";proto=" + x.Scheme}
	if x.ID != "" {
		h["X-Request-Id"] = []string{x.ID}
	}
}

func hostWithPort(x *exchange.Exchange) string {
	if x.Port == "" {
		return x.Host
	}
	return x.Host + ":" + x.Port
}

// quoted writes value as a token, or as a quoted-string when it is none
// (RFC 9110, section 5.6.4). [validHost] lets no quote or backslash come here.
func quoted(value string) string {
	for i := range len(value) {
		if b := value[i]; !isAlnum(b) && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return `"` + value + `"`
		}
	}
	return value
}

// maxTraceState is how much of tracestate is passed on, in bytes: what the
// standard asks to keep (W3C Trace Context, section 3.3.1.5).
const maxTraceState = 512

// setTrace tells the upstream which trace the request belongs to: ours where it is
// traced here, else what the client sent, if it is whole.
func setTrace(h http.Header, span *exchange.Span) {
	parent := span.Forward()
	if parent == "" {
		cleanTrace(h)
		return
	}
	h["Traceparent"] = []string{parent}
	delete(h, "Tracestate")
	if span.State != "" {
		h["Tracestate"] = []string{span.State}
	}
}

// cleanTrace keeps traceparent and tracestate only when the former is of the
// standard's form, so that a client cannot write into the upstream's traces
// what its tools do not expect.
func cleanTrace(h http.Header) {
	parent, state := h["Traceparent"], h["Tracestate"]
	if len(parent) != 1 || !validTraceParent(parent[0]) {
		delete(h, "Traceparent")
		delete(h, "Tracestate")
		return
	}
	size := 0
	for _, field := range state {
		size += len(field) + 1
		for i := range len(field) {
			if b := field[i]; (b < ' ' && b != '\t') || b >= 0x7f {
				size = maxTraceState + 2
			}
		}
	}
	if size > maxTraceState+1 {
		delete(h, "Tracestate")
	}
}

// validTraceParent reports whether text is a traceparent of version 00:
// 00-<32 hex>-<16 hex>-<2 hex>, lower case, neither id all zero (W3C Trace
// Context, section 3.2).
func validTraceParent(text string) bool {
	const length = 55
	if len(text) != length || text[:3] != "00-" || text[35] != '-' || text[52] != '-' {
		return false
	}
	trace, parent, flags := text[3:35], text[36:52], text[53:]
	return isHex(trace) && isHex(parent) && isHex(flags) && strings.Trim(trace, "0") != "" && strings.Trim(parent, "0") != ""
}

func isHex(text string) bool {
	for i := range len(text) {
		if b := text[i]; (b < '0' || b > '9') && (b < 'a' || b > 'f') {
			return false
		}
	}
	return true
}
