package accesslog

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/redact"
)

// Bounds of fields that a client can shape, in bytes.
const (
	maxMethod = 20
	maxHost   = 255
	maxPath   = 1024
	maxWord   = 64 // id, key id, stage, reason
	maxError  = 512
	maxName   = 80 // of a listener
)

// cutMark ends a value that was longer.
const cutMark = "[cut]"

// entry is the attributes of one record.
type entry struct {
	attrs [20]slog.Attr // one per field that fill adds
	n     int
}

func (e *entry) add(key string, v slog.Value) {
	e.attrs[e.n] = slog.Attr{Key: key, Value: v}
	e.n++
}

// text adds s, made printable and at most limit bytes long, unless it is empty.
func (e *entry) text(key, s string, limit int) {
	if s != "" {
		e.add(key, slog.StringValue(fact(s, limit)))
	}
}

// fill is the allow-list: what is not named here is not logged.
func (e *entry) fill(s *Stage, x *exchange.Exchange, o *exchange.Outcome) {
	r := x.Request
	e.text("id", x.ID, maxWord)
	e.text("trace_id", x.Span.TraceID(), maxWord)
	e.text("method", method(r.Method), maxMethod)
	e.text("host", redact.Text(x.Host), maxHost) // a client that mixes up its fields sends a key as the host
	if s.path != PathOff {
		e.text("route", x.Route, maxPath)
	}
	if s.path == PathMasked {
		e.text("path", redact.Path(path(x)), maxPath)
	}
	e.text("proto", proto(r), maxWord)
	e.text("listener", s.listener, maxName)
	e.add("status", slog.IntValue(o.Status))
	e.add("bytes", slog.Int64Value(o.Bytes))
	e.add("duration_us", slog.Int64Value(o.Duration.Microseconds()))
	e.text("client", client(x), maxWord)
	if x.ClientDoubtful {
		e.add("client_doubtful", slog.BoolValue(true))
	}
	e.text("key_id", keyID(x), maxWord)
	if n := x.Charge.Cost; n > 0 {
		e.add("credits", slog.Int64Value(n))
	}
	e.text("stage", o.Trace.Stage, maxWord)
	e.text("reason", o.Reason, maxWord)
	if o.Aborted {
		e.add("aborted", slog.BoolValue(true))
	}
	if o.Hijacked {
		e.add("upgraded", slog.BoolValue(true))
	}
	if o.Err != nil {
		e.text("error", redact.Text(o.Err.Error()), maxError)
	}
}

// method returns m when it is in use: a client can put a secret of its own, or
// many different words, where the method stands. "other" is for a token (RFC
// 9110, section 5.6.2) that is not registered, "invalid" for what is none.
func method(m string) string {
	if registered(m) {
		return m
	}
	if m == "" || len(m) > maxMethod {
		return "invalid"
	}
	for i := range len(m) {
		b := m[i]
		letter := (b|0x20)-'a' < 26
		if !letter && b-'0' >= 10 && !strings.Contains("!#$%&'*+-.^_`|~", m[i:i+1]) {
			return "invalid"
		}
	}
	return "other"
}

// registered reports whether m is in IANA's registry of HTTP methods (RFC 9110,
// section 18.2): those of HTTP itself, of WebDAV and its kin, and QUERY.
func registered(m string) bool {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY",
		"ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "LOCK", "MERGE", "MKACTIVITY",
		"MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "ORDERPATCH", "PROPFIND", "PROPPATCH", "REBIND",
		"REPORT", "SEARCH", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL":
		return true
	}
	return false
}

// path returns the canonical path or, for a request that was refused before it
// had one, the path as it was sent, without what may be a fragment: clients keep
// tokens there.
func path(x *exchange.Exchange) string {
	if x.Path != "" {
		return x.Path
	}
	sent := x.Request.URL.EscapedPath()
	if i := strings.IndexByte(sent, '#'); i >= 0 {
		sent = sent[:i] + cutMark
	}
	if i := strings.Index(sent, "%23"); i >= 0 {
		sent = sent[:i] + cutMark
	}
	return sent
}

func proto(r *http.Request) string {
	switch {
	case r.ProtoMajor == 1 && r.ProtoMinor == 1:
		return "HTTP/1.1"
	case r.ProtoMajor == 1 && r.ProtoMinor == 0:
		return "HTTP/1.0"
	case r.ProtoMajor == 2:
		return "HTTP/2.0"
	case r.ProtoMajor == 3:
		return "HTTP/3.0"
	default:
		return ""
	}
}

// client returns x.Client as text. It is mostly a part of RemoteAddr, which
// then saves making it.
func client(x *exchange.Exchange) string {
	if !x.Client.IsValid() {
		return ""
	}
	remote := x.Request.RemoteAddr
	if i := strings.LastIndexByte(remote, ':'); i > 0 {
		host := remote[:i]
		if host[0] == '[' && host[i-1] == ']' {
			host = host[1 : i-1]
		}
		if a, err := netip.ParseAddr(host); err == nil && a == x.Client {
			return host
		}
	}
	return x.Client.String()
}

// cut bounds s to limit bytes, mark included. It divides no rune.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit - len(cutMark)
	for end > 0 && s[end]&0xC0 == 0x80 {
		end--
	}
	return s[:end] + cutMark
}
