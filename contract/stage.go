package contract

import (
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Config configures a [Stage].
type Config struct {
	_         [0]func()
	Operation *Operation // what requests are judged by. Required.

	// MaxBytes bounds the bodies that are judged; longer ones are 413. They are kept
	// in memory until they were forwarded. Default 1 MiB, at most 64 MiB. Bodies of
	// types that nobody looks into are neither kept nor bounded by it.
	MaxBytes int64

	// UnknownQuery lets parameters of the query pass that the document does not
	// declare.
	UnknownQuery bool

	// Shadow judges, tells Shadowed, and lets everything pass.
	Shadow bool

	// Shadowed is told of each request that Shadow let pass, with the word of the
	// log. nil for nobody. It is not called for a Dry exchange.
	Shadowed func(x *exchange.Exchange, reason string)
}

const (
	defaultBodyBytes = 1 << 20
	maxBodyBytes     = 64 << 20
)

// A Stage refuses requests that are not what an operation takes: 400 for
// parameters, for bodies that are not what they say they are, for one that is
// missing and for one where there is to be none, 413, 415, and 422 for a body that
// has one reading and is not what the schema allows (RFC 9110, sections 15.5.1 and
// 15.5.21). It is safe for concurrent use.
//
// A Dry exchange is judged by its parameters and the type of its body alone: the
// body is not read, since it can be read once.
type Stage struct{ cfg Config }

// New reports everything that is wrong with cfg.
func New(cfg Config) (*Stage, error) {
	var errs []error
	if cfg.Operation == nil {
		errs = append(errs, errors.New("contract: Operation is missing"))
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultBodyBytes
	}
	if cfg.MaxBytes < 1 || cfg.MaxBytes > maxBodyBytes {
		errs = append(errs, fmt.Errorf("contract: MaxBytes is %d, want 1 to %d", cfg.MaxBytes, maxBodyBytes))
	}
	if cfg.Shadowed == nil {
		cfg.Shadowed = func(*exchange.Exchange, string) {}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Stage{cfg: cfg}, nil
}

// Wrap is Check as net/http middleware, for use behind a Stack or a stage that
// sets the canonical target.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// Check judges the parameters, then the body.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	v := s.judge(x)
	if v.Passed() || !s.cfg.Shadow {
		return v
	}
	if !x.Dry {
		s.cfg.Shadowed(x, v.Reason())
	}
	return exchange.Pass()
}

func (s *Stage) judge(x *exchange.Exchange) exchange.Verdict {
	var e evaluation
	o := s.cfg.Operation
	e.parameters(o, x, s.cfg.UnknownQuery)
	if e.tooMuch() {
		return refuse(problem.InvalidParameters, "Send simpler parameters: these take too long to judge.", "too-complex")
	}
	if len(e.faults) > 0 {
		p := problem.New(problem.InvalidParameters, "Send what the API's document says; errors lists what is wrong.")
		return exchange.Refuse(p.WithFaults(e.faults), "parameters")
	}
	return s.body(x, &e)
}

func refuse(t problem.Type, detail, reason string) exchange.Verdict {
	return exchange.Refuse(problem.New(t, detail), reason)
}

// body judges the type of the body, and the body.
func (s *Stage) body(x *exchange.Exchange, e *evaluation) exchange.Verdict {
	r, b := x.Request, s.cfg.Operation.body
	none := r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0
	switch {
	case none && b != nil && b.required && !x.Dry: // a dry one is a question, which may come without
		return bodyFault(problem.InvalidBody, "is missing", "body-missing")
	case none:
		return exchange.Pass()
	case b == nil:
		return s.unwanted(x)
	}
	m, parameters, v := b.mediaOf(r)
	if m == nil {
		return v
	}
	if m.kind == opaque || x.Dry {
		return exchange.Pass()
	}
	text, err := x.Body(s.cfg.MaxBytes)
	if err != nil {
		return broken(err)
	}
	switch {
	case len(text) > 0:
	case b.required:
		return bodyFault(problem.InvalidBody, "is missing", "body-missing")
	default:
		return exchange.Pass() // sent in chunks, of which there was none
	}
	if err := e.content(m, text, parameters); err != nil {
		return bodyFault(problem.InvalidBody, err.Error(), "body-malformed")
	}
	if e.tooMuch() {
		return bodyFault(problem.InvalidContent, "takes too long to judge: send a simpler one", "too-complex")
	}
	if len(e.faults) > 0 {
		p := problem.New(problem.InvalidContent, "Send what the API's document says; errors lists what is wrong.")
		return exchange.Refuse(p.WithFaults(e.faults), "body")
	}
	return exchange.Pass()
}

// bodyFault refuses a body as a whole.
func bodyFault(t problem.Type, detail, reason string) exchange.Verdict {
	p := problem.New(t, "Send a body as the API's document says; errors tells what is wrong.")
	return exchange.Refuse(p.WithFaults([]problem.Fault{{In: inBody, Detail: detail}}), reason)
}

// unwanted refuses a body where there is to be none.
func (s *Stage) unwanted(x *exchange.Exchange) exchange.Verdict {
	if x.Request.ContentLength < 0 && !x.Dry {
		text, err := x.Body(0)
		if err == nil && len(text) == 0 {
			return exchange.Pass()
		}
	}
	return bodyFault(problem.InvalidBody, "the operation takes none", "body-unwanted")
}

// mediaOf finds the declared media type of r's body; m is nil for none, with the
// refusal.
func (b *body) mediaOf(r *http.Request) (m *media, parameters map[string]string, v exchange.Verdict) {
	if encodings := r.Header["Content-Encoding"]; len(encodings) > 1 || len(encodings) == 1 && !strings.EqualFold(encodings[0], "identity") {
		p := problem.New(problem.UnsupportedMedia, "Send the body without a content coding.").With("Accept-Encoding", "identity")
		return nil, nil, exchange.Refuse(p, "content-encoding")
	}
	fields := r.Header["Content-Type"]
	if len(fields) != 1 {
		return nil, nil, b.unsupported()
	}
	mediaType, parameters, err := mime.ParseMediaType(fields[0])
	if err != nil || strings.ContainsAny(fields[0], "*\\") { // an encoding of RFC 8187, a quoted pair: not everybody undoes them
		return nil, nil, b.unsupported()
	}
	if m = b.choose(mediaType); m == nil {
		return nil, nil, b.unsupported()
	}
	if charset := parameters["charset"]; m.kind != opaque && charset != "" && !isUTF8(charset) {
		return nil, nil, b.unsupported()
	}
	return m, parameters, v
}

// unsupported names the types that there are (RFC 9110, section 15.5.16).
func (b *body) unsupported() exchange.Verdict {
	var names []string
	for _, m := range b.media {
		names = append(names, m.major+"/"+m.minor)
	}
	p := problem.New(problem.UnsupportedMedia, "Send a Content-Type that the API's document names; Accept lists them.")
	return exchange.Refuse(p.With("Accept", strings.Join(names, ", ")), "media-type")
}

// broken answers for a body that could not be read.
func broken(err error) exchange.Verdict {
	var timeout net.Error
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return refuse(problem.BodyTooLarge, "Send a shorter body.", "body-too-large")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return refuse(problem.BodyTimeout, "Send the body without long pauses.", "body-timeout")
	}
	return refuse(problem.InvalidBody, "The body does not keep to what its header says of its length.", "body-invalid")
}
