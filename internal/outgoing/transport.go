package outgoing

import (
	"io"
	"net/http"
)

// transport holds each request of a client to its rules, also those that
// redirects make.
type transport struct {
	next         *http.Transport
	insecureHTTP bool
	maxBytes     int64
}

// RoundTrip sends r if its scheme is allowed, and bounds the response's body.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && (!t.insecureHTTP || r.URL.Scheme != "http") {
		if r.Body != nil {
			_ = r.Body.Close() // as http.RoundTripper promises
		}
		return nil, ErrPlain
	}
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if response.ContentLength > t.maxBytes && r.Method != http.MethodHead {
		_ = response.Body.Close() // unread: the connection goes with it
		return nil, ErrTooLarge
	}
	response.Body = &body{ReadCloser: response.Body, left: t.maxBytes}
	return response, nil
}

// CloseIdleConnections serves [http.Client.CloseIdleConnections].
func (t *transport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// body fails once more than the limit was read.
type body struct {
	io.ReadCloser
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one byte more than allowed tells "at the limit" from "over it"
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}
