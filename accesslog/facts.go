package accesslog

import (
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/redact"
)

// Facts are what a record says of a request in words: bounded, printable, and
// without what has the shape of a key or token. A field that the record leaves out
// is empty.
type Facts struct {
	ID, Method, Host, Route, Path, Proto, Client, KeyID, Stage, Reason string
}

// FactsOf returns the facts of x as a [Stage] with this mode logs them, for others
// who tell of requests and must not tell more.
func FactsOf(x *exchange.Exchange, o *exchange.Outcome, mode PathMode) Facts {
	f := Facts{
		ID: fact(x.ID, maxWord), Method: fact(method(x.Request.Method), maxMethod), Host: fact(redact.Text(x.Host), maxHost), Proto: fact(proto(x.Request), maxWord),
		Client: fact(client(x), maxWord), KeyID: fact(keyID(x), maxWord), Stage: fact(o.Trace.Stage, maxWord), Reason: fact(o.Reason, maxWord),
	}
	if mode != PathOff {
		f.Route = fact(x.Route, maxPath)
	}
	if mode == PathMasked || mode == "" {
		f.Path = fact(redact.Path(path(x)), maxPath)
	}
	return f
}

// fact is s, made printable and at most limit bytes long.
func fact(s string, limit int) string { return cut(redact.Line(s), limit) }

// keyID is the id of the key that was used, or that the request claims to have.
func keyID(x *exchange.Exchange) string {
	if id := x.Principal.KeyID; id != "" {
		return id
	}
	return x.Claim
}
