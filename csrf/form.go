package csrf

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"

	"github.com/warder-dev/warder/exchange"
)

// token returns why the request has no valid token; "" when it has. missing is
// the reason when there is none at all. A token in the header field counts alone:
// a form is read only where that is absent.
func (s *Stage) token(x *exchange.Exchange, missing string) string {
	if len(s.keys) == 0 || x.Principal.IsZero() {
		return missing // there is no token that could be right
	}
	switch fields := x.Request.Header[s.header]; len(fields) {
	case 0:
	case 1:
		_, reason := s.verify(fields[0], &x.Principal)
		return reason
	default:
		return reasonBadToken
	}
	text, reason := s.inForm(x)
	if reason != "" {
		return reason
	}
	if text == "" {
		return missing
	}
	_, reason = s.verify(text, &x.Principal)
	return reason
}

// inForm returns the token of the form that the body is, "" when it is none or
// has none, or why it could not be read. What was read is put back.
func (s *Stage) inForm(x *exchange.Exchange) (text, reason string) {
	r := x.Request
	types := r.Header["Content-Type"]
	if r.Body == nil || r.Body == http.NoBody || len(types) != 1 || len(types[0]) > maxType {
		return "", ""
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	boundary := params["boundary"]
	multi := mediaType == "multipart/form-data" && boundary != ""
	if err != nil || !multi && mediaType != "application/x-www-form-urlencoded" {
		return "", ""
	}
	limit := s.maxForm
	if x.BodyLimit > 0 {
		limit = min(limit, x.BodyLimit)
	}
	begin, end := peek(r, limit)
	if multi {
		text = s.inParts(begin, boundary)
	} else {
		text = s.inPairs(begin, end)
	}
	switch {
	case text != "" || errors.Is(end, io.EOF):
		return text, ""
	case end == nil:
		return "", reasonLongForm
	default:
		return "", reasonBrokenForm
	}
}

const (
	maxType  = 256            // bytes of a Content-Type that is looked at
	maxValue = textLength + 1 // bytes of a value that is looked at: longer than a token is no token
)

// A replay is a body whose beginning was read already.
type replay struct {
	begin bytes.Reader
	rest  io.Reader // what comes behind: the body, or the error that ended it
	io.Closer
}

func (b *replay) Read(p []byte) (int, error) {
	if b.begin.Len() > 0 {
		return b.begin.Read(p)
	}
	return b.rest.Read(p)
}

// ended is a reader of nothing but an error.
type ended struct{ error }

func (e ended) Read([]byte) (int, error) { return 0, e.error }

// peek reads up to limit bytes of the body, and puts them back in front of the
// rest. end is the error that ended the reading, [io.EOF] included; nil when
// more may come.
func peek(r *http.Request, limit int64) (begin []byte, end error) {
	var b bytes.Buffer
	if n := r.ContentLength; n > 0 {
		b.Grow(int(min(n, limit)) + bytes.MinRead)
	}
	_, err := b.ReadFrom(io.LimitReader(r.Body, limit))
	body := &replay{rest: r.Body, Closer: r.Body}
	switch {
	case err != nil:
		end = err
	case int64(b.Len()) < limit:
		end = io.EOF
	case int64(b.Len()) == r.ContentLength:
		end = io.EOF // the next Read would only say so
	}
	if err != nil {
		body.rest = ended{err}
	}
	begin = b.Bytes()
	body.begin.Reset(begin)
	r.Body = body
	return begin, end
}

// inPairs returns the field's first value in an urlencoded form, of which the
// last pair is cut unless it is whole.
func (s *Stage) inPairs(form []byte, end error) string {
	for len(form) > 0 {
		pair, rest, more := bytes.Cut(form, []byte("&"))
		if !more && !errors.Is(end, io.EOF) {
			return ""
		}
		name, value, _ := bytes.Cut(pair, []byte("="))
		if s.isField(name) {
			text, err := url.QueryUnescape(string(value[:min(len(value), 3*maxValue)]))
			if err != nil || text == "" {
				return "-" // it is there, and no token
			}
			return text
		}
		form = rest
	}
	return ""
}

// isField reports whether an encoded name is the field's.
func (s *Stage) isField(name []byte) bool {
	if len(name) > 3*len(s.field) {
		return false
	}
	decoded, err := url.QueryUnescape(string(name))
	return err == nil && decoded == s.field
}

// inParts returns the field's first value in a multipart form; "" also when the
// form is cut or broken before it.
func (s *Stage) inParts(form []byte, boundary string) string {
	parts := multipart.NewReader(bytes.NewReader(form), boundary)
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return ""
		}
		if part.FormName() != s.field || part.FileName() != "" {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, maxValue))
		if err != nil {
			return ""
		}
		if len(text) == 0 {
			return "-" // it is there, and no token
		}
		return string(text)
	}
}
